//! Parcels: what is packed, sent, delivered, lost.

use contracts::order::{FulfilmentId, LineId, LineQuantity, OrderStatus, PaymentStatus};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::ParcelStatus::{Allocated, Cancelled, Delivered, Lost, Packed, Pending, ReturnedToSender, Shipped};
use super::{
    FoldError, Order,
    fact::{
        Fact, Nothing,
        goods::{FulfilmentCreated, FulfilmentMoved, FulfilmentRelabelled},
    },
    units::{Units, UnitsRefused, count},
};

/// Where a parcel stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ParcelStatus {
    /// Wanted.
    Pending,
    /// Its goods are picked.
    Allocated,
    /// Ready to leave.
    Packed,
    /// Under way.
    Shipped,
    /// Arrived.
    Delivered,
    /// Will not leave; its units are free again.
    Cancelled,
    /// Did not arrive and will not; its units may be sent once more or refunded.
    Lost,
    /// Came back undelivered; its units may be sent once more or refunded.
    ReturnedToSender,
}

/// Every step there is. Steps forward may be left out; what is not here is refused.
const STEPS: &[(ParcelStatus, &[ParcelStatus])] = &[
    (Pending, &[Allocated, Packed, Shipped, Cancelled]),
    (Allocated, &[Packed, Shipped, Cancelled]),
    (Packed, &[Shipped, Cancelled]),
    (Shipped, &[Delivered, Lost, ReturnedToSender]),
    (Delivered, &[]),
    (Cancelled, &[]),
    (Lost, &[]),
    (ReturnedToSender, &[]),
];

/// A step that the table does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fulfilment that is {} cannot become {}", .from.name(), .to.name())]
pub(crate) struct StepRefused {
    pub(crate) from: ParcelStatus,
    pub(crate) to: ParcelStatus,
}

impl ParcelStatus {
    /// `to`, if a parcel that is `self` may become it.
    pub(crate) fn step(self, to: Self) -> Result<Self, StepRefused> {
        if self.next().contains(&to) { Ok(to) } else { Err(StepRefused { from: self, to }) }
    }

    pub(crate) fn next(self) -> &'static [Self] {
        STEPS.iter().find(|(from, _)| *from == self).map_or(&[], |(_, next)| next)
    }

    /// True while it has not left and will.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Pending | Allocated | Packed)
    }

    /// True if it has left, whatever became of it.
    pub(crate) fn has_left(self) -> bool {
        matches!(self, Shipped | Delivered | Lost | ReturnedToSender)
    }

    /// The wire form.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Pending => "pending",
            Allocated => "allocated",
            Packed => "packed",
            Shipped => "shipped",
            Delivered => "delivered",
            Cancelled => "cancelled",
            Lost => "lost",
            ReturnedToSender => "returned_to_sender",
        }
    }
}

/// Who carries a parcel, and under which number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Label {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) carrier: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tracking_number: Option<String>,
}

impl Label {
    /// With what `other` says; the rest stays.
    fn with(&self, other: &Self) -> Self {
        let Self { carrier, tracking_number } = self.clone();
        Self {
            carrier: other.carrier.clone().or(carrier),
            tracking_number: other.tracking_number.clone().or(tracking_number),
        }
    }
}

/// A parcel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fulfilment {
    pub(crate) id: FulfilmentId,
    pub(crate) status: ParcelStatus,
    pub(crate) lines: Vec<LineQuantity>,
    pub(crate) label: Label,
    /// Until when its goods may be sent back.
    pub(crate) return_until: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    pub(crate) shipped_at: Option<Timestamp>,
    pub(crate) delivered_at: Option<Timestamp>,
}

/// A parcel that is wanted.
#[derive(Debug, Clone)]
pub(crate) struct NewFulfilment {
    pub(crate) id: FulfilmentId,
    /// Everything that is open, if absent.
    pub(crate) lines: Option<Vec<LineQuantity>>,
    pub(crate) label: Label,
    /// True if it has left already.
    pub(crate) shipped: bool,
}

/// What is to change of a parcel.
#[derive(Debug, Clone, Default)]
pub(crate) struct FulfilmentChange {
    pub(crate) status: Option<ParcelStatus>,
    /// What is absent stays.
    pub(crate) label: Label,
}

/// Why a parcel is not made or not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FulfilRefused {
    #[error("the order is {}", super::status::name(*.0))]
    Status(OrderStatus),
    #[error("nobody has paid for the order, or the money went back")]
    NotPaid(PaymentStatus),
    #[error("nothing is left to ship")]
    NothingOpen,
    #[error(transparent)]
    Units(#[from] UnitsRefused),
    #[error("no such fulfilment")]
    NoSuchFulfilment,
    #[error(transparent)]
    Step(#[from] StepRefused),
    #[error("the label of a fulfilment that is {} stays as it is", .0.name())]
    LabelIsFinal(ParcelStatus),
    #[error("units of line {0} that are in it are in a return")]
    InReturn(LineId),
}

impl Order {
    /// Decides on a wish for a parcel. Goods of it may be sent back until `return_until`.
    pub(crate) fn create_fulfilment(
        &self,
        new: &NewFulfilment,
        return_until: Timestamp,
    ) -> Result<Vec<Fact>, FulfilRefused> {
        self.check_may_leave()?;
        let lines = match &new.lines {
            Some(wanted) => self.take_units(wanted, |line| self.units(line).open())?,
            None => self.open_units(),
        };
        if lines.is_empty() {
            return Err(FulfilRefused::NothingOpen);
        }
        let (fulfilment_id, label) = (new.id, new.label.clone());
        let finishes = self.would_be_finished(|id, units| units.sent += count(&lines, id));
        let created = FulfilmentCreated { fulfilment_id, lines, label: label.clone() };
        let mut facts = vec![Fact::FulfilmentCreated(created)];
        if self.status == OrderStatus::Confirmed {
            facts.push(Fact::ProcessingStarted(Nothing {}));
        }
        if new.shipped {
            let return_until = Some(return_until);
            facts.push(Fact::FulfilmentMoved(FulfilmentMoved { fulfilment_id, to: Shipped, label, return_until }));
            facts.extend(self.completion(finishes));
        }
        Ok(facts)
    }

    /// Decides on a change of a parcel; empty if it is so already.
    pub(crate) fn change_fulfilment(
        &self,
        id: FulfilmentId,
        change: &FulfilmentChange,
        return_until: Timestamp,
    ) -> Result<Vec<Fact>, FulfilRefused> {
        let parcel = self.fulfilments.iter().find(|parcel| parcel.id == id);
        let parcel = parcel.ok_or(FulfilRefused::NoSuchFulfilment)?;
        let label = parcel.label.with(&change.label);
        if label != parcel.label && !(parcel.status.is_open() || parcel.status == Shipped) {
            return Err(FulfilRefused::LabelIsFinal(parcel.status));
        }
        match change.status.filter(|to| *to != parcel.status) {
            Some(to) => self.move_fulfilment(parcel, to, label, return_until),
            None if label != parcel.label => {
                Ok(vec![Fact::FulfilmentRelabelled(FulfilmentRelabelled { fulfilment_id: id, label })])
            }
            None => Ok(Vec::new()),
        }
    }

    fn move_fulfilment(
        &self,
        parcel: &Fulfilment,
        to: ParcelStatus,
        label: Label,
        return_until: Timestamp,
    ) -> Result<Vec<Fact>, FulfilRefused> {
        parcel.status.step(to)?;
        if matches!(to, Allocated | Packed | Shipped) {
            self.check_may_leave()?;
        }
        if matches!(to, Lost | ReturnedToSender) {
            self.check_not_in_return(parcel)?;
        }
        let return_until = matches!(to, Shipped | Delivered).then_some(return_until);
        let moved = FulfilmentMoved { fulfilment_id: parcel.id, to, label, return_until };
        let mut facts = vec![Fact::FulfilmentMoved(moved)];
        if to == Shipped {
            let leave = |id, units: &mut Units| {
                let quantity = count(&parcel.lines, id);
                units.packing -= quantity;
                units.sent += quantity;
            };
            facts.extend(self.completion(self.would_be_finished(leave)));
        }
        Ok(facts)
    }

    /// The order is complete when nothing of it waits to leave.
    pub(super) fn completion(&self, finished: bool) -> Option<Fact> {
        let under_way = matches!(self.status, OrderStatus::Confirmed | OrderStatus::Processing);
        (finished && under_way).then_some(Fact::Completed(Nothing {}))
    }

    /// Cancels the parcels that have not left.
    pub(super) fn cancel_open_fulfilments(&self) -> Vec<Fact> {
        let open = self.fulfilments.iter().filter(|parcel| parcel.status.is_open());
        let cancelled = |parcel: &Fulfilment| {
            let label = parcel.label.clone();
            let moved = FulfilmentMoved { fulfilment_id: parcel.id, to: Cancelled, label, return_until: None };
            Fact::FulfilmentMoved(moved)
        };
        open.map(cancelled).collect()
    }

    /// True if something has left, whatever became of it.
    pub(crate) fn has_shipped(&self) -> bool {
        self.fulfilments.iter().any(|parcel| parcel.status.has_left())
    }

    /// Everything that may go into a parcel.
    fn open_units(&self) -> Vec<LineQuantity> {
        let open = |line: &contracts::order::OrderLine| {
            let quantity = self.units(line).open();
            (quantity > 0).then_some(LineQuantity { line_id: line.id, quantity })
        };
        self.terms.lines.iter().filter_map(open).collect()
    }

    /// Goods leave for an order that stands and whose money is held or taken. Of a completed order only what
    /// went astray is open.
    fn check_may_leave(&self) -> Result<(), FulfilRefused> {
        use OrderStatus::{Completed, Confirmed, Processing};
        if !matches!(self.status, Confirmed | Processing | Completed) {
            return Err(FulfilRefused::Status(self.status));
        }
        let lost = self.payment.reversed.is_some() || (self.payment.capture_failed.is_some() && !self.is_captured());
        match self.payment_status() {
            status if lost => Err(FulfilRefused::NotPaid(status)),
            PaymentStatus::Authorized
            | PaymentStatus::PartiallyPaid
            | PaymentStatus::Paid
            | PaymentStatus::PartiallyRefunded => Ok(()),
            status @ (PaymentStatus::NotPaid | PaymentStatus::Refunded | PaymentStatus::Voided) => {
                Err(FulfilRefused::NotPaid(status))
            }
        }
    }

    /// Units that the buyer sends back, or has, cannot have gone astray on the way to them.
    fn check_not_in_return(&self, parcel: &Fulfilment) -> Result<(), FulfilRefused> {
        for part in &parcel.lines {
            let Some(line) = self.line(part.line_id) else { continue };
            if self.units(line).returnable() < part.quantity {
                return Err(FulfilRefused::InReturn(line.id));
            }
        }
        Ok(())
    }

    pub(super) fn fulfilment_created(&mut self, fact: FulfilmentCreated, at: Timestamp) {
        self.fulfilments.push(Fulfilment {
            id: fact.fulfilment_id,
            status: Pending,
            lines: fact.lines,
            label: fact.label,
            return_until: None,
            created_at: at,
            shipped_at: None,
            delivered_at: None,
        });
    }

    pub(super) fn fulfilment_moved(&mut self, fact: FulfilmentMoved, at: Timestamp, seq: u64) -> Result<(), FoldError> {
        let parcel = self.fulfilment_mut(fact.fulfilment_id, seq)?;
        let step = parcel.status.step(fact.to);
        parcel.status = step.map_err(|refused| FoldError::Contradicts { seq, detail: refused.to_string() })?;
        parcel.label = fact.label;
        parcel.return_until = fact.return_until.or(parcel.return_until);
        match fact.to {
            Shipped => parcel.shipped_at = Some(at),
            Delivered => parcel.delivered_at = Some(at),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn fulfilment_relabelled(&mut self, fact: FulfilmentRelabelled, seq: u64) -> Result<(), FoldError> {
        self.fulfilment_mut(fact.fulfilment_id, seq)?.label = fact.label;
        Ok(())
    }

    fn fulfilment_mut(&mut self, id: FulfilmentId, seq: u64) -> Result<&mut Fulfilment, FoldError> {
        let found = self.fulfilments.iter_mut().find(|parcel| parcel.id == id);
        found.ok_or_else(|| FoldError::Contradicts { seq, detail: format!("there is no fulfilment {id}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [ParcelStatus; 8] = [Pending, Allocated, Packed, Shipped, Delivered, Cancelled, Lost, ReturnedToSender];

    #[test]
    fn every_status_has_one_row_and_a_name_that_is_the_wire_form() {
        assert_eq!(STEPS.len(), ALL.len());
        for status in ALL {
            assert_eq!(STEPS.iter().filter(|(from, _)| *from == status).count(), 1, "{status:?}");
            assert_eq!(serde_json::to_value(status).unwrap(), status.name());
            assert!(!(status.is_open() && status.has_left()));
        }
    }

    #[test]
    fn what_has_not_left_may_be_called_off_and_what_has_left_never_unleaves() {
        for from in ALL {
            assert_eq!(from.step(Cancelled).is_ok(), from.is_open(), "{from:?}");
            assert_eq!(from.step(from), Err(StepRefused { from, to: from }));
            assert!(from.has_left() <= from.next().iter().all(|to| to.has_left()), "{from:?}");
        }
        assert_eq!(Pending.step(Delivered), Err(StepRefused { from: Pending, to: Delivered }));
    }
}
