//! Double entry: every movement of money is a transaction whose entries sum to zero.

use contracts::{Money, payment::PaymentId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

contracts::typed_id!(
    /// A ledger transaction.
    LedgerTransactionId,
    "ltx"
);

/// An account. Debits are positive, credits negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Account {
    /// What the provider owes us: captured and not yet given back.
    ProviderReceivable,
    /// What was sold.
    Sales,
    /// What was given back.
    Refunds,
}

impl Account {
    /// The stored form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProviderReceivable => "provider_receivable",
            Self::Sales => "sales",
            Self::Refunds => "refunds",
        }
    }

    /// The account with this stored form.
    pub fn find(text: &str) -> Option<Self> {
        [Self::ProviderReceivable, Self::Sales, Self::Refunds].into_iter().find(|account| account.as_str() == text)
    }
}

/// One side of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LedgerEntry {
    /// The transaction.
    pub transaction_id: LedgerTransactionId,
    /// Which payment moved money.
    pub payment_id: PaymentId,
    /// Where it is written.
    pub account: Account,
    /// Debit positive, credit negative.
    pub amount: Money,
    /// When.
    pub at: Timestamp,
}

/// A movement of money, before it is written into accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    /// The transaction.
    pub id: LedgerTransactionId,
    /// From where to where.
    pub movement: Movement,
    /// How much; positive.
    pub amount_minor: i64,
}

/// From where to where money moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Movement {
    /// From the buyer to the provider, who owes it to us.
    Capture,
    /// Back to the buyer, out of what the provider owes us.
    Refund,
    /// A capture undone: the bank took a transfer back.
    Reversal,
}

impl Posting {
    /// The two sides of the movement.
    pub fn entries(&self) -> [(Account, i64); 2] {
        match self.movement {
            Movement::Capture => {
                [(Account::ProviderReceivable, self.amount_minor), (Account::Sales, -self.amount_minor)]
            }
            Movement::Reversal => {
                [(Account::Sales, self.amount_minor), (Account::ProviderReceivable, -self.amount_minor)]
            }
            Movement::Refund => {
                [(Account::Refunds, self.amount_minor), (Account::ProviderReceivable, -self.amount_minor)]
            }
        }
    }
}
