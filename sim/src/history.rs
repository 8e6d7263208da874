//! What people did and what they were told, for the models to judge.

use crate::client::{Answer, Ask};

/// Something that somebody tried to do, and may have done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// To put units into a cart.
    CartAdd {
        /// Which cart.
        cart: String,
        /// Of which variant.
        variant: String,
        /// How many.
        quantity: i64,
    },
    /// To have so many units in a cart.
    CartSet {
        /// Which cart.
        cart: String,
        /// Of which variant.
        variant: String,
        /// How many; 0 for none.
        quantity: i64,
    },
    /// To look at a cart.
    CartLook {
        /// Which cart.
        cart: String,
    },
    /// To order a cart.
    Checkout {
        /// Which cart.
        cart: String,
        /// Under which key.
        key: String,
    },
    /// To call an order off.
    Cancel {
        /// Which order.
        order: String,
    },
    /// To give money back.
    Refund {
        /// Which order.
        order: String,
        /// Its reason, which no other refund has.
        reason: String,
    },
    /// To change what is on the shelf.
    Adjust {
        /// Which variant.
        variant: String,
        /// By how much.
        delta: i64,
    },
}

/// An attempt with its outcome.
#[derive(Debug, Clone)]
pub struct Act {
    /// What was tried.
    pub what: What,
    /// When it began, in moments of the world.
    pub began: u64,
    /// When its outcome was known.
    pub ended: u64,
    /// What came of it.
    pub answer: Answer,
    /// How it was asked for.
    pub ask: Ask,
}
