//! Hangul taken apart and put together: initial consonants, keys of the 2-beolsik keyboard, distance.
//!
//! A syllable is `(initial·21 + vowel)·28 + final` from U+AC00 on. Every letter is named here by the keys
//! that type it, so that one table serves the keyboard slip (`dkssud` for 안녕) and the distance between
//! two misspelt words.

const FIRST: u32 = 0xAC00;
const LAST: u32 = 0xD7A3;
const VOWELS: u32 = 21;
const FINALS: u32 = 28;

/// Keys of the initial consonants, in the order of the code points.
const INITIAL_KEYS: [&str; 19] =
    ["r", "R", "s", "e", "E", "f", "a", "q", "Q", "t", "T", "d", "w", "W", "c", "z", "x", "v", "g"];
/// Keys of the vowels.
const VOWEL_KEYS: [&str; 21] =
    ["k", "o", "i", "O", "j", "p", "u", "P", "h", "hk", "ho", "hl", "y", "n", "nj", "np", "nl", "b", "m", "ml", "l"];
/// Keys of the final consonants; the first is none.
const FINAL_KEYS: [&str; 28] = [
    "", "r", "R", "rt", "s", "sw", "sg", "e", "f", "fr", "fa", "fq", "ft", "fx", "fv", "fg", "a", "q", "qt", "t", "T",
    "d", "w", "c", "z", "x", "v", "g",
];
/// Keys of the single letters U+3131..=U+3163, as they are typed on their own.
const LETTER_KEYS: [&str; 51] = [
    "r", "R", "rt", "s", "sw", "sg", "e", "E", "f", "fr", "fa", "fq", "ft", "fx", "fv", "fg", "a", "q", "Q", "qt", "t",
    "T", "d", "w", "W", "c", "z", "x", "v", "g", "k", "o", "i", "O", "j", "p", "u", "P", "h", "hk", "ho", "hl", "y",
    "n", "nj", "np", "nl", "b", "m", "ml", "l",
];
/// The single letters of the initial consonants, in the order of the code points.
const INITIAL_LETTERS: [char; 19] =
    ['ㄱ', 'ㄲ', 'ㄴ', 'ㄷ', 'ㄸ', 'ㄹ', 'ㅁ', 'ㅂ', 'ㅃ', 'ㅅ', 'ㅆ', 'ㅇ', 'ㅈ', 'ㅉ', 'ㅊ', 'ㅋ', 'ㅌ', 'ㅍ', 'ㅎ'];

/// True for a composed syllable.
pub(super) fn is_syllable(c: char) -> bool {
    (FIRST..=LAST).contains(&u32::from(c))
}

/// True for a letter on its own: ㄱ, ㅏ.
pub(super) fn is_letter(c: char) -> bool {
    ('ㄱ'..='ㅣ').contains(&c)
}

/// The initial consonant of a syllable: 갤 → ㄱ.
pub(super) fn initial(syllable: char) -> Option<char> {
    if !is_syllable(syllable) {
        return None;
    }
    let index = (u32::from(syllable) - FIRST) / (VOWELS * FINALS);
    INITIAL_LETTERS.get(index as usize).copied()
}

/// What a run of consonants stands for as initials. Some keyboards join two consonants into one letter
/// (ㄹ and ㅅ into ㄽ); they are taken apart. `None` if a vowel is among them.
pub(super) fn initials_of_letters(letters: &str) -> Option<String> {
    let mut initials = String::with_capacity(letters.len());
    for letter in letters.chars() {
        for key in keys(letter)?.chars() {
            let index = INITIAL_KEYS.iter().position(|keys| keys.chars().eq([key]))?;
            initials.push(INITIAL_LETTERS[index]);
        }
    }
    Some(initials)
}

/// The keys that type a syllable or letter.
fn keys(c: char) -> Option<String> {
    if is_letter(c) {
        return LETTER_KEYS.get((u32::from(c) - 0x3131) as usize).map(|keys| (*keys).to_owned());
    }
    if !is_syllable(c) {
        return None;
    }
    let index = u32::from(c) - FIRST;
    let initial = INITIAL_KEYS[(index / (VOWELS * FINALS)) as usize];
    let vowel = VOWEL_KEYS[(index / FINALS % VOWELS) as usize];
    let r#final = FINAL_KEYS[(index % FINALS) as usize];
    Some([initial, vowel, r#final].concat())
}

/// What was meant if the keyboard stood on Korean: `ㅣ메새ㅔ` → `laptop`. Other characters stay.
pub(super) fn typed_as_latin(text: &str) -> String {
    text.chars().map(|c| keys(c).unwrap_or_else(|| c.to_string())).collect()
}

/// What was meant if the keyboard stood on English: `dkssud` → 안녕. Other characters stay.
pub(super) fn typed_as_hangul(text: &str) -> String {
    let mut composer = Composer::default();
    for c in text.chars() {
        composer.press(c);
    }
    composer.flush();
    composer.written
}

/// A syllable under construction, as an input method keeps it.
#[derive(Default)]
struct Composer {
    written: String,
    initial: Option<usize>,
    vowel: Option<usize>,
    r#final: Option<usize>,
}

impl Composer {
    fn press(&mut self, c: char) {
        // Only some letters differ with Shift; on the others it was pressed in vain.
        let on_keyboard = |key: char| LETTER_KEYS.iter().any(|keys| keys.chars().eq([key]));
        let key = if on_keyboard(c) { c } else { c.to_ascii_lowercase() };
        if !on_keyboard(key) {
            self.flush();
            self.written.push(c);
        } else if VOWEL_KEYS.iter().any(|keys| keys.chars().eq([key])) {
            self.press_vowel(key);
        } else {
            self.press_consonant(key);
        }
    }

    fn press_consonant(&mut self, key: char) {
        if self.initial.is_some() && self.vowel.is_some() {
            let so_far = self.r#final.map_or("", |index| FINAL_KEYS[index]);
            if let Some(index) = joined(&FINAL_KEYS, so_far, key) {
                self.r#final = Some(index);
                return;
            }
        }
        self.flush();
        self.initial = joined(&INITIAL_KEYS, "", key);
    }

    fn press_vowel(&mut self, key: char) {
        if let Some(index) = self.r#final.take() {
            // The last consonant belongs to the new syllable: 안 + ㅕ is 아녀.
            let (stays, moves) = FINAL_KEYS[index].split_at(FINAL_KEYS[index].len() - 1);
            self.r#final = FINAL_KEYS.iter().position(|keys| *keys == stays).filter(|index| *index > 0);
            self.flush();
            self.initial = moves.chars().next().and_then(|key| joined(&INITIAL_KEYS, "", key));
            self.vowel = joined(&VOWEL_KEYS, "", key);
            return;
        }
        let so_far = self.vowel.map_or("", |index| VOWEL_KEYS[index]);
        if let Some(index) = joined(&VOWEL_KEYS, so_far, key) {
            self.vowel = Some(index);
            return;
        }
        self.flush();
        self.vowel = joined(&VOWEL_KEYS, "", key);
    }

    fn flush(&mut self) {
        let (initial, vowel, r#final) = (self.initial.take(), self.vowel.take(), self.r#final.take());
        let c = match (initial, vowel) {
            (Some(initial), Some(vowel)) => compose(initial, vowel, r#final.unwrap_or(0)),
            (Some(initial), None) => INITIAL_LETTERS.get(initial).copied(),
            (None, Some(vowel)) => char::from_u32(0x314F + vowel as u32),
            (None, None) => None,
        };
        self.written.extend(c);
    }
}

/// The letter of `table` that is typed by `so_far` and then `key`.
fn joined(table: &[&str], so_far: &str, key: char) -> Option<usize> {
    table.iter().position(|keys| keys.strip_prefix(so_far).is_some_and(|rest| rest.chars().eq([key])))
}

fn compose(initial: usize, vowel: usize, r#final: usize) -> Option<char> {
    char::from_u32(FIRST + ((initial as u32 * VOWELS) + vowel as u32) * FINALS + r#final as u32)
}

/// Puts decomposed Hangul together (macOS writes file names and some exports that way) and drops
/// combining accents.
pub(super) fn composed(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let code = u32::from(c);
        match code {
            0x300..=0x36F => {}
            0x1100..=0x1112 => {
                let initial = (code - 0x1100) as usize;
                let Some(vowel) = chars.next_if(|next| ('\u{1161}'..='\u{1175}').contains(next)) else {
                    written.push(INITIAL_LETTERS[initial]);
                    continue;
                };
                let last = chars.next_if(|next| ('\u{11A8}'..='\u{11C2}').contains(next));
                let r#final = last.map_or(0, |c| u32::from(c) - 0x11A7) as usize;
                written.extend(compose(initial, (u32::from(vowel) - 0x1161) as usize, r#final));
            }
            _ => written.push(c),
        }
    }
    written
}

/// True if one keystroke too many, too few, wrong, or two in the wrong order separate the two texts.
pub(super) fn within_one_keystroke(a: &str, b: &str) -> bool {
    let keystrokes = |text: &str| text.chars().map(|c| keys(c).unwrap_or_else(|| c.to_string())).collect::<String>();
    let (a, b) = (keystrokes(a), keystrokes(b));
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if long.len() - short.len() > 1 {
        return false;
    }
    let same = short.iter().zip(long).take_while(|(x, y)| x == y).count();
    let (short, long) = (&short[same..], &long[same..]);
    if short.len() < long.len() {
        return short == &long[1..];
    }
    match (short, long) {
        ([], []) => true,
        ([_, x @ ..], [_, y @ ..]) if x == y => true,
        ([a1, a2, x @ ..], [b1, b2, y @ ..]) => a1 == b2 && a2 == b1 && x == y,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_syllable_survives_the_keyboard() {
        for code in FIRST..=LAST {
            let c = char::from_u32(code).unwrap();
            let keys = typed_as_latin(&c.to_string());
            assert_eq!(typed_as_hangul(&keys), c.to_string(), "{keys}");
        }
    }

    #[test]
    fn slips_are_read_both_ways() {
        assert_eq!(typed_as_hangul("dkssud"), "안녕");
        assert_eq!(typed_as_hangul("antjs dldjvhs"), "무선 이어폰");
        assert_eq!(typed_as_hangul("rkqkd"), "가방");
        assert_eq!(typed_as_hangul("ekfrrl"), "닭기");
        assert_eq!(typed_as_hangul("dlrj-2"), "이거-2");
        assert_eq!(typed_as_latin("ㅣ메새ㅔ"), "laptop");
        assert_eq!(typed_as_latin("쇼ㅔㄷ"), "type");
        assert_eq!(typed_as_latin("녀ㅎㅁㄱ"), "sugar");
    }

    #[test]
    fn initials() {
        assert_eq!("갤럭시".chars().filter_map(initial).collect::<String>(), "ㄱㄹㅅ");
        assert_eq!(initials_of_letters("ㄱㄽ").as_deref(), Some("ㄱㄹㅅ"));
        assert_eq!(initials_of_letters("ㄲㅏ"), None);
        assert_eq!(initial('a'), None);
    }

    #[test]
    fn decomposed_text_is_put_together() {
        assert_eq!(composed("\u{1112}\u{1161}\u{11AB}\u{1100}\u{1173}\u{11AF} cafe\u{301}"), "한글 cafe");
        assert_eq!(composed("\u{1100}\u{1105}"), "ㄱㄹ");
    }

    #[test]
    fn one_keystroke() {
        for (a, b, near) in [
            ("가방", "가밤", true),
            ("어폰", "어펀", true),
            ("어폰", "어포", true),
            ("가방", "가방", true),
            ("가방", "나밤", false),
            ("가방", "소파", false),
            ("의자", "으자", true),
        ] {
            assert_eq!(within_one_keystroke(a, b), near, "{a} {b}");
            assert_eq!(within_one_keystroke(b, a), near, "{b} {a}");
        }
    }
}
