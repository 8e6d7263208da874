//! Where a page ends: opaque to callers, checked when it comes back.

use super::{Sort, plan::Reading, rank::Hit};

/// The last hit of a page, and how the query was read to find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) sort: Sort,
    pub(super) reading: Reading,
    pub(super) hit: Hit,
}

/// Of what a cursor is made: version, sort, reading, value, id.
const CURSOR_CHARS: usize = 3 + 16 + 32;
const VERSION: char = '1';

impl Position {
    pub(super) fn to_cursor(self) -> String {
        let sort = Sort::ALL.iter().position(|sort| *sort == self.sort).unwrap_or(0);
        let reading = Reading::ALL.iter().position(|reading| *reading == self.reading).unwrap_or(0);
        let value = self.hit.value.cast_unsigned();
        format!("{VERSION}{sort}{reading}{value:016x}{:032x}", self.hit.id)
    }

    /// `None` if this is no cursor of a search with this sort.
    pub(super) fn from_cursor(cursor: &str, sort: Sort) -> Option<Self> {
        let hexadecimal = cursor.bytes().all(|byte| byte.is_ascii_hexdigit());
        let rest = cursor.strip_prefix(VERSION).filter(|_| hexadecimal && cursor.len() == CURSOR_CHARS)?;
        let digit = |at: usize| rest.get(at..=at).and_then(|digit| digit.parse::<usize>().ok());
        let position = Self {
            sort: *Sort::ALL.get(digit(0)?)?,
            reading: *Reading::ALL.get(digit(1)?)?,
            hit: Hit {
                value: u64::from_str_radix(rest.get(2..18)?, 16).ok()?.cast_signed(),
                id: u128::from_str_radix(rest.get(18..)?, 16).ok()?,
            },
        };
        (position.sort == sort).then_some(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_round_trip_and_nothing_else_is_taken() {
        let hit = Hit { value: -5, id: 7 };
        let position = Position { sort: Sort::PriceAscending, reading: Reading::Corrected, hit };
        let cursor = position.to_cursor();
        assert_eq!(Position::from_cursor(&cursor, Sort::PriceAscending), Some(position));
        assert_eq!(Position::from_cursor(&cursor, Sort::Newest), None);
        let bad = ["", "1", "한글", &cursor[1..], &format!("{cursor}0"), &cursor.replacen('1', "2", 1)];
        for bad in bad {
            assert_eq!(Position::from_cursor(bad, Sort::PriceAscending), None, "{bad}");
        }
    }
}
