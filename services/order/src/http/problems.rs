//! Errors of the use cases as problems.

use chassis::Problem;
use contracts::{ErrorCode, MoneyError, Violation, order::OrderId};

use crate::{
    advance_order::AdvanceError,
    cancel_order::CancelError,
    cart::{LINES_MAX, QUANTITY_MAX},
    cart_error::CartError,
    give_payment_method::MethodRefused,
    order::{
        cancellation::CancelRefused, give_back::GiveBackRefused, payment::NoMethodWanted, refund::RefundRefused,
        status, units::UnitsRefused,
    },
    place_order::{PlaceError, ShortLine},
    refund_order::RefundError,
    release_order::ReleaseRefused,
    show_order::ShowError,
};

impl From<CartError> for Problem {
    fn from(error: CartError) -> Self {
        match error {
            CartError::NotFound => Self::not_found("cart"),
            CartError::LineNotFound => Self::not_found("line in this cart"),
            CartError::NotSignedIn => {
                Self::new(ErrorCode::Forbidden, "Only a customer who is signed in can claim a cart.")
            }
            CartError::Ordered(order_id) => already_ordered(order_id),
            CartError::Stale { current } => stale("cart", current),
            CartError::TooManyLines => unprocessable(
                "too_many_lines",
                vec![Violation::new("/lines", format!("a cart has at most {LINES_MAX} lines"))],
            ),
            CartError::TooManyUnits(variant_id) => unprocessable(
                "too_many_units",
                vec![Violation::new("/quantity", format!("a line has at most {QUANTITY_MAX} units"))],
            )
            .with("variant_id", variant_id),
            CartError::Invalid(violations) => Self::invalid(violations),
            CartError::Unsellable(violations) => unprocessable("not_for_sale", violations),
            CartError::ProductUnavailable => no_product(),
            CartError::Busy => busy("cart"),
            CartError::Money(error) => amount(&error),
            CartError::Store(error) => error.into(),
        }
    }
}

impl From<PlaceError> for Problem {
    fn from(error: PlaceError) -> Self {
        match error {
            PlaceError::NoSuchCart => Self::not_found("cart"),
            PlaceError::Ordered(order_id) => already_ordered(order_id),
            PlaceError::Incomplete(violations) => unprocessable("cart_incomplete", violations).undecided(),
            PlaceError::Short(lines) => short(&lines),
            PlaceError::CartChanged => Self::new(
                ErrorCode::Conflict,
                "The cart was changed while it was ordered. Look at it once more, then order it with a new key.",
            )
            .kind("cart_changed"),
            PlaceError::TotalChanged { total } => Self::new(
                ErrorCode::Conflict,
                "Prices have changed: the cart no longer comes to `expected_total`. Show the buyer the new total first.",
            )
            .kind("total_changed")
            .with("total", total),
            PlaceError::ProductUnavailable => no_product(),
            PlaceError::Money(error) => amount(&error),
            PlaceError::Store(error) => error.into(),
        }
    }
}

impl From<ShowError> for Problem {
    fn from(error: ShowError) -> Self {
        match error {
            ShowError::NotFound => Self::not_found("order"),
            ShowError::NotYetPlaced { placed_at } => Self::new(
                ErrorCode::NotFound,
                format!("There was no such order then: it was placed at {placed_at}. Ask for a later time."),
            )
            .kind("order_not_yet_placed")
            .with("placed_at", placed_at),
            ShowError::Store(error) => error.into(),
        }
    }
}

impl From<AdvanceError<CancelError>> for Problem {
    fn from(error: AdvanceError<CancelError>) -> Self {
        match error {
            AdvanceError::NotFound | AdvanceError::Refused(CancelError::NotFound) => Self::not_found("order"),
            AdvanceError::Refused(CancelError::Stale { current }) => stale("order", current),
            AdvanceError::Refused(CancelError::Refused(refused)) => refused.into(),
            AdvanceError::Busy => busy("order"),
            AdvanceError::Store(error) => error.into(),
        }
    }
}

impl From<AdvanceError<MethodRefused>> for Problem {
    fn from(error: AdvanceError<MethodRefused>) -> Self {
        match error {
            AdvanceError::NotFound | AdvanceError::Refused(MethodRefused::NotFound) => Self::not_found("order"),
            AdvanceError::Refused(MethodRefused::NotWanted(NoMethodWanted(status))) => Self::new(
                ErrorCode::Conflict,
                "This order waits for no other payment method: it shows `payment.method_required` while it does.",
            )
            .kind("payment_method_not_wanted")
            .with("status", status),
            AdvanceError::Busy => busy("order"),
            AdvanceError::Store(error) => error.into(),
        }
    }
}

impl From<CancelRefused> for Problem {
    fn from(refused: CancelRefused) -> Self {
        let not_cancellable = |detail: String| Self::new(ErrorCode::Conflict, detail).kind("order_not_cancellable");
        match refused {
            CancelRefused::Status(refused) => {
                not_cancellable(format!("An order that is {} cannot be cancelled.", status::name(refused.from)))
                    .with("status", refused.from)
            }
            CancelRefused::Shipped => not_cancellable(
                "Goods of this order have left, so it cannot be cancelled as a whole. Name in `lines` what has not \
                 left, and ask for a return of the rest."
                    .to_owned(),
            ),
            CancelRefused::NotInPart(status) => not_cancellable(format!(
                "Units of an order that is {} cannot be cancelled: that goes while it is confirmed or processing.",
                status::name(status)
            ))
            .with("status", status),
            CancelRefused::Units(refused) => units(
                &refused,
                "units_not_cancellable",
                "What is in a fulfilment or has left cannot be cancelled: cancel the fulfilment first, or ask for a \
                 return.",
            ),
            CancelRefused::GiveBack(refused) => refused.into(),
        }
    }
}

impl From<AdvanceError<ReleaseRefused>> for Problem {
    fn from(error: AdvanceError<ReleaseRefused>) -> Self {
        match error {
            AdvanceError::NotFound => Self::not_found("order"),
            AdvanceError::Refused(ReleaseRefused::Stale { current }) => stale("order", current),
            AdvanceError::Refused(ReleaseRefused::Status(refused)) => Self::new(
                ErrorCode::Conflict,
                format!("An order that is {} is not on hold: there is nothing to release.", status::name(refused.from)),
            )
            .kind("order_not_on_hold")
            .with("status", refused.from),
            AdvanceError::Busy => busy("order"),
            AdvanceError::Store(error) => error.into(),
        }
    }
}

impl From<GiveBackRefused> for Problem {
    fn from(refused: GiveBackRefused) -> Self {
        match refused {
            GiveBackRefused::NotCaptured => Self::new(
                ErrorCode::Conflict,
                "The money is held and not captured yet, so nothing can go back. Try again when `payment_status` is \
                 `paid`.",
            )
            .kind("payment_not_captured")
            .undecided(),
            GiveBackRefused::Money(error) => amount(&error),
        }
    }
}

impl From<AdvanceError<RefundError>> for Problem {
    fn from(error: AdvanceError<RefundError>) -> Self {
        match error {
            AdvanceError::NotFound => Self::not_found("order"),
            AdvanceError::Refused(RefundError::Stale { current }) => stale("order", current),
            AdvanceError::Refused(RefundError::Refused(refused)) => refused.into(),
            AdvanceError::Busy => busy("order"),
            AdvanceError::Store(error) => error.into(),
        }
    }
}

impl From<RefundRefused> for Problem {
    fn from(refused: RefundRefused) -> Self {
        let detail = refused.to_string();
        match refused {
            RefundRefused::Status(status) => Self::new(
                ErrorCode::Conflict,
                format!(
                    "An order that is {} is not refunded: it is not paid, or its money goes back by itself.",
                    status::name(status)
                ),
            )
            .kind("order_not_refundable")
            .with("status", status),
            RefundRefused::NothingLeft => Self::new(
                ErrorCode::Conflict,
                "Nothing is left to refund: what was captured is refunded or on its way back.",
            )
            .kind("nothing_to_refund"),
            RefundRefused::MoreThanLeft { left, .. } => {
                Self::new(ErrorCode::Conflict, format!("Refund refused: {detail}."))
                    .kind("refund_exceeds_payment")
                    .with("refundable", left)
            }
            RefundRefused::Amount(_) => unprocessable("refund_amount", vec![Violation::new("/amount", detail)]),
            RefundRefused::NoSuchLine(_) => unprocessable("no_such_line", vec![Violation::new("/lines", detail)]),
            RefundRefused::TooManyUnits { left, .. } => {
                unprocessable("too_many_units", vec![Violation::new("/lines", detail)]).with("refundable_units", left)
            }
            RefundRefused::Money(error) => amount(&error),
        }
    }
}

fn short(lines: &[ShortLine]) -> Problem {
    let violations = lines
        .iter()
        .map(|line| {
            let detail = format!("{} are wanted, {} are left", line.requested, line.available);
            Violation::new(format!("/lines/{}", line.index), detail)
        })
        .collect();
    Problem::new(ErrorCode::Conflict, "There is not enough stock for this cart; see `lines`.")
        .kind("insufficient_stock")
        .violations(violations)
        .with("lines", lines)
}

fn already_ordered(order_id: OrderId) -> Problem {
    Problem::new(ErrorCode::Conflict, "This cart has become an order. Make a new cart to buy more.")
        .kind("cart_already_ordered")
        .with("order_id", order_id)
}

/// Units that are not to be had: a line that is not there, or one that does not have so many of them left.
pub(super) fn units(refused: &UnitsRefused, kind: &'static str, advice: &str) -> Problem {
    match refused {
        UnitsRefused::NoSuchLine(_) => {
            unprocessable("no_such_line", vec![Violation::new("/lines", refused.to_string())])
        }
        UnitsRefused::TooMany { line, left, .. } => Problem::new(ErrorCode::Conflict, format!("{refused}. {advice}"))
            .kind(kind)
            .with("line_id", line)
            .with("units_left", left),
    }
}

pub(super) fn stale(what: &str, current: u64) -> Problem {
    let detail = format!("The {what} was changed meanwhile: its version is {current}. Read it again, then repeat.");
    Problem::new(ErrorCode::PreconditionFailed, detail).with("current_version", current)
}

pub(super) fn busy(what: &str) -> Problem {
    Problem::new(ErrorCode::Conflict, format!("The {what} is changing too fast just now. Try again."))
        .kind(format!("{what}_busy"))
        .retry_after(1)
}

fn no_product() -> Problem {
    Problem::new(ErrorCode::Unavailable, "Prices and stock cannot be found out now; nothing was changed. Try again.")
}

fn amount(error: &MoneyError) -> Problem {
    let detail = match error {
        MoneyError::Overflow => "The sum is larger than can be computed with.".to_owned(),
        other => format!("The amounts do not go together: {other}."),
    };
    Problem::new(ErrorCode::Unprocessable, detail).kind("amount_out_of_range")
}

fn unprocessable(kind: &'static str, violations: Vec<Violation>) -> Problem {
    let detail = match violations.as_slice() {
        [only] => format!("{}: {}", only.field, only.detail),
        several => format!("{} things stand in the way; see `errors`.", several.len()),
    };
    Problem::new(ErrorCode::Unprocessable, detail).kind(kind).violations(violations)
}
