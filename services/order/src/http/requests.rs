//! Bodies of requests, and the rules that each has by itself. Every broken rule is named, not only the first.

use chassis::Problem;
use contracts::{
    Currency, Locale, Money, Violation,
    order::{Address, CartId, LineId, LineQuantity, PaymentMethod},
    product::{VariantId, VariantRef},
};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::{
    cancel_order::CancelOrder,
    cart::{
        CartPatch, LINES_MAX, check_quantity,
        contact::{check_address, check_email},
    },
    create_cart::{NewCart, NewLine},
    order::refund::{RefundScope, RefundUnits},
    place_order::PlaceOrder,
};

const SKU_CHARS_MAX: usize = 100;
const REASON_CHARS_MAX: usize = 500;
/// What is recorded when a buyer gives no reason.
const NO_REASON: &str = "requested_by_customer";

/// A new cart.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateCartRequest {
    /// Of all prices; a cart keeps its currency.
    currency: Currency,
    /// The language of mails; `Accept-Language` decides if absent.
    locale: Option<Locale>,
    /// Where mails go.
    #[schema(max_length = 254, example = "haneul@example.com")]
    email: Option<String>,
    /// What to begin with.
    #[serde(default)]
    #[schema(max_items = 100)]
    lines: Vec<CartLineRequest>,
    /// Where goods go.
    shipping_address: Option<Address>,
    /// One of `GET /v1/shipping-methods`.
    #[schema(max_length = 32, example = "standard")]
    shipping_method: Option<String>,
}

/// So many of one variant, which is named by id or by SKU.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CartLineRequest {
    /// The variant's id; or give `sku`.
    variant_id: Option<VariantId>,
    /// The shop's own code; or give `variant_id`.
    #[schema(min_length = 1, max_length = 100)]
    sku: Option<String>,
    /// How many.
    #[schema(minimum = 1, maximum = 999, example = 2)]
    quantity: i64,
}

/// How many of a line there shall be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetQuantityRequest {
    /// How many.
    #[schema(minimum = 1, maximum = 999, example = 2)]
    quantity: i64,
}

/// What to change of a cart; what is absent stays, `null` removes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateCartRequest {
    /// The language of mails.
    locale: Option<Locale>,
    /// Where mails go.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 254)]
    email: Option<Option<String>>,
    /// Where goods go.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Address>)]
    shipping_address: Option<Option<Address>>,
    /// One of `GET /v1/shipping-methods`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 32)]
    shipping_method: Option<Option<String>>,
}

/// Nothing is to be said; send `{}` or no body.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClaimCartRequest {}

/// What the buyer agrees to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlaceOrderRequest {
    /// What is bought.
    cart_id: CartId,
    /// How it is paid.
    payment_method: PaymentMethod,
    /// The total that the buyer was shown. If prices have changed since, nothing is ordered.
    expected_total: Option<Money>,
}

/// How the buyer wants to pay now.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GivePaymentMethodRequest {
    /// Another method, or the same once more.
    payment_method: PaymentMethod,
}

/// Nothing is to be said; send `{}` or no body.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReleaseOrderRequest {}

/// What is called off, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelOrderRequest {
    /// These units, which have not left; everything, if absent.
    #[schema(min_items = 1, max_items = 100)]
    lines: Option<Vec<LineQuantity>>,
    /// For the records and the mail.
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// How much money goes back: everything that is left, unless `amount` or `lines` says less.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RefundOrderRequest {
    /// So much.
    amount: Option<Money>,
    /// What these units cost.
    #[schema(min_items = 1, max_items = 100)]
    lines: Option<Vec<RefundLineRequest>>,
    /// For the records and the provider.
    #[schema(min_length = 1, max_length = 500, example = "damaged on arrival")]
    reason: String,
}

/// Units of one line.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RefundLineRequest {
    /// Which line of the order.
    line_id: LineId,
    /// How many.
    #[schema(minimum = 1, maximum = 999)]
    quantity: i64,
    /// True if they go back on the shelf.
    #[serde(default)]
    restock: bool,
}

/// `null` is `Some(None)`, so that it can be told from an absent member.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl CreateCartRequest {
    /// The new cart, if every rule is kept.
    pub(super) fn check(self, accepted: Option<Locale>) -> Result<NewCart, Problem> {
        let mut wrong = Vec::new();
        if self.lines.len() > LINES_MAX {
            wrong.push(Violation::new("/lines", format!("must be at most {LINES_MAX}")));
        }
        let email = self.email.and_then(|email| checked_email(&email, &mut wrong));
        let lines = self.lines.into_iter().enumerate();
        let lines = lines.filter_map(|(index, line)| line.checked(&format!("/lines/{index}"), &mut wrong)).collect();
        let shipping_address = self.shipping_address.and_then(|address| checked_address(address, &mut wrong));
        let locale = self.locale.or(accepted).unwrap_or_default();
        let Self { currency, shipping_method, .. } = self;
        unless(wrong, NewCart { currency, locale, email, lines, shipping_address, shipping_method })
    }
}

impl CartLineRequest {
    /// The new line, if every rule is kept.
    pub(super) fn check(self) -> Result<NewLine, Problem> {
        let mut wrong = Vec::new();
        match self.checked("", &mut wrong) {
            Some(line) => unless(wrong, line),
            None => Err(Problem::invalid(wrong)),
        }
    }

    fn checked(self, at: &str, wrong: &mut Vec<Violation>) -> Option<NewLine> {
        if let Err(detail) = check_quantity(self.quantity) {
            wrong.push(Violation::new(format!("{at}/quantity"), detail));
        }
        let variant = match (self.variant_id, self.sku) {
            (Some(id), None) => VariantRef::Id(id),
            (None, Some(sku)) if sku.is_empty() || sku.chars().count() > SKU_CHARS_MAX => {
                wrong.push(Violation::new(format!("{at}/sku"), format!("must have 1 to {SKU_CHARS_MAX} characters")));
                return None;
            }
            (None, Some(sku)) => VariantRef::Sku(sku),
            (Some(_), Some(_)) | (None, None) => {
                let at = if at.is_empty() { "/" } else { at };
                wrong.push(Violation::new(at, "must have either `variant_id` or `sku`"));
                return None;
            }
        };
        Some(NewLine { variant, quantity: self.quantity })
    }
}

impl SetQuantityRequest {
    /// The quantity, if a line may have it.
    pub(super) fn check(self) -> Result<i64, Problem> {
        let wrong =
            |detail| Problem::invalid(vec![Violation::new("/quantity", format!("{detail}; DELETE removes a line"))]);
        check_quantity(self.quantity).map_err(wrong).map(|()| self.quantity)
    }
}

impl UpdateCartRequest {
    /// The change, if every rule is kept.
    pub(super) fn check(self) -> Result<CartPatch, Problem> {
        let mut wrong = Vec::new();
        let email = self.email.map(|email| email.and_then(|email| checked_email(&email, &mut wrong)));
        let shipping_address =
            self.shipping_address.map(|address| address.and_then(|address| checked_address(address, &mut wrong)));
        let Self { locale, shipping_method, .. } = self;
        unless(wrong, CartPatch { locale, email, shipping_address, shipping_method })
    }
}

impl PlaceOrderRequest {
    /// What is wanted, if every rule is kept.
    pub(super) fn check(self) -> Result<PlaceOrder, Problem> {
        let Self { cart_id, payment_method, expected_total } = self;
        Ok(PlaceOrder { cart_id, payment_method: checked_method(payment_method)?, expected_total })
    }
}

impl GivePaymentMethodRequest {
    /// The method, if every rule is kept.
    pub(super) fn check(self) -> Result<PaymentMethod, Problem> {
        checked_method(self.payment_method)
    }
}

fn checked_method(method: PaymentMethod) -> Result<PaymentMethod, Problem> {
    let mut wrong = Vec::new();
    for (member, text, chars_max) in [("provider", &method.provider, 32), ("token", &method.token, 200)] {
        let chars = text.chars().count();
        if chars == 0 || chars > chars_max || text.chars().any(char::is_control) {
            let detail = format!("must have 1 to {chars_max} characters, none of them control characters");
            wrong.push(Violation::new(format!("/payment_method/{member}"), detail));
        }
    }
    unless(wrong, method)
}

impl CancelOrderRequest {
    /// What is called off, if every rule is kept.
    pub(super) fn check(self) -> Result<CancelOrder, Problem> {
        let reason = match self.reason {
            Some(reason) => check_reason(&reason)?,
            None => NO_REASON.to_owned(),
        };
        Ok(CancelOrder { lines: self.lines.map(check_lines).transpose()?, reason })
    }
}

impl RefundOrderRequest {
    /// How much and why, if every rule is kept.
    pub(super) fn check(self) -> Result<(RefundScope, String), Problem> {
        let reason = check_reason(&self.reason)?;
        let refuse = |field: &str, detail: &str| Err(Problem::invalid(vec![Violation::new(field, detail)]));
        let scope = match (self.amount, self.lines) {
            (Some(_), Some(_)) => return refuse("/amount", "cannot stand beside `lines`: give one of them, or none"),
            (None, None) => RefundScope::Rest,
            (Some(amount), None) if amount.amount_minor < 1 => {
                return refuse("/amount/amount_minor", "must be positive");
            }
            (Some(amount), None) => RefundScope::Amount(amount),
            (None, Some(lines)) => RefundScope::Units(check_units(lines)?),
        };
        Ok((scope, reason))
    }
}

fn check_units(lines: Vec<RefundLineRequest>) -> Result<Vec<RefundUnits>, Problem> {
    check_line_count(lines.len())?;
    let mut wrong = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if let Err(detail) = check_quantity(line.quantity) {
            wrong.push(Violation::new(format!("/lines/{index}/quantity"), detail));
        }
    }
    let units = |RefundLineRequest { line_id, quantity, restock }| RefundUnits { line_id, quantity, restock };
    unless(wrong, lines.into_iter().map(units).collect())
}

/// Units of lines, as many as a request may name.
pub(super) fn check_lines(lines: Vec<LineQuantity>) -> Result<Vec<LineQuantity>, Problem> {
    check_line_count(lines.len())?;
    let quantities = lines.iter().map(|line| line.quantity).enumerate();
    let wrong = quantities.filter_map(|(index, quantity)| {
        let detail = check_quantity(quantity).err()?;
        Some(Violation::new(format!("/lines/{index}/quantity"), detail))
    });
    unless(wrong.collect(), lines)
}

/// How many lines a request names.
pub(super) fn check_line_count(count: usize) -> Result<(), Problem> {
    if (1..=LINES_MAX).contains(&count) {
        return Ok(());
    }
    Err(Problem::invalid(vec![Violation::new("/lines", format!("must have 1 to {LINES_MAX} lines"))]))
}

pub(super) fn check_reason(reason: &str) -> Result<String, Problem> {
    let reason = reason.trim();
    let chars = reason.chars().count();
    if (1..=REASON_CHARS_MAX).contains(&chars) && !reason.chars().any(|char| char.is_control() && char != '\n') {
        return Ok(reason.to_owned());
    }
    let detail = format!("must have 1 to {REASON_CHARS_MAX} characters, none of them control characters");
    Err(Problem::invalid(vec![Violation::new("/reason", detail)]))
}

fn checked_email(email: &str, wrong: &mut Vec<Violation>) -> Option<String> {
    check_email(email).map_err(|detail| wrong.push(Violation::new("/email", detail))).ok()
}

fn checked_address(address: Address, wrong: &mut Vec<Violation>) -> Option<Address> {
    check_address("/shipping_address", address).map_err(|more| wrong.extend(more)).ok()
}

pub(super) fn unless<T>(wrong: Vec<Violation>, value: T) -> Result<T, Problem> {
    if wrong.is_empty() { Ok(value) } else { Err(Problem::invalid(wrong)) }
}
