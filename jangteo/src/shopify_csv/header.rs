//! The first line of a file: which columns there are, and whether this is a product CSV at all.

use std::collections::HashMap;

use contracts::{Currency, Locale};

use super::{
    columns::{Column, Level},
    read::ReadOptions,
};

/// Why a file as a whole cannot be read. Each message says what is expected.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Nothing in it.
    #[error(
        "The file is empty. A Shopify product CSV begins with a line of column names, among them Handle and Title."
    )]
    Empty,
    /// Bytes that are not UTF-8.
    #[error(
        "The file is not UTF-8 (line {line}). If it was saved by a Korean Excel it is CP949 (EUC-KR): save it again as \
         \"CSV UTF-8\", or convert it with `iconv -f CP949 -t UTF-8`."
    )]
    NotUtf8 {
        /// Where the first such byte is.
        line: u64,
    },
    /// UTF-16.
    #[error("The file is UTF-16. Save it as \"CSV UTF-8\", or convert it with `iconv -f UTF-16 -t UTF-8`.")]
    Utf16,
    /// Some other table.
    #[error(
        "This is not a Shopify product CSV: the first line has no column {missing}. It must have at least Handle \
         (or URL handle) and Title; it has: {found}."
    )]
    NoSuchColumn {
        /// What is missing.
        missing: &'static str,
        /// What is there, shortened.
        found: String,
    },
    /// Two columns that mean the same.
    #[error("The columns `{first}` and `{second}` mean the same. Remove one of them.")]
    SameColumn {
        /// One.
        first: String,
        /// The other.
        second: String,
    },
    /// The language or currency was chosen wrong.
    #[error(
        "The file has a column `{column}` beside the one without `{chosen}`, so that one is in something else than \
         {chosen}. Choose what the file was written with: {flag}."
    )]
    WrongChoice {
        /// The column that shows it.
        column: String,
        /// `ko`, `USD`.
        chosen: String,
        /// `--locale` or `--currency`.
        flag: &'static str,
    },
    /// The file cannot be read.
    #[error("The file cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// Quotes that do not match.
    #[error("The file cannot be read after line {line}: {reason}")]
    Malformed {
        /// The last good line.
        line: u64,
        /// What the reader of CSV says.
        reason: String,
    },
}

/// The columns of a file.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) columns: Vec<(Column, String)>,
    places: HashMap<Column, usize>,
    /// The file's own language, and those that have columns.
    pub(super) locales: Vec<(Option<Locale>, Locale)>,
    /// The file's own currency, and those that have columns.
    pub(super) currencies: Vec<(Option<Currency>, Currency)>,
}

impl Header {
    pub(super) fn parse(record: &csv::StringRecord, options: ReadOptions) -> Result<Self, FileError> {
        let columns: Vec<(Column, String)> =
            record.iter().map(|header| (Column::parse(header), header.to_owned())).collect();
        if columns.iter().all(|(column, _)| *column == Column::Nameless) {
            return Err(FileError::Empty);
        }
        let mut places: HashMap<Column, usize> = HashMap::new();
        let mut locales = vec![(None, options.locale)];
        let mut currencies = vec![(None, options.currency)];
        for (index, (column, header)) in columns.iter().enumerate() {
            // A default's own column and the plain one go together.
            if *column == Column::Nameless || (Column::is_literal(header) && column.default_value().is_some()) {
                continue;
            }
            if let Some(other) = places.insert(column.clone(), index) {
                return Err(FileError::SameColumn { first: columns[other].1.clone(), second: header.clone() });
            }
            if let Some(locale) = locale_of(column) {
                let wrong =
                    |chosen: String| FileError::WrongChoice { column: header.clone(), chosen, flag: "--locale" };
                add(&mut locales, locale).map_err(|locale| wrong(locale.tag().to_owned()))?;
            }
            if let Some(currency) = currency_of(column) {
                let wrong =
                    |chosen: String| FileError::WrongChoice { column: header.clone(), chosen, flag: "--currency" };
                add(&mut currencies, currency).map_err(|currency| wrong(currency.to_string()))?;
            }
        }
        currencies.sort_by_key(|(_, currency)| *currency);
        let header = Self { columns, places, locales, currencies };
        for (missing, column) in [("Handle", Column::Handle), ("Title", Column::Title(None))] {
            if !header.has(&column) {
                let found: Vec<&str> = record.iter().take(8).collect();
                let found = found.join(", ").chars().take(200).collect();
                return Err(FileError::NoSuchColumn { missing, found });
            }
        }
        Ok(header)
    }

    pub(super) fn has(&self, column: &Column) -> bool {
        self.places.contains_key(column)
    }

    /// The cell of `column` as it stands; empty if there is none.
    pub(super) fn cell<'a>(&self, row: &'a csv::StringRecord, column: &Column) -> &'a str {
        self.places.get(column).and_then(|index| row.get(*index)).unwrap_or("")
    }

    /// The column's name in this file, or the one it usually has.
    pub(super) fn name(&self, column: &Column) -> String {
        self.places.get(column).map_or_else(|| column.name(), |index| self.columns[*index].1.trim().to_owned())
    }

    /// True if a cell of this level is filled in.
    pub(super) fn any_filled(&self, row: &csv::StringRecord, wanted: impl Fn(&Column) -> bool) -> bool {
        self.columns.iter().zip(row).any(|((column, _), cell)| !cell.trim().is_empty() && wanted(column))
    }

    pub(super) fn has_variant(&self, row: &csv::StringRecord, first: bool) -> bool {
        self.any_filled(row, |column| if first { column.level() == Level::Variant } else { column.marks_variant() })
    }
}

fn locale_of(column: &Column) -> Option<Locale> {
    match column {
        Column::Title(locale) | Column::Body(locale) | Column::ImageAlt(locale) | Column::OptionName(_, locale) => {
            *locale
        }
        _ => None,
    }
}

fn currency_of(column: &Column) -> Option<Currency> {
    match column {
        Column::Price(currency) | Column::CompareAt(currency) | Column::Cost(currency) => *currency,
        _ => None,
    }
}

/// Notes a further language or currency; fails if it is the file's own.
fn add<T: Copy + PartialEq>(all: &mut Vec<(Option<T>, T)>, further: T) -> Result<(), T> {
    if all.contains(&(None, further)) {
        return Err(further);
    }
    if !all.contains(&(Some(further), further)) {
        all.push((Some(further), further));
    }
    Ok(())
}
