//! Values that tests need again and again.

use contracts::{
    Currency, Locale, LocalizedText, Money,
    order::{Address, OrderLine, Totals},
    product::TaxClass,
};
use jiff::Timestamp;

use crate::{
    order::fact::{ShippingLine, Terms},
    owner::{Owner, TokenHash},
};

/// An id that is recognised.
pub(crate) fn id<T: From<uuid::Uuid>>(number: u128) -> T {
    uuid::Uuid::from_u128(number).into()
}

/// So many seconds after the beginning.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

pub(crate) fn krw(amount: i64) -> Money {
    Money::new(amount, Currency::KRW)
}

pub(crate) fn address() -> Address {
    Address {
        name: "김하늘".to_owned(),
        phone: "+821012345678".to_owned(),
        country: "KR".to_owned(),
        postal_code: "04524".to_owned(),
        city: "서울특별시 중구".to_owned(),
        line1: "세종대로 110".to_owned(),
        line2: String::new(),
    }
}

/// Three units at 3,333 and one at 9,900, delivered for 3,000, paid within 900 seconds.
pub(crate) fn terms() -> Terms {
    let line = |number, quantity, price: i64| OrderLine {
        id: id(number),
        variant_id: id(number + 100),
        product_id: id(number + 200),
        sku: Some(format!("SKU-{number}")),
        title: LocalizedText::both("컵", "Cup"),
        option_values: vec!["Black".to_owned()],
        quantity,
        unit_price: krw(price),
        total: krw(price * quantity),
        tax: krw(price * quantity).tax_included(100_000),
        tax_class: TaxClass::Standard,
    };
    let lines = vec![line(11, 3, 3_333), line(12, 1, 9_900)];
    let tax = lines.iter().map(|line| line.tax.amount_minor).sum::<i64>() + 273;
    Terms {
        number: "2026-7KQ4ZM".to_owned(),
        owner: Owner::Guest(TokenHash::of("gst_test")),
        email: "haneul@example.com".to_owned(),
        locale: Locale::Ko,
        currency: Currency::KRW,
        lines,
        totals: Totals { subtotal: krw(19_899), shipping: krw(3_000), tax: krw(tax), total: krw(22_899) },
        shipping: Some(ShippingLine { method: "standard".to_owned(), price: krw(3_000), tax: krw(273) }),
        shipping_address: Some(address()),
        cart_id: id(3),
        reservation_id: id(4),
        payment_provider: "sandbox".to_owned(),
        pay_by: at(900),
        capture_within_seconds: 900,
    }
}
