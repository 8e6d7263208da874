//! Money never leaks a minor unit.

use contracts::{Currency, Money, MoneyError};
use proptest::prelude::*;

fn krw(amount: i64) -> Money {
    Money::new(amount, Currency::KRW)
}

#[test]
fn korean_vat_is_taken_out_as_the_providers_do() {
    // Toss Payments returns 27,273 supply and 2,727 VAT for 30,000.
    assert_eq!(krw(30_000).tax_included(100_000), krw(2_727));
    assert_eq!(krw(0).tax_included(100_000), krw(0));
    assert_eq!(krw(12_345).tax_included(0), krw(0));
}

#[test]
fn mixing_and_overflowing_are_refused() {
    let usd = Money::new(1, Currency::USD);
    assert_eq!(krw(1).checked_add(usd), Err(MoneyError::CurrencyMismatch(Currency::KRW, Currency::USD)));
    assert_eq!(krw(i64::MAX).checked_add(krw(1)), Err(MoneyError::Overflow));
    assert_eq!(krw(i64::MAX).checked_mul(2), Err(MoneyError::Overflow));
    assert_eq!(krw(i64::MIN).checked_sub(krw(1)), Err(MoneyError::Overflow));
    assert_eq!(Money::sum(Currency::KRW, [krw(i64::MAX), krw(i64::MAX)]), Err(MoneyError::Overflow));
}

#[test]
fn decimals_are_read_exactly_or_not_at_all() {
    let usd = |text: &str| Money::parse_major(text, Currency::USD).map(|money| money.amount_minor);
    assert_eq!(usd("12.9"), Ok(1290));
    assert_eq!(usd("12"), Ok(1200));
    assert_eq!(usd("12.900"), Ok(1290));
    assert_eq!(usd("0.01"), Ok(1));
    for bad in ["", ".", ".5", "-1", "+1", "1e3", "1,000", "12.905", " 1", "NaN", "99999999999999999999"] {
        assert!(usd(bad).is_err(), "{bad:?} must be refused");
    }
    assert_eq!(Money::parse_major("12900", Currency::KRW), Ok(krw(12_900)));
    assert_eq!(Money::parse_major("12900.00", Currency::KRW), Ok(krw(12_900)));
    assert!(Money::parse_major("12900.5", Currency::KRW).is_err());
    assert!("XYZ".parse::<Currency>().is_err() && "krw".parse::<Currency>().is_err());
}

proptest! {
    #[test]
    fn the_parts_of_a_split_sum_to_the_whole(
        amount in any::<i64>(),
        weights in prop::collection::vec(0_u64..1_000_000, 1..40),
    ) {
        let parts = krw(amount).split(&weights);
        prop_assert_eq!(parts.len(), weights.len());
        let sum: i128 = parts.iter().map(|part| i128::from(part.amount_minor)).sum();
        prop_assert_eq!(sum, i128::from(amount));
        let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
        for (part, weight) in parts.iter().zip(&weights) {
            let Some(exact) = (u128::from(amount.unsigned_abs()) * u128::from(*weight)).checked_div(total) else { break };
            let share = u128::from(part.amount_minor.unsigned_abs());
            prop_assert!(share == exact || share == exact + 1);
        }
    }

    #[test]
    fn tax_is_never_more_than_the_rate_rounded_up(amount in 0_i64..1_000_000_000_000, rate in 0_i64..1_000_000) {
        let tax = i128::from(krw(amount).tax_included(rate).amount_minor);
        let supply = i128::from(amount) - tax;
        prop_assert!(tax >= 0 && supply >= 0);
        // The tax that the supply value would bear is within one minor unit of the tax taken out.
        let expected = supply * i128::from(rate) / 1_000_000;
        prop_assert!((expected - tax).abs() <= 1);
    }

    #[test]
    fn major_units_round_trip(amount in 0_i64..i64::MAX) {
        for currency in [Currency::KRW, Currency::USD, "KWD".parse().unwrap_or(Currency::USD)] {
            let money = Money::new(amount, currency);
            prop_assert_eq!(Money::parse_major(&money.to_major(), currency), Ok(money));
        }
    }
}
