//! Every mail in every language: how it reads, and that no name of a customer can break it.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test -p notification-service --test mails` rewrites `tests/snapshots/`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use contracts::{
    Currency, Locale, LocalizedText, Money,
    order::{Address, LineId, LineQuantity, OrderId, OrderLine, OrderSnapshot, Totals},
    payment::PaymentAction,
    product::{ProductId, ReservationId, TaxClass, VariantId},
};
use notification_service::{
    message::{Content, Kind},
    template::{Facts, News, Templates},
};

fn id<T: From<uuid::Uuid>>(number: u128) -> T {
    T::from(uuid::Uuid::from_u128(number))
}

fn line(number: u128, title: LocalizedText, options: &[&str], quantity: i64, unit_price: Money) -> OrderLine {
    let total = unit_price.checked_mul(quantity).unwrap();
    OrderLine {
        id: id::<LineId>(number),
        variant_id: id::<VariantId>(number),
        product_id: id::<ProductId>(number),
        sku: Some(format!("SKU-{number}")),
        title,
        option_values: options.iter().map(|&option| option.to_owned()).collect(),
        quantity,
        unit_price,
        total,
        tax: total.tax_included(100_000),
        tax_class: TaxClass::Standard,
    }
}

/// Two lines in won for Korean readers, in dollars for English ones.
fn order(locale: Locale) -> OrderSnapshot {
    let currency = if locale == Locale::Ko { Currency::KRW } else { Currency::USD };
    let money = |amount| Money::new(amount, currency);
    let lines = vec![
        line(1, LocalizedText::both("무선 이어폰", "Wireless earbuds"), &["Black", "USB-C"], 2, money(12_900)),
        line(2, LocalizedText::both("유리컵", "Drinking glass"), &[], 1, money(4_500)),
    ];
    let subtotal = Money::sum(currency, lines.iter().map(|line| line.total)).unwrap();
    let total = subtotal.checked_add(money(3_000)).unwrap();
    OrderSnapshot {
        order_id: id::<OrderId>(1),
        number: "20261122-000042".to_owned(),
        customer: None,
        email: "haneul@example.com".to_owned(),
        locale,
        currency,
        lines,
        totals: Totals { subtotal, shipping: money(3_000), tax: total.tax_included(100_000), total },
        shipping_address: Some(Address {
            name: "김하늘".to_owned(),
            phone: "+821012345678".to_owned(),
            country: "KR".to_owned(),
            postal_code: "04524".to_owned(),
            city: "서울특별시 중구".to_owned(),
            line1: "세종대로 110".to_owned(),
            line2: "3층".to_owned(),
        }),
        reservation_id: id::<ReservationId>(1),
        placed_at: "2026-11-22T05:30:00Z".parse().unwrap(),
    }
}

fn render(
    templates: &Templates,
    kind: Kind,
    locale: Locale,
    order: &OrderSnapshot,
    name: &str,
    reason: &str,
) -> Content {
    let money = |amount| Money::new(amount, order.currency);
    let lines = [LineQuantity { line_id: id(1), quantity: 1 }];
    let deposit = PaymentAction::Deposit {
        bank: "하늘은행".to_owned(),
        account_number: "110-123-456789".to_owned(),
        holder: name.to_owned(),
        due_at: order.placed_at,
    };
    let news = match kind {
        Kind::OrderConfirmed | Kind::AccountCreated | Kind::SessionsRevoked => News::Nothing,
        Kind::OrderRejected | Kind::OrderExpired | Kind::OrderCancelled => News::Reason(reason),
        Kind::OrderRefunded => News::Refund { amount: money(4_500), total: money(17_400) },
        Kind::OrderAwaitingPayment => {
            News::Payment { action: Some(&deposit), reason: Some(reason), pay_by: order.placed_at }
        }
        Kind::OrderShipped => News::Parcel { carrier: Some(name), tracking_number: Some("6412"), lines: &lines },
        Kind::OrderLinesCancelled
        | Kind::ReturnRequested
        | Kind::ReturnApproved
        | Kind::ReturnRejected
        | Kind::ReturnReceived => News::Units { reason, lines: &lines },
    };
    let facts = match kind {
        Kind::AccountCreated => Facts::Account { name, email: "haneul@example.com" },
        Kind::SessionsRevoked => Facts::Sessions { email: "haneul@example.com", reason: "refresh_token_reused" },
        _ => Facts::Order { order, news },
    };
    templates.mail(kind, locale, &facts).unwrap()
}

#[test]
fn mails_read_as_recorded() {
    let templates = Templates::new("장터").unwrap();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    let mut stale = Vec::new();
    for kind in Kind::ALL {
        for locale in [Locale::Ko, Locale::En] {
            let Content { subject, text, html } =
                render(&templates, kind, locale, &order(locale), "김하늘", "card_declined");
            let rendered = format!("Subject: {subject}\n\n{text}\n{:=<72}\n{html}\n", "");
            let path = folder.join(format!("{}.{}.mail", kind.as_str(), locale.tag()));
            if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
                std::fs::write(&path, &rendered).unwrap();
            } else if std::fs::read_to_string(&path).ok().as_ref() != Some(&rendered) {
                stale.push(format!("{}:\n{rendered}", path.display()));
            }
        }
    }
    assert!(stale.is_empty(), "these mails are not what was recorded:\n{}", stale.join("\n"));
}

const HOSTILE: &str =
    "<script>alert(1)</script>\"'><img src=x onerror=1>\r\nBcc: everybody@example.com\r\n\r\n{{ 7*7 }}";

#[test]
fn hostile_texts_stay_texts() {
    let templates = Templates::new("장터").unwrap();
    for kind in Kind::ALL {
        for locale in [Locale::Ko, Locale::En] {
            let mut order = order(locale);
            order.number = HOSTILE.to_owned();
            order.lines[0].title = LocalizedText::both(HOSTILE, HOSTILE);
            order.lines[0].option_values = vec![HOSTILE.to_owned()];
            order.shipping_address.as_mut().unwrap().name = HOSTILE.to_owned();
            let content = render(&templates, kind, locale, &order, HOSTILE, HOSTILE);
            let what = format!("{kind:?} {locale:?}");
            assert!(!content.subject.contains(['\r', '\n']), "{what}: {}", content.subject);
            assert!(!content.html.contains("<script"), "{what}");
            assert!(!content.html.contains("<img"), "{what}");
            assert!(!content.html.contains("49"), "{what}: a text was taken for a template");
            assert!(!content.text.lines().any(|line| line.starts_with("Bcc:")), "{what}");
        }
    }
}

#[test]
fn a_shop_name_cannot_break_the_subject() {
    let templates = Templates::new("Shop\r\nBcc: everybody@example.com").unwrap();
    let content = render(&templates, Kind::AccountCreated, Locale::En, &order(Locale::En), "Kim", "");
    assert_eq!(content.subject, "[Shop Bcc: everybody@example.com] Welcome");
}

#[test]
fn an_order_without_delivery_shows_no_address() {
    let templates = Templates::new("장터").unwrap();
    let order = OrderSnapshot { shipping_address: None, ..order(Locale::En) };
    let content = render(&templates, Kind::OrderConfirmed, Locale::En, &order, "", "");
    assert!(!content.text.contains("Ships to"));
    assert!(!content.html.contains("Ships to"));
}

#[test]
fn a_buyer_who_has_to_act_is_told_how() {
    let templates = Templates::new("장터").unwrap();
    let order = order(Locale::En);
    let mail = |action, reason| {
        let news = News::Payment { action, reason, pay_by: order.placed_at };
        templates.mail(Kind::OrderAwaitingPayment, Locale::En, &Facts::Order { order: &order, news }).unwrap()
    };
    let redirect = PaymentAction::Redirect { url: "https://pay.example.com/3ds?a=1&b=2".to_owned() };
    let content = mail(Some(&redirect), None);
    assert!(content.text.contains("Continue with the payment: https://pay.example.com/3ds?a=1&b=2\n"));
    assert!(content.html.contains("href=\"https:&#x2f;&#x2f;pay.example.com&#x2f;3ds?a=1&amp;b=2\""));
    let content = mail(None, Some("insufficient_funds"));
    assert!(content.text.contains("choose another one.\nReason: There were not enough funds.\n"));
    let content = mail(None, Some("psp_err_77"));
    assert!(!content.text.contains("Reason") && !content.html.contains("Reason"));
}
