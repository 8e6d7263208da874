//! Renders messages from the templates compiled into the program: `templates/{ko,en}/<kind>.{subject,txt,html}`.
//!
//! HTML is escaped by the engine. A subject is one line: whatever would break out of its header is
//! refused, so no text of a customer can add a header of its own.

use contracts::{
    Locale, Money,
    order::{Address, LineQuantity, OrderLine, OrderSnapshot},
    payment::PaymentAction,
};
use jiff::{Timestamp, tz};
use minijinja::{Environment, UndefinedBehavior, Value, context, value::Serde};
use serde::Serialize;

use crate::message::{Content, Kind};

/// Names the files of `templates/` and compiles them in.
macro_rules! embedded {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../templates/", $name)))),+]
    };
}

/// Subject, text and HTML of a kind in both languages.
macro_rules! mails {
    ($($kind:literal),+ $(,)?) => {
        &[$(
            (concat!("ko/", $kind, ".subject"), include_str!(concat!("../templates/ko/", $kind, ".subject"))),
            (concat!("ko/", $kind, ".txt"), include_str!(concat!("../templates/ko/", $kind, ".txt"))),
            (concat!("ko/", $kind, ".html"), include_str!(concat!("../templates/ko/", $kind, ".html"))),
            (concat!("en/", $kind, ".subject"), include_str!(concat!("../templates/en/", $kind, ".subject"))),
            (concat!("en/", $kind, ".txt"), include_str!(concat!("../templates/en/", $kind, ".txt"))),
            (concat!("en/", $kind, ".html"), include_str!(concat!("../templates/en/", $kind, ".html"))),
        )+]
    };
}

const MAILS: &[(&str, &str)] = mails![
    "order_confirmed",
    "order_rejected",
    "order_expired",
    "order_cancelled",
    "order_refunded",
    "order_awaiting_payment",
    "order_shipped",
    "order_lines_cancelled",
    "return_requested",
    "return_approved",
    "return_rejected",
    "return_received",
    "account_created",
    "sessions_revoked",
];

const PARTS: &[(&str, &str)] = embedded![
    "layout.html",
    "order_lines.html",
    "units.html",
    "units.txt",
    "ko/order.html",
    "ko/order.txt",
    "en/order.html",
    "en/order.txt",
    "pages/mailbox.html",
    "pages/mail.html",
];

/// A template did not render; a bug of ours or a value that must not be shown.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The engine refused.
    #[error("the template {name} does not render: {source}")]
    Template {
        /// Which template.
        name: String,
        /// What the engine says.
        source: minijinja::Error,
    },
    /// The subject has a line break or another control character.
    #[error("the subject contains a control character")]
    ControlCharacterInSubject,
}

/// What a mail tells, besides the shop's name.
#[derive(Debug, Clone)]
pub enum Facts<'a> {
    /// An order as it stands.
    Order {
        /// The order.
        order: &'a OrderSnapshot,
        /// What happened to it.
        news: News<'a>,
    },
    /// Somebody registered.
    Account {
        /// How to address the person.
        name: &'a str,
        /// Their address.
        email: &'a str,
    },
    /// Sessions were ended.
    Sessions {
        /// Their address.
        email: &'a str,
        /// Why, in a word of ours.
        reason: &'a str,
    },
}

/// What happened to an order, as far as its own data do not tell.
#[derive(Debug, Clone, Copy)]
pub enum News<'a> {
    /// No more than the kind of the mail says.
    Nothing,
    /// Why it ended, in a word of ours or a sentence of the shop.
    Reason(&'a str),
    /// Money went back.
    Refund {
        /// This time.
        amount: Money,
        /// In all.
        total: Money,
    },
    /// The buyer has to act.
    Payment {
        /// What to do; `None` if another payment method is needed.
        action: Option<&'a PaymentAction>,
        /// Why the last method did not work.
        reason: Option<&'a str>,
        /// After this nobody waits.
        pay_by: Timestamp,
    },
    /// A parcel has left.
    Parcel {
        /// Who carries it.
        carrier: Option<&'a str>,
        /// The carrier's number for it.
        tracking_number: Option<&'a str>,
        /// What is in it.
        lines: &'a [LineQuantity],
    },
    /// Some units are called off or come back.
    Units {
        /// Why.
        reason: &'a str,
        /// Which.
        lines: &'a [LineQuantity],
    },
}

/// All templates, parsed once.
pub struct Templates {
    engine: Environment<'static>,
    shop: String,
}

impl Templates {
    /// Parses the templates; `shop` is the name that mails are signed with.
    pub fn new(shop: &str) -> Result<Self, RenderError> {
        let mut engine = Environment::new();
        engine.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, source) in MAILS.iter().chain(PARTS) {
            engine
                .add_template(name, source)
                .map_err(|source| RenderError::Template { name: (*name).to_owned(), source })?;
        }
        Ok(Self { engine, shop: single_line(shop) })
    }

    /// Renders one mail.
    pub fn mail(&self, kind: Kind, locale: Locale, facts: &Facts<'_>) -> Result<Content, RenderError> {
        let values = self.values(locale, facts);
        let part =
            |extension: &str| self.render(&format!("{}/{}.{extension}", locale.tag(), kind.as_str()), values.clone());
        let subject = part("subject")?.trim().to_owned();
        if subject.chars().any(char::is_control) {
            return Err(RenderError::ControlCharacterInSubject);
        }
        Ok(Content { subject, text: part("txt")?, html: part("html")? })
    }

    /// Renders a page of the mailbox.
    pub fn page(&self, name: &str, values: impl Serialize) -> Result<String, RenderError> {
        self.render(name, Serde(values).into())
    }

    fn render(&self, name: &str, values: Value) -> Result<String, RenderError> {
        let error = |source| RenderError::Template { name: name.to_owned(), source };
        self.engine.get_template(name).map_err(error)?.render(values).map_err(error)
    }

    fn values(&self, locale: Locale, facts: &Facts<'_>) -> Value {
        let shop = &self.shop;
        let lang = locale.tag();
        match facts {
            Facts::Order { order, news } => context! {
                shop, lang,
                order => Serde(OrderView::of(order, locale)),
                news => news.values(order, locale),
            },
            Facts::Account { name, email } => context! { shop, lang, name => single_line(name), email => *email },
            Facts::Sessions { email, reason } => context! { shop, lang, email => *email, reason => *reason },
        }
    }
}

impl News<'_> {
    fn values(&self, order: &OrderSnapshot, locale: Locale) -> Value {
        let reason = |reason| Reason::of(reason, locale).map(|reason| reason.0);
        match *self {
            Self::Nothing => context! {},
            Self::Reason(code) => context! { reason => reason(code) },
            Self::Refund { amount, total } => context! { amount => money(amount), total => money(total) },
            Self::Payment { action, reason: code, pay_by } => context! {
                reason => code.and_then(reason),
                deposit => action.and_then(|action| DepositView::of(action, locale)).map(Serde),
                url => match action {
                    Some(PaymentAction::Redirect { url }) => Some(single_line(url)),
                    Some(PaymentAction::Deposit { .. }) | None => None,
                },
                pay_by => moment(pay_by, locale),
            },
            Self::Parcel { carrier, tracking_number, lines } => context! {
                carrier => carrier.map(single_line),
                tracking_number => tracking_number.map(single_line),
                units => Serde(units(order, lines, locale)),
            },
            Self::Units { reason: code, lines } => context! {
                reason => reason(code),
                units => Serde(units(order, lines, locale)),
            },
        }
    }
}

/// Where to transfer the money.
#[derive(Serialize)]
struct DepositView {
    bank: String,
    account_number: String,
    holder: String,
    due_at: String,
}

impl DepositView {
    fn of(action: &PaymentAction, locale: Locale) -> Option<Self> {
        let PaymentAction::Deposit { bank, account_number, holder, due_at } = action else { return None };
        Some(Self {
            bank: single_line(bank),
            account_number: single_line(account_number),
            holder: single_line(holder),
            due_at: moment(*due_at, locale),
        })
    }
}

/// Units of one line.
#[derive(Serialize)]
struct UnitsView {
    title: String,
    options: String,
    quantity: i64,
}

/// The units of `lines` that the order has, in the order of its lines.
fn units(order: &OrderSnapshot, lines: &[LineQuantity], locale: Locale) -> Vec<UnitsView> {
    let of_line = |line: &OrderLine| {
        let quantity = lines.iter().filter(|units| units.line_id == line.id).map(|units| units.quantity).sum();
        let LineView { title, options, .. } = LineView::of(line, locale);
        (quantity > 0).then_some(UnitsView { title, options, quantity })
    };
    order.lines.iter().filter_map(of_line).collect()
}

#[derive(Serialize)]
struct OrderView {
    number: String,
    placed_at: String,
    lines: Vec<LineView>,
    subtotal: String,
    shipping: String,
    tax: String,
    total: String,
    address: Vec<String>,
}

#[derive(Serialize)]
struct LineView {
    title: String,
    options: String,
    quantity: i64,
    unit_price: String,
    total: String,
}

impl OrderView {
    fn of(order: &OrderSnapshot, locale: Locale) -> Self {
        Self {
            number: single_line(&order.number),
            placed_at: moment(order.placed_at, locale),
            lines: order.lines.iter().map(|line| LineView::of(line, locale)).collect(),
            subtotal: money(order.totals.subtotal),
            shipping: money(order.totals.shipping),
            tax: money(order.totals.tax),
            total: money(order.totals.total),
            address: order.shipping_address.as_ref().map(|address| postal(address, locale)).unwrap_or_default(),
        }
    }
}

impl LineView {
    fn of(line: &OrderLine, locale: Locale) -> Self {
        Self {
            title: single_line(line.title.get(locale)),
            options: single_line(&line.option_values.join(" / ")),
            quantity: line.quantity,
            unit_price: money(line.unit_price),
            total: money(line.total),
        }
    }
}

/// The lines of an address in the order of its country.
fn postal(address: &Address, locale: Locale) -> Vec<String> {
    let Address { name, phone, country, postal_code, city, line1, line2 } = address;
    let lines = match locale {
        Locale::Ko => [name.clone(), format!("({postal_code}) {city} {line1} {line2}"), country.clone(), phone.clone()],
        Locale::En => {
            [name.clone(), format!("{line1} {line2}"), format!("{city} {postal_code}, {country}"), phone.clone()]
        }
    };
    lines.iter().map(|line| single_line(line)).filter(|line| !line.is_empty()).collect()
}

/// A reason in the reader's language.
struct Reason(String);

impl Reason {
    /// Codes of ours become sentences; an unknown code says nothing to a customer and is left out.
    fn of(reason: &str, locale: Locale) -> Option<Self> {
        let (ko, en) = match reason {
            "insufficient_funds" => ("잔액이 부족합니다.", "There were not enough funds."),
            "card_declined" | "declined" => {
                ("카드사에서 승인을 거절했습니다.", "The card issuer declined the payment.")
            }
            "authentication_failed" => ("본인 인증에 실패했습니다.", "The buyer could not be authenticated."),
            "capture_failed" => ("결제 금액을 받지 못했습니다.", "The payment could not be taken."),
            "expired_card" => ("카드의 유효기간이 지났습니다.", "The card has expired."),
            "out_of_stock" => ("재고가 부족합니다.", "The goods are out of stock."),
            "authorization_lost" => ("결제 승인이 취소되었습니다.", "The payment was withdrawn before it was taken."),
            "payment_timed_out" => ("결제 시간이 지났습니다.", "The payment did not arrive in time."),
            "requested_by_customer" => ("고객님의 요청", "As you asked."),
            code if looks_like_code(code) => return None,
            sentence => return Some(Self(single_line(sentence))),
        };
        Some(Self(
            match locale {
                Locale::Ko => ko,
                Locale::En => en,
            }
            .to_owned(),
        ))
    }
}

/// `psp_err_77`, unlike `damaged`, which somebody wrote.
fn looks_like_code(reason: &str) -> bool {
    let code_bytes = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    reason.is_empty() || reason.contains('_') && reason.bytes().all(code_bytes)
}

/// Control characters become spaces and runs of spaces one: a name cannot break a line.
fn single_line(text: &str) -> String {
    text.split(|c: char| c.is_control() || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// `₩12,900`, `$12.90`, `-€1.00`; currencies without a sign of their own: `KWD 1.234`.
pub fn money(money: Money) -> String {
    let major = money.to_major();
    let (minus, digits) = major.strip_prefix('-').map_or(("", major.as_str()), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut amount = String::with_capacity(digits.len() * 2);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            amount.push(',');
        }
        amount.push(digit);
    }
    if let Some(fraction) = fraction {
        amount.push('.');
        amount.push_str(fraction);
    }
    match money.currency.code() {
        "KRW" => format!("{minus}₩{amount}"),
        "USD" => format!("{minus}${amount}"),
        "EUR" => format!("{minus}€{amount}"),
        "GBP" => format!("{minus}£{amount}"),
        "JPY" => format!("{minus}¥{amount}"),
        code => format!("{minus}{code} {amount}"),
    }
}

/// To the minute; Korean readers get Korean time, which knows no daylight saving.
pub fn moment(at: Timestamp, locale: Locale) -> String {
    let (hours, zone) = match locale {
        Locale::Ko => (9, "KST"),
        Locale::En => (0, "UTC"),
    };
    let local = tz::offset(hours).to_datetime(at);
    let (date, time) = (local.date(), local.time());
    format!("{date} {:02}:{:02} {zone}", time.hour(), time.minute())
}

#[cfg(test)]
mod tests {
    use contracts::Currency;

    use super::*;

    #[test]
    fn money_reads_as_people_write_it() {
        let cases = [
            (Money::new(12_900, Currency::KRW), "₩12,900"),
            (Money::new(0, Currency::KRW), "₩0"),
            (Money::new(1_234_567, Currency::KRW), "₩1,234,567"),
            (Money::new(1_290, Currency::USD), "$12.90"),
            (Money::new(123_456_789, Currency::USD), "$1,234,567.89"),
            (Money::new(-5, Currency::USD), "-$0.05"),
            (Money::new(-500_000, Currency::KRW), "-₩500,000"),
            (Money::new(1_234, "KWD".parse().unwrap()), "KWD 1.234"),
        ];
        for (amount, text) in cases {
            assert_eq!(money(amount), text);
        }
    }

    #[test]
    fn moments_are_told_in_the_readers_time() {
        let at: Timestamp = "2026-11-22T20:05:59Z".parse().unwrap();
        assert_eq!(moment(at, Locale::En), "2026-11-22 20:05 UTC");
        assert_eq!(moment(at, Locale::Ko), "2026-11-23 05:05 KST");
    }

    #[test]
    fn codes_become_sentences_and_unknown_codes_stay_unsaid() {
        let say = |reason, locale| Reason::of(reason, locale).map(|reason| reason.0);
        assert_eq!(say("card_declined", Locale::En).unwrap(), "The card issuer declined the payment.");
        assert_eq!(say("card_declined", Locale::Ko).unwrap(), "카드사에서 승인을 거절했습니다.");
        assert_eq!(say("psp_err_77", Locale::En), None);
        assert_eq!(say("damaged", Locale::En).unwrap(), "damaged");
        assert_eq!(say("Changed my\r\nmind", Locale::En).unwrap(), "Changed my mind");
    }
}
