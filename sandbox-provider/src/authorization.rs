//! The rules of the provider, without storage or time: what may be captured, let go and given back.

use serde::{Deserialize, Serialize};

/// Where an authorization stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not decided yet; a webhook tells.
    Pending,
    /// The money is held.
    Authorized,
    /// Some of it was taken; more may be.
    PartiallyCaptured,
    /// Taken; what was not taken is let go.
    Captured,
    /// Let go; nothing was taken.
    Voided,
    /// Refused, for good.
    Declined,
}

impl Status {
    /// The stored and the wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Authorized => "authorized",
            Self::PartiallyCaptured => "partially_captured",
            Self::Captured => "captured",
            Self::Voided => "voided",
            Self::Declined => "declined",
        }
    }

    /// The status with this form.
    pub fn find(text: &str) -> Option<Self> {
        [Self::Pending, Self::Authorized, Self::PartiallyCaptured, Self::Captured, Self::Voided, Self::Declined]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

/// Money held, and what became of it. This is also what the API answers and what webhooks carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorization {
    /// `auth_…`.
    pub id: String,
    /// The merchant's own name for it.
    pub reference: String,
    /// Where it stands.
    pub status: Status,
    /// ISO 4217.
    pub currency: String,
    /// How much was asked for, in minor units.
    pub amount_minor: i64,
    /// How much was taken.
    pub captured_minor: i64,
    /// How much was given back.
    pub refunded_minor: i64,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decline_code: Option<String>,
    /// When it was asked for.
    pub created_at: jiff::Timestamp,
    /// What was given back, one by one.
    #[serde(default)]
    pub refunds: Vec<Refund>,
    /// The payment method that was charged.
    #[serde(skip)]
    pub method_token: String,
}

/// Money given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// `rfnd_…`.
    pub id: String,
    /// The merchant's own name for it.
    pub reference: String,
    /// How much.
    pub amount_minor: i64,
    /// When.
    pub created_at: jiff::Timestamp,
}

/// Why an operation is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The status does not allow it.
    #[error("an authorization that is {0} cannot be {1}")]
    WrongStatus(&'static str, &'static str),
    /// Amounts are positive.
    #[error("amount_minor must be at least 1")]
    NotPositive,
    /// More than is left to capture.
    #[error("only {0} is left to capture")]
    ExceedsAuthorized(i64),
    /// More than is left to refund.
    #[error("only {0} is left to refund")]
    ExceedsCaptured(i64),
    /// The merchant used this reference before.
    #[error("a refund with this reference exists")]
    DuplicateReference,
}

impl Refusal {
    /// The code in error answers.
    pub fn code(&self) -> &'static str {
        match self {
            Self::WrongStatus(..) => "wrong_status",
            Self::NotPositive => "invalid_amount",
            Self::ExceedsAuthorized(_) => "amount_exceeds_authorized",
            Self::ExceedsCaptured(_) => "amount_exceeds_captured",
            Self::DuplicateReference => "duplicate_reference",
        }
    }
}

impl Authorization {
    /// Takes `amount`, or all that is left.
    pub fn capture(&mut self, amount: Option<i64>) -> Result<(), Refusal> {
        if !matches!(self.status, Status::Authorized | Status::PartiallyCaptured) {
            return Err(Refusal::WrongStatus(self.status.as_str(), "captured"));
        }
        let left = self.amount_minor - self.captured_minor;
        let amount = amount.unwrap_or(left);
        if amount < 1 {
            return Err(Refusal::NotPositive);
        }
        if amount > left {
            return Err(Refusal::ExceedsAuthorized(left));
        }
        self.captured_minor += amount;
        self.status = if amount == left { Status::Captured } else { Status::PartiallyCaptured };
        Ok(())
    }

    /// Lets go of what was not taken.
    pub fn void(&mut self) -> Result<(), Refusal> {
        self.status = match self.status {
            Status::Pending | Status::Authorized => Status::Voided,
            Status::PartiallyCaptured => Status::Captured,
            Status::Captured | Status::Voided | Status::Declined => {
                return Err(Refusal::WrongStatus(self.status.as_str(), "voided"));
            }
        };
        Ok(())
    }

    /// Gives money back.
    pub fn refund(&mut self, refund: Refund) -> Result<(), Refusal> {
        if !matches!(self.status, Status::PartiallyCaptured | Status::Captured) {
            return Err(Refusal::WrongStatus(self.status.as_str(), "refunded"));
        }
        if refund.amount_minor < 1 {
            return Err(Refusal::NotPositive);
        }
        let left = self.captured_minor - self.refunded_minor;
        if refund.amount_minor > left {
            return Err(Refusal::ExceedsCaptured(left));
        }
        if self.refunds.iter().any(|earlier| earlier.reference == refund.reference) {
            return Err(Refusal::DuplicateReference);
        }
        self.refunded_minor += refund.amount_minor;
        self.refunds.push(refund);
        Ok(())
    }
}
