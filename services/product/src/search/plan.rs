//! What a query asks for, and what else it may have meant when that finds nothing.

use std::collections::BTreeMap;

use tantivy::{
    Searcher, Term,
    query::{BooleanQuery, DisjunctionMaxQuery, FuzzyTermQuery, Occur, Query, TermQuery},
    schema::{Field, IndexRecordOption},
};

use super::{
    hangul,
    schema::Fields,
    text::{Script, fold, grams, runs, stem},
};

/// Terms of one query at most; what follows is not looked at.
const CLAUSES_MAX: usize = 32;
/// Corrections of one term at most.
const CORRECTIONS_MAX: usize = 16;
/// A shorter word has too many neighbours to correct it.
const CORRECTED_CHARS_MIN: usize = 3;
/// Words that a product need not contain, unless the query ends with them.
const UNIMPORTANT: &[&str] = &["a", "an", "and", "at", "for", "in", "of", "on", "or", "the", "to", "with"];

/// Readings of a query, tried in this order until one finds something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// As it stands.
    Literal,
    /// Typed with the keyboard on the other language.
    KeyboardSlip,
    /// With a space too many: `head phones`.
    Joined,
    /// Unknown words one keystroke off.
    Corrected,
    /// All words one keystroke off.
    AllCorrected,
}

impl Reading {
    pub(super) const ALL: [Self; 5] =
        [Self::Literal, Self::KeyboardSlip, Self::Joined, Self::Corrected, Self::AllCorrected];
}

/// A condition: any of these terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clause {
    field: Field,
    any_of: Vec<String>,
    /// As it was typed: `wireles`, where the term is `wirele`. Corrections start from both.
    typed: String,
}

impl Clause {
    fn new(field: Field, term: String) -> Self {
        Self { field, typed: term.clone(), any_of: vec![term] }
    }

    fn word(field: Field, typed: &str) -> Self {
        Self { field, any_of: vec![stem(typed)], typed: typed.to_owned() }
    }

    fn to_query(&self) -> Box<dyn Query> {
        let term = |text: &String| -> Box<dyn Query> {
            Box::new(TermQuery::new(Term::from_field_text(self.field, text), IndexRecordOption::WithFreqs))
        };
        match self.any_of.as_slice() {
            [only] => term(only),
            // The best of them counts, not their sum: they stand for one word.
            several => Box::new(DisjunctionMaxQuery::new(several.iter().map(term).collect())),
        }
    }
}

/// All conditions as one query; `None` without conditions.
pub(super) fn all_of(clauses: &[Clause], category: Option<(Field, &str)>) -> Option<Box<dyn Query>> {
    let mut queries: Vec<Box<dyn Query>> = clauses.iter().map(Clause::to_query).collect();
    if let Some((field, handle)) = category {
        // With frequencies, though they are all 1: only such terms take part in block-max pruning.
        let term = Term::from_field_text(field, handle);
        queries.push(Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)));
    }
    if queries.len() > 1 {
        let clauses = queries.into_iter().map(|query| (Occur::Must, query)).collect();
        return Some(Box::new(BooleanQuery::new(clauses)));
    }
    queries.pop()
}

/// Reads queries against what the index contains.
pub(super) struct Reader<'a> {
    pub(super) fields: &'a Fields,
    pub(super) searcher: &'a Searcher,
}

impl Reader<'_> {
    /// The conditions of `text` in one reading; `None` if it can find nothing or is no different.
    pub(super) fn read(&self, text: &str, reading: Reading) -> tantivy::Result<Option<Vec<Clause>>> {
        match reading {
            Reading::Literal => Ok(Some(self.clauses(text))),
            Reading::KeyboardSlip => self.slipped(text),
            Reading::Joined => self.joined(text),
            Reading::Corrected => self.corrected(text, false),
            Reading::AllCorrected => self.corrected(text, true),
        }
    }

    fn clauses(&self, text: &str) -> Vec<Clause> {
        let runs = runs(&fold(text));
        let unfinished = text.chars().next_back().is_some_and(char::is_alphanumeric);
        let last = runs.len().saturating_sub(1);
        let (words, beginnings) = (self.fields.words, self.fields.beginnings);
        let mut clauses: Vec<Clause> = Vec::new();
        for (index, run) in runs.iter().enumerate() {
            match run.script {
                Script::Word | Script::Number => {
                    let may_go_on = index == last && unfinished;
                    if !may_go_on && runs.len() > 1 && UNIMPORTANT.contains(&run.text.as_str()) {
                        continue;
                    }
                    clauses.push(Clause::word(if may_go_on { beginnings } else { words }, &run.text));
                }
                Script::Syllables if run.text.chars().count() == 1 => {
                    clauses.push(Clause::new(beginnings, run.text.clone()));
                }
                Script::Syllables => clauses.extend(grams(&run.text, 2).map(|pair| Clause::new(words, pair))),
                Script::Letters => clauses.extend(self.initials(&run.text)),
            }
        }
        // Long texts first lose their tail, so that finding what is repeated stays cheap.
        clauses.truncate(CLAUSES_MAX);
        let mut different: Vec<Clause> = Vec::with_capacity(clauses.len());
        for clause in clauses {
            if !different.contains(&clause) {
                different.push(clause);
            }
        }
        different
    }

    /// Initial consonants; with a vowel among them the letters stand for nothing and find nothing.
    fn initials(&self, letters: &str) -> Vec<Clause> {
        match hangul::initials_of_letters(letters) {
            Some(initials) => {
                let n = initials.chars().count().min(3);
                grams(&initials, n).map(|gram| Clause::new(self.fields.initials, gram)).collect()
            }
            None => vec![Clause::new(self.fields.words, letters.to_owned())],
        }
    }

    fn slipped(&self, text: &str) -> tantivy::Result<Option<Vec<Clause>>> {
        let mut slipped = Vec::new();
        let mut changed = false;
        for chunk in text.split_whitespace() {
            let other = if chunk.chars().any(|c| c.is_ascii_alphabetic()) {
                hangul::typed_as_hangul(chunk)
            } else {
                hangul::typed_as_latin(chunk)
            };
            if other != chunk && !self.knows_all(&self.clauses(chunk))? && self.knows_all(&self.clauses(&other))? {
                changed = true;
                slipped.push(other);
            } else {
                slipped.push(chunk.to_owned());
            }
        }
        Ok(changed.then(|| self.clauses(&slipped.join(" "))))
    }

    fn joined(&self, text: &str) -> tantivy::Result<Option<Vec<Clause>>> {
        let chunks: Vec<&str> = text.split(|c: char| c.is_whitespace() || c == '-').collect();
        let mut joined: Vec<String> = Vec::new();
        let mut changed = false;
        for chunk in chunks {
            let together = joined.last().map(|last| format!("{last}{chunk}"));
            match together.filter(|together| together.bytes().all(|byte| byte.is_ascii_alphabetic())) {
                Some(together) if self.knows_all(&self.clauses(&together))? => {
                    joined.pop();
                    joined.push(together);
                    changed = true;
                }
                _ => joined.push(chunk.to_owned()),
            }
        }
        Ok(changed.then(|| self.clauses(&joined.join(" "))))
    }

    fn corrected(&self, text: &str, all: bool) -> tantivy::Result<Option<Vec<Clause>>> {
        let mut clauses = self.clauses(text);
        let mut changed = false;
        for clause in &mut clauses {
            if !all && self.knows(clause)? {
                continue;
            }
            let near = self.near(clause)?;
            changed |= !near.is_empty();
            if !near.is_empty() {
                clause.any_of = near;
            }
        }
        Ok((changed && self.knows_all(&clauses)?).then_some(clauses))
    }

    fn knows_all(&self, clauses: &[Clause]) -> tantivy::Result<bool> {
        for clause in clauses {
            if !self.knows(clause)? {
                return Ok(false);
            }
        }
        Ok(!clauses.is_empty())
    }

    /// True if some product has one of the clause's terms.
    fn knows(&self, clause: &Clause) -> tantivy::Result<bool> {
        for text in &clause.any_of {
            if self.searcher.doc_freq(&Term::from_field_text(clause.field, text))? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Terms of the index within one keystroke of the clause's, the commonest ones.
    fn near(&self, clause: &Clause) -> tantivy::Result<Vec<String>> {
        let mut found: BTreeMap<String, u32> = BTreeMap::new();
        let typed = [&clause.typed].into_iter().filter(|typed| !clause.any_of.contains(typed));
        for term in clause.any_of.iter().chain(typed) {
            if term.chars().all(hangul::is_syllable) && term.chars().count() == 2 {
                self.near_pair(clause.field, term, &mut found)?;
            } else if term.chars().all(char::is_alphabetic) && term.chars().count() >= CORRECTED_CHARS_MIN {
                self.near_word(clause.field, term, &mut found)?;
            }
        }
        let mut found: Vec<(String, u32)> = found.into_iter().collect();
        found.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        found.truncate(CORRECTIONS_MAX);
        Ok(found.into_iter().map(|(term, _)| term).collect())
    }

    fn near_word(&self, field: Field, word: &str, found: &mut BTreeMap<String, u32>) -> tantivy::Result<()> {
        let fuzzy = FuzzyTermQuery::new(Term::from_field_text(field, word), 1, true);
        for segment in self.searcher.segment_readers() {
            let terms = segment.inverted_index(field)?;
            let mut stream = terms.terms().search(fuzzy.automaton()?).into_stream()?;
            while stream.advance() {
                if let Ok(term) = std::str::from_utf8(stream.key()) {
                    *found.entry(term.to_owned()).or_default() += stream.value().doc_freq;
                }
            }
        }
        Ok(())
    }

    /// A keystroke changes one syllable, so one of the two is as it was.
    fn near_pair(&self, field: Field, pair: &str, found: &mut BTreeMap<String, u32>) -> tantivy::Result<()> {
        let (first, second) = pair.split_at('가'.len_utf8());
        for segment in self.searcher.segment_readers() {
            let terms = segment.inverted_index(field)?;
            let mut stream = terms.terms().range().ge("가").lt("\u{D7A4}").into_stream()?;
            while stream.advance() {
                let Ok(term) = std::str::from_utf8(stream.key()) else { continue };
                let half_same = term.starts_with(first) || term.ends_with(second);
                if half_same && term.chars().count() == 2 && hangul::within_one_keystroke(term, pair) {
                    *found.entry(term.to_owned()).or_default() += stream.value().doc_freq;
                }
            }
        }
        Ok(())
    }
}
