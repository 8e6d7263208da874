//! How much may go back, and which part of it belongs to which line.

use std::collections::BTreeMap;

use contracts::{
    Money, MoneyError,
    order::{LineId, OrderStatus, RefundId, RestockLine},
};
use jiff::Timestamp;

use super::{
    Order,
    fact::{Fact, RefundWanted, RefundedLine, goods::ShippingShare},
    give_back::{Paid, divided},
    status,
};

/// How a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefundStatus {
    /// On its way.
    Requested,
    /// The money went back.
    Succeeded,
    /// The provider refused.
    Failed,
}

/// Money that goes, went or could not go back.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Refund {
    pub(crate) id: RefundId,
    pub(crate) amount: Money,
    pub(crate) reason: String,
    pub(crate) lines: Vec<RefundedLine>,
    /// What it gives back of the delivery.
    pub(crate) shipping: Vec<ShippingShare>,
    pub(crate) status: RefundStatus,
    pub(crate) failure: Option<String>,
    pub(crate) requested_at: Timestamp,
    pub(crate) settled_at: Option<Timestamp>,
}

impl Refund {
    /// A refund that was just asked for.
    pub(super) fn requested(wanted: RefundWanted, at: Timestamp) -> Self {
        Self {
            id: wanted.refund_id,
            amount: wanted.amount,
            reason: wanted.reason,
            lines: wanted.lines,
            shipping: wanted.shipping,
            status: RefundStatus::Requested,
            failure: None,
            requested_at: at,
            settled_at: None,
        }
    }
}

/// How much is wanted back.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RefundScope {
    /// Whatever is left of the payment.
    Rest,
    /// So much.
    Amount(Money),
    /// These units.
    Units(Vec<RefundUnits>),
}

/// Units of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RefundUnits {
    pub(crate) line_id: LineId,
    pub(crate) quantity: i64,
    pub(crate) restock: bool,
}

/// Why money does not go back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RefundRefused {
    #[error("an order that is {} is not refunded by request", status::name(*.0))]
    Status(OrderStatus),
    #[error("nothing is left to refund: no captured money is neither refunded nor on its way back")]
    NothingLeft,
    #[error("{wanted} is more than the {left} that is left to refund")]
    MoreThanLeft { wanted: Money, left: Money },
    #[error("the amount must be positive and in {0}")]
    Amount(contracts::Currency),
    #[error("line {0} is not in this order")]
    NoSuchLine(LineId),
    #[error("line {line} has {left} units that are not yet refunded")]
    TooManyUnits { line: LineId, left: i64 },
    #[error(transparent)]
    Money(#[from] MoneyError),
}

impl Order {
    /// What was captured and is neither refunded nor on its way back.
    pub(crate) fn refundable(&self) -> Result<Money, MoneyError> {
        self.payment.captured.checked_sub(self.payment.refunded)?.checked_sub(self.refunds_in_flight()?)
    }

    /// What was requested back and has neither gone nor failed.
    pub(crate) fn refunds_in_flight(&self) -> Result<Money, MoneyError> {
        let open = self.refunds.iter().filter(|refund| refund.status == RefundStatus::Requested);
        Money::sum(self.terms.currency, open.map(|refund| refund.amount))
    }

    /// Decides on a wish to give money back.
    pub(crate) fn request_refund(
        &self,
        refund_id: RefundId,
        scope: &RefundScope,
        reason: String,
    ) -> Result<Vec<Fact>, RefundRefused> {
        use OrderStatus::{Closed, Completed, Confirmed, Processing};
        if !matches!(self.status, Confirmed | Processing | Completed | Closed) {
            return Err(RefundRefused::Status(self.status));
        }
        let left = self.refundable()?;
        if left.amount_minor <= 0 {
            return Err(RefundRefused::NothingLeft);
        }
        let (amount, lines) = match scope {
            RefundScope::Rest => (left, Vec::new()),
            RefundScope::Amount(amount) => (*amount, Vec::new()),
            RefundScope::Units(units) => self.price_units(units)?,
        };
        if amount.amount_minor <= 0 || amount.currency != self.terms.currency {
            return Err(RefundRefused::Amount(self.terms.currency));
        }
        let too_much = amount.amount_minor > left.amount_minor;
        #[cfg(feature = "known-bugs")]
        let too_much = too_much && !chassis::known_bugs::has(chassis::known_bugs::KnownBug::RefundWithoutGuard);
        if too_much {
            return Err(RefundRefused::MoreThanLeft { wanted: amount, left });
        }
        Ok(vec![Fact::RefundRequested(RefundWanted { refund_id, amount, reason, lines, shipping: Vec::new() })])
    }

    /// What the units cost. The first k units of a line cost the largest-remainder share of k in its total,
    /// less what units got that were paid back before: once all are, the parts sum to the whole.
    fn price_units(&self, wanted: &[RefundUnits]) -> Result<(Money, Vec<RefundedLine>), RefundRefused> {
        let mut priced: Vec<RefundedLine> = Vec::with_capacity(wanted.len());
        for units in wanted {
            let line = self.line(units.line_id).ok_or(RefundRefused::NoSuchLine(units.line_id))?;
            let mut paid = self.paid_for(line)?;
            let mut shelved = self.shelved(line.id);
            for part in priced.iter().filter(|part| part.line_id == line.id) {
                let tax = part.tax.unwrap_or(Money::zero(part.amount.currency));
                let (amount, tax) = (paid.amount.checked_add(part.amount)?, paid.tax.checked_add(tax)?);
                paid = Paid { units: paid.units + part.quantity, amount, tax };
                shelved += if part.restock { part.quantity } else { 0 };
            }
            let left = line.quantity - paid.units;
            let RefundUnits { line_id, quantity, restock } = *units;
            if quantity < 1 || quantity > left {
                return Err(RefundRefused::TooManyUnits { line: line_id, left });
            }
            let (amount, tax) = divided(line).next(quantity, &paid)?;
            // Never more than was taken off it: a refund may repeat one that failed.
            let restock = restock && shelved + quantity <= line.quantity;
            priced.push(RefundedLine { line_id, quantity, restock, amount, tax: Some(tax) });
        }
        Ok((Money::sum(self.terms.currency, priced.iter().map(|part| part.amount))?, priced))
    }

    /// Units of `lines` that go back on the shelf, merged by variant.
    pub(crate) fn restocked(&self, lines: &[RefundedLine]) -> Vec<RestockLine> {
        let shelved = lines.iter().filter(|part| part.restock);
        self.by_variant(shelved.map(|part| (part.line_id, part.quantity)))
    }

    /// Units of lines, merged by variant.
    pub(super) fn by_variant(&self, lines: impl Iterator<Item = (LineId, i64)>) -> Vec<RestockLine> {
        let mut units = BTreeMap::new();
        for (line_id, quantity) in lines {
            if let Some(line) = self.line(line_id) {
                *units.entry(line.variant_id).or_insert(0) += quantity;
            }
        }
        units.into_iter().map(|(variant_id, quantity)| RestockLine { variant_id, quantity }).collect()
    }

    /// What a refund of units would cost.
    #[cfg(test)]
    pub(super) fn price_for_test(&self, scope: &RefundScope) -> Result<i64, RefundRefused> {
        let RefundScope::Units(units) = scope else { return Ok(0) };
        Ok(self.price_units(units)?.0.amount_minor)
    }
}
