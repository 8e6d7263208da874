//! Reads a file product by product. Only the rows of one product are in memory at a time.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{BufRead, BufReader, Read},
    sync::Arc,
};

use contracts::{Currency, Locale};

use super::{
    columns::Column,
    header::{FileError, Header},
    product::{self, ParsedProduct, Rejection, RowError},
};

/// Rows of one product at most: 500 variants and 250 pictures, with room.
const ROWS_MAX: usize = 2000;
/// A record beyond this is taken for a quotation mark that was never closed.
const RECORD_BYTES_MAX: usize = 8 * 1024 * 1024;
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// What a file does not say about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadOptions {
    /// Of its prices.
    pub currency: Currency,
    /// Of its texts.
    pub locale: Locale,
}

/// What is wrong, with one product or with the file.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// One product cannot be taken; the next ones may.
    #[error("{0}")]
    Product(Rejection),
    /// Nothing more can be read.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A row and where it begins.
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) cells: csv::StringRecord,
}

/// The products of a file, in its order.
pub struct Products<R> {
    rows: csv::Reader<Plain<R>>,
    header: Arc<Header>,
    options: ReadOptions,
    /// The first row of the next product.
    pending: Option<Row>,
    /// Hashes of handles that were read, and where; a handle that comes back is refused.
    seen: HashMap<u64, u64>,
    ended: bool,
}

/// A reader past its byte order mark.
type Plain<R> = BufReader<R>;

/// Reads the header of a file; the result reads the products.
pub fn read<R: Read>(reader: R, options: ReadOptions) -> Result<Products<R>, FileError> {
    let mut reader = BufReader::with_capacity(64 * 1024, reader);
    let start = reader.fill_buf()?;
    if start.starts_with(b"\xFF\xFE") || start.starts_with(b"\xFE\xFF") {
        return Err(FileError::Utf16);
    }
    let bom = if start.starts_with(BOM) { BOM.len() } else { 0 };
    let delimiter = delimiter(&start[bom..]);
    reader.consume(bom);
    let mut rows = csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(reader);
    let Some(first) = next_row(&mut rows)? else { return Err(FileError::Empty) };
    let header = Arc::new(Header::parse(&first.cells, options)?);
    Ok(Products { rows, header, options, pending: None, seen: HashMap::new(), ended: false })
}

/// Looks through a whole file, so that a file in another encoding is refused before anything of it is used.
pub fn check_encoding(mut reader: impl BufRead) -> Result<(), FileError> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if reader.by_ref().take(RECORD_BYTES_MAX as u64).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if number == 1 && (line.starts_with(b"\xFF\xFE") || line.starts_with(b"\xFE\xFF")) {
            return Err(FileError::Utf16);
        }
        if let Err(error) = std::str::from_utf8(&line) {
            // A piece of an overlong line may end within a character.
            let cut = error.error_len().is_none() && line.len() == RECORD_BYTES_MAX;
            if !cut {
                return Err(FileError::NotUtf8 { line: number });
            }
        }
    }
    Ok(())
}

/// Spreadsheets of some countries separate by semicolons or tabs.
fn delimiter(start: &[u8]) -> u8 {
    let first_line = start.split(|byte| *byte == b'\n').next().unwrap_or(start);
    let count = |wanted: u8| first_line.iter().filter(|byte| **byte == wanted).count();
    [b',', b';', b'\t'].into_iter().rev().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b',')
}

/// The next row that is not blank.
fn next_row<R: Read>(rows: &mut csv::Reader<R>) -> Result<Option<Row>, FileError> {
    let mut record = csv::ByteRecord::new();
    loop {
        let before = rows.position().line();
        let more = rows.read_byte_record(&mut record).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) => FileError::Io(error),
            other => FileError::Malformed { line: before, reason: format!("{other:?}") },
        })?;
        if !more {
            return Ok(None);
        }
        let line = record.position().map_or(before, csv::Position::line);
        if record.as_slice().len() > RECORD_BYTES_MAX {
            return Err(FileError::Malformed { line, reason: "a quotation mark is not closed".to_owned() });
        }
        let cells = csv::StringRecord::from_byte_record(record).map_err(|_| FileError::NotUtf8 { line })?;
        if cells.iter().any(|cell| !cell.trim().is_empty()) {
            return Ok(Some(Row { line, cells }));
        }
        record = cells.into_byte_record();
    }
}

impl<R: Read> Products<R> {
    /// The row that begins the next product.
    fn first_row(&mut self) -> Result<Option<Row>, FileError> {
        match self.pending.take() {
            Some(row) => Ok(Some(row)),
            None => next_row(&mut self.rows),
        }
    }

    /// All rows of the next product, and whether there were too many.
    fn group(&mut self) -> Result<Option<(Vec<Row>, bool)>, FileError> {
        let Some(first) = self.first_row()? else { return Ok(None) };
        let handle = self.header.cell(&first.cells, &Column::Handle).trim().to_owned();
        let mut group = vec![first];
        let mut too_many = false;
        while let Some(row) = next_row(&mut self.rows)? {
            let other = self.header.cell(&row.cells, &Column::Handle).trim();
            let titled = !self.header.cell(&row.cells, &Column::Title(None)).trim().is_empty();
            let continues = if other.is_empty() { !titled } else { other == handle };
            if !continues {
                self.pending = Some(row);
                break;
            }
            too_many = group.len() >= ROWS_MAX;
            if !too_many {
                group.push(row);
            }
        }
        Ok(Some((group, too_many)))
    }

    fn parse(&mut self, group: &[Row], too_many: bool) -> Result<ParsedProduct, Rejection> {
        let parsed = product::parse(&self.header, self.options, group);
        let line = group.first().map_or(0, |row| row.line);
        let (handle, mut errors) = match &parsed {
            Ok(product) => (product.input.handle.clone(), Vec::new()),
            Err(rejection) => (rejection.handle.clone(), rejection.errors.clone()),
        };
        let column = self.header.name(&Column::Handle);
        if too_many {
            let reason = format!("more than {ROWS_MAX} rows for one product");
            errors.push(RowError { line, column: column.clone(), reason });
        }
        let mut hasher = DefaultHasher::new();
        handle.hash(&mut hasher);
        if let Some(earlier) = self.seen.insert(hasher.finish(), line).filter(|_| !handle.is_empty()) {
            let reason =
                format!("`{handle}` was there before, in line {earlier}; all rows of a product must follow each other");
            errors.push(RowError { line, column, reason });
        }
        if errors.is_empty() { parsed } else { Err(Rejection { handle, errors }) }
    }
}

impl<R: Read> Iterator for Products<R> {
    type Item = Result<ParsedProduct, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.group() {
            Ok(Some((group, too_many))) => Some(self.parse(&group, too_many).map_err(ReadError::Product)),
            Ok(None) => None,
            Err(error) => {
                self.ended = true;
                Some(Err(error.into()))
            }
        }
    }
}
