//! The rules of the provider, without storage or time: what may be captured, let go and given back.

use serde::{Deserialize, Serialize};

/// Where an authorization stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not decided yet; a webhook tells.
    Pending,
    /// The buyer has to prove who pays, at `action_url`.
    RequiresAction,
    /// The buyer has to transfer the sum to the account in `deposit`.
    AwaitingDeposit,
    /// The money is held.
    Authorized,
    /// Some of it was taken; more may be.
    PartiallyCaptured,
    /// Taken; what was not taken is let go.
    Captured,
    /// Let go; nothing was taken.
    Voided,
    /// Refused, or broken off by us; nothing is held.
    Declined,
}

impl Status {
    const ALL: [Self; 8] = [
        Self::Pending,
        Self::RequiresAction,
        Self::AwaitingDeposit,
        Self::Authorized,
        Self::PartiallyCaptured,
        Self::Captured,
        Self::Voided,
        Self::Declined,
    ];

    /// The stored and the wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::RequiresAction => "requires_action",
            Self::AwaitingDeposit => "awaiting_deposit",
            Self::Authorized => "authorized",
            Self::PartiallyCaptured => "partially_captured",
            Self::Captured => "captured",
            Self::Voided => "voided",
            Self::Declined => "declined",
        }
    }

    /// The status with this form.
    pub fn find(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
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
    /// True if another payment method, or another try, may work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decline_retryable: Option<bool>,
    /// Where the buyer proves who pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_url: Option<String>,
    /// Where the buyer transfers the sum to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deposit: Option<Deposit>,
    /// Counts the changes of this authorization, from 1: of two pictures of it, the higher is the newer.
    #[serde(default)]
    pub sequence: i64,
    /// When it was asked for.
    pub created_at: jiff::Timestamp,
    /// When it last changed.
    pub updated_at: jiff::Timestamp,
    /// What was taken, one by one.
    #[serde(default)]
    pub captures: Vec<Movement>,
    /// What was given back, one by one.
    #[serde(default)]
    pub refunds: Vec<Movement>,
    /// Where the buyer goes after `action_url`.
    #[serde(skip)]
    pub return_url: Option<String>,
    /// The payment method that was charged.
    #[serde(skip)]
    pub method_token: String,
}

/// An account that takes one transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deposit {
    /// The bank.
    pub bank: String,
    /// The account.
    pub account_number: String,
    /// Whose account it is.
    pub holder: String,
    /// After this nothing is taken.
    pub due_at: jiff::Timestamp,
}

/// Money taken or given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// `cap_…` or `rfnd_…`.
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
    #[error("a capture or refund with this reference exists")]
    DuplicateReference,
    /// The account takes nothing any more.
    #[error("the transfer comes after the account was closed")]
    DepositOverdue,
    /// Some of the deposit was given back; it cannot be taken back as well.
    #[error("{0} of the deposit was given back")]
    AlreadyRefunded(i64),
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
            Self::DepositOverdue => "deposit_overdue",
            Self::AlreadyRefunded(_) => "already_refunded",
        }
    }
}

impl Authorization {
    /// The picture after a change.
    pub fn touch(&mut self, now: jiff::Timestamp) {
        self.sequence += 1;
        self.updated_at = now;
    }

    /// Takes `amount`, or all that is left; `id` and `reference` name what is taken.
    pub fn capture(
        &mut self,
        amount: Option<i64>,
        id: String,
        reference: Option<String>,
        now: jiff::Timestamp,
    ) -> Result<(), Refusal> {
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
        let reference = reference.unwrap_or_else(|| id.clone());
        if self.captures.iter().any(|earlier| earlier.reference == reference) {
            return Err(Refusal::DuplicateReference);
        }
        self.captured_minor += amount;
        self.captures.push(Movement { id, reference, amount_minor: amount, created_at: now });
        self.status = if amount == left { Status::Captured } else { Status::PartiallyCaptured };
        Ok(())
    }

    /// Lets go of what was not taken.
    pub fn void(&mut self) -> Result<(), Refusal> {
        self.status = match self.status {
            Status::Pending | Status::RequiresAction | Status::AwaitingDeposit | Status::Authorized => Status::Voided,
            Status::PartiallyCaptured => Status::Captured,
            Status::Captured | Status::Voided | Status::Declined => {
                return Err(Refusal::WrongStatus(self.status.as_str(), "voided"));
            }
        };
        Ok(())
    }

    /// Gives money back.
    pub fn refund(&mut self, refund: Movement) -> Result<(), Refusal> {
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

    /// The buyer proved who pays, or did not.
    pub fn decide(&mut self, approved: bool) -> Result<(), Refusal> {
        if self.status != Status::RequiresAction {
            return Err(Refusal::WrongStatus(self.status.as_str(), "decided"));
        }
        if approved {
            self.status = Status::Authorized;
        } else {
            self.decline("authentication_failed");
        }
        Ok(())
    }

    /// Says no.
    pub fn decline(&mut self, code: &str) {
        self.status = Status::Declined;
        self.decline_code = Some(code.to_owned());
        self.decline_retryable = Some(matches!(code, "insufficient_funds" | "authentication_failed" | "expired_card"));
    }

    /// The buyer's transfer arrives: the money is taken at once. `id` names what is taken.
    pub fn deposit(&mut self, id: String, now: jiff::Timestamp) -> Result<(), Refusal> {
        if self.status != Status::AwaitingDeposit {
            return Err(Refusal::WrongStatus(self.status.as_str(), "paid by transfer"));
        }
        if self.deposit.as_ref().is_some_and(|deposit| now > deposit.due_at) {
            return Err(Refusal::DepositOverdue);
        }
        self.status = Status::Authorized;
        self.capture(None, id, None, now)
    }

    /// The bank takes the transfer back.
    pub fn reverse_deposit(&mut self) -> Result<(), Refusal> {
        if self.status != Status::Captured || self.deposit.is_none() {
            return Err(Refusal::WrongStatus(self.status.as_str(), "reversed"));
        }
        if self.refunded_minor > 0 {
            return Err(Refusal::AlreadyRefunded(self.refunded_minor));
        }
        self.status = Status::AwaitingDeposit;
        self.captured_minor = 0;
        self.captures.clear();
        Ok(())
    }
}
