//! What goes back for units that were called off or came back.
//!
//! Every unit is paid back once, whether by a refund of units, a cancellation or a return: what such units
//! get is the share of the units given back so far, less what was paid back before. The shares are those of
//! the largest-remainder rule, so that they sum to the line, its tax, and the delivery once all are back.

use contracts::{
    Money, MoneyError,
    order::{LineId, LineQuantity, OrderLine, RefundId},
};

use super::{
    Order,
    fact::{
        Fact, RefundWanted, RefundedLine,
        goods::{ShippingShare, Waived},
    },
    refund::{Refund, RefundStatus},
    units::count,
};

/// What was paid back of something that is divided among units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paid {
    pub(crate) units: i64,
    pub(crate) amount: Money,
    pub(crate) tax: Money,
}

/// Something that is divided among the units of a line: its price, or its share of the delivery.
#[derive(Debug, Clone, Copy)]
pub(super) struct Divided {
    pub(super) units: i64,
    pub(super) amount: Money,
    pub(super) tax: Money,
}

impl Divided {
    /// What `units` more get, and the tax inside it.
    pub(super) fn next(&self, units: i64, paid: &Paid) -> Result<(Money, Money), MoneyError> {
        let share = |whole: Money| self.share(whole, paid.units + units);
        let due = |whole: Money, before: Money| {
            let due = share(whole).checked_sub(before)?;
            Ok::<_, MoneyError>(Money::new(due.amount_minor.max(0), due.currency))
        };
        Ok((due(self.amount, paid.amount)?, due(self.tax, paid.tax)?))
    }

    /// The share of the first `units` in `whole`.
    pub(super) fn share(&self, whole: Money, units: i64) -> Money {
        let rest = (self.units - units).max(0);
        whole.split(&[units.max(0).unsigned_abs(), rest.unsigned_abs()]).first().copied().unwrap_or(whole)
    }
}

/// The money of units that were given back.
pub(super) struct Given {
    /// Their refund, if there is anything to refund.
    pub(super) refund: Option<Fact>,
    /// Otherwise the units that got nothing.
    pub(super) waived: Waived,
}

/// Why money of units cannot go back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GiveBackRefused {
    /// It is held and not taken yet.
    #[error("the payment is not captured yet")]
    NotCaptured,
    #[error(transparent)]
    Money(#[from] MoneyError),
}

impl Order {
    /// What was paid back for units of `line`, or could not be more than nothing.
    pub(crate) fn paid_for(&self, line: &OrderLine) -> Result<Paid, MoneyError> {
        let goods = divided(line);
        let parts = self.standing_refunds().flat_map(|refund| &refund.lines).filter(|part| part.line_id == line.id);
        // Refunds that were stored before they told the tax.
        let tax = |part: &RefundedLine| part.tax.unwrap_or_else(|| goods.share(line.tax, part.quantity));
        let mut paid = self.sum_up(parts.map(|part| (part.quantity, part.amount, tax(part))))?;
        paid.units += self.waived.iter().map(|waived| count(&waived.goods, line.id)).sum::<i64>();
        Ok(paid)
    }

    /// The same of its share of the delivery.
    pub(crate) fn shipping_paid_for(&self, line: LineId) -> Result<Paid, MoneyError> {
        let parts = self.standing_refunds().flat_map(|refund| &refund.shipping).filter(|part| part.line_id == line);
        let mut paid = self.sum_up(parts.map(|part| (part.quantity, part.amount, part.tax)))?;
        paid.units += self.waived.iter().map(|waived| count(&waived.shipping, line)).sum::<i64>();
        Ok(paid)
    }

    fn standing_refunds(&self) -> impl Iterator<Item = &Refund> {
        self.refunds.iter().filter(|refund| refund.status != RefundStatus::Failed)
    }

    fn sum_up(&self, parts: impl Iterator<Item = (i64, Money, Money)>) -> Result<Paid, MoneyError> {
        let nothing = Money::zero(self.terms.currency);
        parts.into_iter().try_fold(Paid { units: 0, amount: nothing, tax: nothing }, |paid, (units, amount, tax)| {
            Ok(Paid {
                units: paid.units + units,
                amount: paid.amount.checked_add(amount)?,
                tax: paid.tax.checked_add(tax)?,
            })
        })
    }

    /// The share of each line in the price of the delivery, by what the lines cost.
    fn shipping_shares(&self) -> Vec<(LineId, Divided)> {
        let Some(shipping) = &self.terms.shipping else { return Vec::new() };
        let lines = &self.terms.lines;
        let weights: Vec<u64> = lines.iter().map(|line| line.total.amount_minor.max(0).unsigned_abs()).collect();
        let shares = shipping.price.split(&weights).into_iter().zip(shipping.tax.split(&weights));
        let share = |(line, (amount, tax)): (&OrderLine, _)| (line.id, Divided { units: line.quantity, amount, tax });
        lines.iter().zip(shares).map(share).collect()
    }

    /// The money of `units`, which are given back now. It is never more than what is left of the payment.
    pub(super) fn give_back(
        &self,
        refund_id: RefundId,
        reason: &str,
        units: &[LineQuantity],
        include_shipping: bool,
    ) -> Result<Given, GiveBackRefused> {
        let mut lines = self.goods_due(units)?;
        let mut shipping = if include_shipping { self.shipping_due(units)? } else { Vec::new() };
        let amounts = || lines.iter().map(|part| part.amount).chain(shipping.iter().map(|part| part.amount));
        let mut amount = Money::sum(self.terms.currency, amounts())?;
        let left = self.refundable()?;
        if amount.amount_minor > left.amount_minor {
            let coming = !self.payment.voided && self.payment.capture_failed.is_none();
            if coming && !self.is_captured() {
                return Err(GiveBackRefused::NotCaptured);
            }
            amount = Money::new(left.amount_minor.max(0), left.currency);
            cut_down(amount, &mut lines, &mut shipping);
        }
        if amount.amount_minor > 0 {
            let wanted = RefundWanted { refund_id, amount, reason: reason.to_owned(), lines, shipping };
            return Ok(Given { refund: Some(Fact::RefundRequested(wanted)), waived: Waived::default() });
        }
        let goods = lines.iter().map(|part| LineQuantity { line_id: part.line_id, quantity: part.quantity });
        let shares = shipping.iter().map(|part| LineQuantity { line_id: part.line_id, quantity: part.quantity });
        Ok(Given { refund: None, waived: Waived { goods: goods.collect(), shipping: shares.collect() } })
    }

    fn goods_due(&self, units: &[LineQuantity]) -> Result<Vec<RefundedLine>, MoneyError> {
        let mut due = Vec::with_capacity(units.len());
        for LineQuantity { line_id, quantity } in units {
            let Some(line) = self.line(*line_id) else { continue };
            let paid = self.paid_for(line)?;
            // A unit that a refund has paid for is taken to be one of those that are given back.
            let unpaid = self.units(line).given_back() + quantity - paid.units;
            let quantity = unpaid.clamp(0, *quantity);
            if quantity > 0 {
                let (amount, tax) = divided(line).next(quantity, &paid)?;
                due.push(RefundedLine { line_id: *line_id, quantity, restock: false, amount, tax: Some(tax) });
            }
        }
        Ok(due)
    }

    fn shipping_due(&self, units: &[LineQuantity]) -> Result<Vec<ShippingShare>, MoneyError> {
        let mut due = Vec::with_capacity(units.len());
        for (line_id, share) in self.shipping_shares() {
            let quantity = count(units, line_id);
            if quantity > 0 {
                let paid = self.shipping_paid_for(line_id)?;
                let (amount, tax) = share.next(quantity, &paid)?;
                due.push(ShippingShare { line_id, quantity, amount, tax });
            }
        }
        Ok(due)
    }

    /// Those of `wanted`, units of `given`, that go back on the shelf now and not because of a refund before.
    pub(super) fn shelve(&self, given: &[LineQuantity], wanted: &[LineQuantity]) -> Vec<LineQuantity> {
        let mut shelved = Vec::with_capacity(wanted.len());
        for LineQuantity { line_id, quantity } in wanted {
            let Some(line) = self.line(*line_id) else { continue };
            let missing = self.units(line).given_back() + count(given, *line_id) - self.shelved(*line_id);
            let quantity = missing.clamp(0, *quantity);
            if quantity > 0 {
                shelved.push(LineQuantity { line_id: *line_id, quantity });
            }
        }
        shelved
    }

    /// Units of a line that were put back on the shelf.
    pub(super) fn shelved(&self, line: LineId) -> i64 {
        let refunded = self.refunds.iter().flat_map(|refund| &refund.lines);
        let refunded = refunded.filter(|part| part.restock && part.line_id == line).map(|part| part.quantity);
        let cancelled = self.cancellations.iter().map(|cancellation| count(&cancellation.restock, line));
        let arrivals = self.returns.iter().flat_map(|returning| &returning.receipts);
        refunded.chain(cancelled).chain(arrivals.map(|arrival| count(&arrival.restock, line))).sum()
    }
}

/// The price of a line, as it is divided among its units.
pub(super) fn divided(line: &OrderLine) -> Divided {
    Divided { units: line.quantity, amount: line.total, tax: line.tax }
}

/// Makes the parts sum to `amount`, which is less than they do.
fn cut_down(amount: Money, lines: &mut [RefundedLine], shipping: &mut [ShippingShare]) {
    let weight = |part: Money| part.amount_minor.max(0).unsigned_abs();
    let weights: Vec<u64> =
        lines.iter().map(|part| weight(part.amount)).chain(shipping.iter().map(|part| weight(part.amount))).collect();
    let mut parts = amount.split(&weights).into_iter();
    let cut = |part: Money, whole: Money, tax: Money| {
        let rest = Money::new(whole.amount_minor - part.amount_minor, whole.currency);
        tax.split(&[weight(part), weight(rest)]).first().copied().unwrap_or(tax)
    };
    for (line, part) in lines.iter_mut().zip(&mut parts) {
        line.tax = line.tax.map(|tax| cut(part, line.amount, tax));
        line.amount = part;
    }
    for (share, part) in shipping.iter_mut().zip(&mut parts) {
        share.tax = cut(part, share.amount, share.tax);
        share.amount = part;
    }
}
