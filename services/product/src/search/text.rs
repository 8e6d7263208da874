//! How text becomes terms, the same way for products and for queries.
//!
//! Latin words and numbers: folded to ASCII, lower case, plural `s` off; the last word of a query also
//! matches by its beginning. Hangul (and other scripts without spaces between words): overlapping pairs of
//! syllables. A product's pairs run across spaces, a query's do not, so that 무선이어폰 and 무선 이어폰
//! find each other. Initial consonants: pairs and triples of them, for ㄱㄹㅅ.

use tantivy::tokenizer::{AsciiFoldingFilter, PreTokenizedString, RawTokenizer, TextAnalyzer, Token, TokenStream as _};

use super::hangul;

/// Longest beginning of a word that is indexed.
const BEGINNING_CHARS_MAX: usize = 20;
/// Of a description, so much is indexed.
const BODY_BYTES_MAX: usize = 32 * 1024;

/// A stretch of one script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) script: Script,
    pub(super) text: String,
    /// True if only blanks separate it from the run before.
    pub(super) continues: bool,
}

/// Scripts that are matched differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    /// Letters with spaces between words.
    Word,
    /// Digits.
    Number,
    /// Hangul syllables, Han, kana: matched by pairs.
    Syllables,
    /// Single Hangul letters.
    Letters,
}

/// How much a place in a product counts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// Its name.
    Title,
    /// What it is filed under: vendor, type, tags, category, option values, SKU.
    Keyword,
    /// Its description.
    Body,
}

impl Place {
    /// How often a term is written, which is what a title boost comes to in BM25F.
    fn weight(self) -> usize {
        match self {
            Self::Title => 6,
            Self::Keyword => 2,
            Self::Body => 1,
        }
    }
}

/// Lower case, no accents, full-width forms made ordinary, decomposed Hangul composed.
pub(super) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let composed = hangul::composed(text);
    let mut analyzer = TextAnalyzer::builder(RawTokenizer::default()).filter(AsciiFoldingFilter).build();
    let mut stream = analyzer.token_stream(&composed);
    // Lowered last: full-width letters fold to ASCII capitals.
    if stream.advance() { stream.token().text.to_lowercase() } else { String::new() }
}

fn script(c: char) -> Option<Script> {
    if c.is_numeric() {
        Some(Script::Number)
    } else if hangul::is_letter(c) {
        Some(Script::Letters)
    } else if hangul::is_syllable(c) || matches!(c, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}') {
        Some(Script::Syllables)
    } else {
        c.is_alphabetic().then_some(Script::Word)
    }
}

/// Cuts folded text into runs.
pub(super) fn runs(folded: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let (mut open, mut only_blanks) = (false, false);
    for c in folded.chars() {
        let Some(script) = script(c) else {
            // men's is one word.
            if !matches!(c, '\'' | '’') {
                open = false;
                only_blanks &= c.is_whitespace();
            }
            continue;
        };
        match runs.last_mut() {
            Some(run) if open && run.script == script => run.text.push(c),
            _ => {
                let continues = only_blanks;
                runs.push(Run { script, text: c.to_string(), continues });
            }
        }
        (open, only_blanks) = (true, true);
    }
    runs
}

/// Takes a plural `s` off an English word (Harman's S-stemmer).
pub(super) fn stem(word: &str) -> String {
    let ends = |endings: &[&str]| endings.iter().any(|ending| word.ends_with(ending));
    if word.len() > 4 && word.ends_with("ies") && !ends(&["eies", "aies"]) {
        return format!("{}y", &word[..word.len() - 3]);
    }
    if word.len() > 4 && ends(&["ches", "shes", "sses", "xes", "zes"]) {
        return word[..word.len() - 2].to_owned();
    }
    if word.len() > 3 && word.ends_with('s') && !ends(&["us", "ss", "is"]) {
        return word[..word.len() - 1].to_owned();
    }
    word.to_owned()
}

/// Overlapping stretches of `n` characters.
pub(super) fn grams(text: &str, n: usize) -> impl Iterator<Item = String> {
    let chars: Vec<char> = text.chars().collect();
    let count = (chars.len() + 1).saturating_sub(n);
    (0..count).map(move |start| chars[start..start + n].iter().collect())
}

/// The terms of one product, field by field.
#[derive(Default)]
pub(super) struct Terms {
    /// Whole words and pairs of syllables.
    pub(super) words: Vec<String>,
    /// Beginnings of words, and single syllables.
    pub(super) beginnings: Vec<String>,
    /// Initial consonants.
    pub(super) initials: Vec<String>,
}

impl Terms {
    /// Adds a text of the product.
    pub(super) fn add(&mut self, text: &str, place: Place) {
        let folded = fold(text);
        let runs = runs(&folded);
        for run in runs.iter().filter(|run| matches!(run.script, Script::Word | Script::Number)) {
            self.add_word(&run.text, place);
        }
        self.add_compounds(&folded, place);
        for syllables in joined_syllables(&runs) {
            self.add_syllables(&syllables, place);
        }
        if !matches!(place, Place::Body) {
            for run in runs.iter().filter(|run| run.script == Script::Syllables && run.text.chars().count() == 1) {
                repeat(&mut self.beginnings, run.text.clone(), place.weight());
            }
        }
    }

    /// Adds a description in HTML.
    pub(super) fn add_html(&mut self, html: &str) {
        let mut end = html.len().min(BODY_BYTES_MAX);
        while !html.is_char_boundary(end) {
            end -= 1;
        }
        self.add(&without_tags(&html[..end]), Place::Body);
    }

    fn add_word(&mut self, word: &str, place: Place) {
        let stem = stem(word);
        if !matches!(place, Place::Body) {
            let beginnings = word.char_indices().skip(1).take(BEGINNING_CHARS_MAX);
            self.beginnings.extend(beginnings.map(|(end, _)| word[..end].to_owned()));
        }
        repeat(&mut self.beginnings, stem.clone(), place.weight());
        if stem != word {
            self.beginnings.push(word.to_owned());
        }
        repeat(&mut self.words, stem, place.weight());
    }

    /// `t-shirt` is also found as `tshirt`, `s24` as it is.
    fn add_compounds(&mut self, folded: &str, place: Place) {
        let chunks = folded.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        for chunk in chunks.filter(|chunk| !chunk.is_empty() && chunk.len() <= 40) {
            let compound: String = chunk.chars().filter(|c| *c != '-').collect();
            if runs(chunk).len() > 1 {
                let stem = stem(&compound);
                self.beginnings.push(stem.clone());
                repeat(&mut self.words, stem, place.weight());
            }
        }
    }

    fn add_syllables(&mut self, syllables: &str, place: Place) {
        for pair in grams(syllables, 2) {
            repeat(&mut self.words, pair, place.weight());
        }
        if matches!(place, Place::Body) {
            return;
        }
        self.beginnings.extend(grams(syllables, 1));
        let initials: String = syllables.chars().filter_map(hangul::initial).collect();
        for n in 1..=3 {
            for gram in grams(&initials, n) {
                repeat(&mut self.initials, gram, place.weight());
            }
        }
    }
}

fn repeat(terms: &mut Vec<String>, term: String, times: usize) {
    terms.extend(std::iter::repeat_n(term, times));
}

/// Runs of syllables with only blanks between them, put together.
fn joined_syllables(runs: &[Run]) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    let mut before = None;
    for run in runs {
        if run.script == Script::Syllables {
            match joined.last_mut() {
                Some(last) if run.continues && before == Some(Script::Syllables) => last.push_str(&run.text),
                _ => joined.push(run.text.clone()),
            }
        }
        before = Some(run.script);
    }
    joined
}

/// The text of HTML: tags and entities become blanks.
fn without_tags(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let (mut in_tag, mut rest) = (false, html);
    while let Some(c) = rest.chars().next() {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                text.push('\n');
            }
            '&' if !in_tag => {
                let entity = rest.bytes().take(12).position(|byte| byte == b';');
                text.push(' ');
                rest = &rest[entity.unwrap_or(0)..];
                rest = rest.get(1..).unwrap_or("");
                continue;
            }
            _ if !in_tag => text.push(c),
            _ => {}
        }
        rest = &rest[c.len_utf8()..];
    }
    text
}

/// Terms as tantivy takes them when they are made elsewhere.
pub(super) fn pretokenized(terms: Vec<String>) -> PreTokenizedString {
    let token = |text| Token { text, position: 0, position_length: 1, ..Token::default() };
    PreTokenizedString { text: String::new(), tokens: terms.into_iter().map(token).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        runs(&fold(text)).into_iter().map(|run| run.text).collect()
    }

    #[test]
    fn text_is_cut_into_runs() {
        assert_eq!(texts("갤럭시S24 울트라"), ["갤럭시", "s", "24", "울트라"]);
        assert_eq!(texts("Men's Café-Crème ＡＢＣ"), ["mens", "cafe", "creme", "abc"]);
        assert_eq!(texts("USB-C 케이블, 1.5m"), ["usb", "c", "케이블", "1", "5", "m"]);
        assert_eq!(texts("ㄱㄹㅅ 폰"), ["ㄱㄹㅅ", "폰"]);
        assert_eq!(texts("  …  "), [""; 0]);
    }

    #[test]
    fn plurals() {
        for (word, stemmed) in [
            ("sofas", "sofa"),
            ("batteries", "battery"),
            ("dresses", "dress"),
            ("dress", "dress"),
            ("boxes", "box"),
            ("watches", "watch"),
            ("shoes", "shoe"),
            ("bus", "bus"),
            ("gas", "gas"),
        ] {
            assert_eq!(stem(word), stemmed);
        }
    }

    #[test]
    fn pairs_run_across_blanks_but_not_across_other_things() {
        let mut terms = Terms::default();
        terms.add("무선 이어폰, 검정", Place::Body);
        assert_eq!(terms.words, ["무선", "선이", "이어", "어폰", "검정"]);
    }

    #[test]
    fn html_is_left_out() {
        assert_eq!(without_tags("<p class=\"a\">하나&nbsp;둘 &amp 셋</p>").trim(), "하나 둘  amp 셋");
        assert_eq!(without_tags("a < b &"), "a  ".trim_end().to_owned() + " ");
    }

    #[test]
    fn any_text_is_taken() {
        for text in ["&", "<", "&;", "\u{0}", "&é;", "가&가나다라마바사아자차카타파하;"] {
            Terms::default().add_html(text);
        }
    }
}
