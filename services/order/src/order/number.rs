//! Order numbers for people: `2026-7KQ4ZM`. Unique, short, easy to read aloud, and telling nobody how
//! many orders the shop has.

use jiff::{Timestamp, tz::TimeZone};

/// Crockford's base 32: no I, L, O or U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const DIGITS: u32 = 6;
const HALF_BITS: u32 = DIGITS * 5 / 2;
const HALF_MASK: u64 = (1 << HALF_BITS) - 1;
const ROUNDS: u64 = 4;

/// The number of the `counter`-th order. A keyed Feistel network shuffles the counter: different counters
/// give different numbers, and neighbours look unrelated. After 2^30 orders a digit is added.
pub(crate) fn order_number(counter: u64, shop_key: u64, placed_at: Timestamp) -> String {
    let year = placed_at.to_zoned(TimeZone::UTC).year();
    let span = 1_u64 << (HALF_BITS * 2);
    let (mut high, mut low) = ((counter % span) >> HALF_BITS, counter & HALF_MASK);
    for round in 0..ROUNDS {
        (high, low) = (low, (high ^ mix(low, shop_key, round)) & HALF_MASK);
    }
    let mut rest = (counter / span) << (HALF_BITS * 2) | high << HALF_BITS | low;
    let mut digits = Vec::new();
    while rest > 0 || digits.len() < DIGITS as usize {
        digits.push(char::from(ALPHABET[(rest % 32) as usize]));
        rest /= 32;
    }
    format!("{year}-{}", digits.into_iter().rev().collect::<String>())
}

/// SplitMix64's finisher over key, round and half.
fn mix(half: u64, key: u64, round: u64) -> u64 {
    let mut z = key ^ (round + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ half.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn numbers_are_unique_and_readable() {
        let at: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        let numbers: HashSet<String> = (0..50_000).map(|counter| order_number(counter, 42, at)).collect();
        assert_eq!(numbers.len(), 50_000);
        for number in &numbers {
            assert!(number.len() == 11 && number.starts_with("2026-"), "{number}");
            assert!(!number.contains(['I', 'L', 'O', 'U']), "{number}");
        }
    }

    #[test]
    fn numbers_go_on_after_the_sixth_digit() {
        let at = Timestamp::UNIX_EPOCH;
        let (last, next) = (order_number((1 << 30) - 1, 7, at), order_number(1 << 30, 7, at));
        assert_eq!((last.len(), next.len()), (11, 12));
    }
}
