//! Where the units of an order are: the one account of them, computed from its parcels, cancellations and
//! returns and never set.

use contracts::order::{FulfilmentStatus, LineId, LineQuantity, OrderLine, OrderStatus};

use super::{Order, fulfilment::ParcelStatus};

/// The units of one line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Units {
    /// What was sold.
    pub(crate) quantity: i64,
    /// Called off before they left.
    pub(crate) cancelled: i64,
    /// In parcels that have not left.
    pub(crate) packing: i64,
    /// In parcels that are under way or have arrived.
    pub(crate) sent: i64,
    /// Those of `sent` that have arrived.
    pub(crate) delivered: i64,
    /// In parcels that were lost or came back to the sender.
    pub(crate) astray: i64,
    /// To come back: in returns that are under way.
    pub(crate) returning: i64,
    /// Came back.
    pub(crate) returned: i64,
}

impl Units {
    /// What has left. Units that went astray count: their money goes back as a refund, not by cancelling. A
    /// parcel takes units that never left before it takes these, and sent once more they count once.
    pub(crate) fn fulfilled(&self) -> i64 {
        (self.quantity - self.cancelled - self.packing).min(self.sent + self.astray)
    }

    /// What may go into a new parcel. Units that went astray may be sent once more.
    pub(crate) fn open(&self) -> i64 {
        self.quantity - self.cancelled - self.packing - self.sent
    }

    /// What may be called off: units that are in no parcel and never left.
    pub(crate) fn cancellable(&self) -> i64 {
        self.quantity - self.cancelled - self.packing - self.fulfilled()
    }

    /// What may be asked to come back.
    pub(crate) fn returnable(&self) -> i64 {
        self.sent - self.returning - self.returned
    }

    /// What is not called off.
    pub(crate) fn kept(&self) -> i64 {
        self.quantity - self.cancelled
    }

    /// What was called off or came back: its money goes back.
    pub(crate) fn given_back(&self) -> i64 {
        self.cancelled + self.returned
    }

    /// True if nothing of the line waits to leave.
    pub(crate) fn is_finished(&self) -> bool {
        self.cancelled + self.fulfilled() == self.quantity
    }
}

/// Why units of a line are not to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnitsRefused {
    #[error("line {0} is not in this order")]
    NoSuchLine(LineId),
    #[error("{wanted} units of line {line} are wanted, and {left} are left for this")]
    TooMany { line: LineId, wanted: i64, left: i64 },
}

impl Order {
    /// The units of `line`.
    pub(crate) fn units(&self, line: &OrderLine) -> Units {
        let of_line = |lines: &[LineQuantity]| count(lines, line.id);
        let mut units = Units { quantity: line.quantity, ..Units::default() };
        if self.status == OrderStatus::Cancelled {
            return Units { cancelled: line.quantity, ..units };
        }
        units.cancelled = self.cancellations.iter().map(|cancellation| of_line(&cancellation.lines)).sum();
        for parcel in &self.fulfilments {
            let quantity = of_line(&parcel.lines);
            match parcel.status {
                ParcelStatus::Pending | ParcelStatus::Allocated | ParcelStatus::Packed => units.packing += quantity,
                ParcelStatus::Shipped => units.sent += quantity,
                ParcelStatus::Delivered => {
                    units.sent += quantity;
                    units.delivered += quantity;
                }
                ParcelStatus::Lost | ParcelStatus::ReturnedToSender => units.astray += quantity,
                ParcelStatus::Cancelled => {}
            }
        }
        for returning in &self.returns {
            let received = returning.received(line.id);
            units.returned += received;
            if returning.status.is_under_way() {
                units.returning += of_line(&returning.lines) - received;
            }
        }
        units
    }

    /// `wanted`, each line once, if every line has so many units that `left` counts.
    pub(super) fn take_units(
        &self,
        wanted: &[LineQuantity],
        left: impl Fn(&OrderLine) -> i64,
    ) -> Result<Vec<LineQuantity>, UnitsRefused> {
        let merged = merge(wanted);
        for LineQuantity { line_id, quantity } in &merged {
            let line = self.line(*line_id).ok_or(UnitsRefused::NoSuchLine(*line_id))?;
            let left = left(line);
            if *quantity < 1 || *quantity > left {
                return Err(UnitsRefused::TooMany { line: *line_id, wanted: *quantity, left });
            }
        }
        Ok(merged)
    }

    pub(super) fn line(&self, id: LineId) -> Option<&OrderLine> {
        self.terms.lines.iter().find(|line| line.id == id)
    }

    /// True if nothing waits to leave once `change` has happened to the units of each line.
    pub(super) fn would_be_finished(&self, change: impl Fn(LineId, &mut Units)) -> bool {
        self.terms.lines.iter().all(|line| {
            let mut units = self.units(line);
            change(line.id, &mut units);
            units.is_finished()
        })
    }

    /// What of the goods has left and come back.
    pub(crate) fn fulfilment_status(&self) -> FulfilmentStatus {
        let (mut kept, mut fulfilled, mut delivered, mut returned) = (0, 0, 0, 0);
        for units in self.terms.lines.iter().map(|line| self.units(line)) {
            kept += units.kept();
            fulfilled += units.fulfilled();
            delivered += units.delivered;
            returned += units.returned;
        }
        match () {
            () if returned > 0 && returned == kept => FulfilmentStatus::Returned,
            () if returned > 0 => FulfilmentStatus::PartiallyReturned,
            () if fulfilled == 0 => FulfilmentStatus::None,
            () if delivered == kept => FulfilmentStatus::Delivered,
            () if fulfilled == kept => FulfilmentStatus::Shipped,
            () => FulfilmentStatus::Partial,
        }
    }
}

/// Units of line `id` in `lines`.
pub(super) fn count(lines: &[LineQuantity], id: LineId) -> i64 {
    lines.iter().filter(|part| part.line_id == id).map(|part| part.quantity).sum()
}

/// Each line once.
pub(super) fn merge(lines: &[LineQuantity]) -> Vec<LineQuantity> {
    let mut merged: Vec<LineQuantity> = Vec::with_capacity(lines.len());
    for part in lines {
        match merged.iter_mut().find(|line| line.line_id == part.line_id) {
            Some(line) => line.quantity = line.quantity.saturating_add(part.quantity),
            None => merged.push(*part),
        }
    }
    merged
}
