//! Faults that the control API orders: the next so many operations of a kind go wrong in a given way.
//! They live in memory; a restart forgets them.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `POST /v1/authorizations`.
    Authorize,
    /// `POST /v1/authorizations/{id}/captures`.
    Capture,
    /// `POST /v1/authorizations/{id}/void`.
    Void,
    /// `POST /v1/authorizations/{id}/refunds`.
    Refund,
    /// Every `GET`.
    Query,
}

/// How an operation goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Done, answered after the slow delay.
    Slow,
    /// Done, never answered in time.
    Hang,
    /// Not done, never answered in time.
    HangBefore,
    /// Done, answered with a 500.
    ErrorAfter,
    /// Not done, answered with a 500.
    Error,
    /// Not done, answered with a 503.
    Unavailable,
    /// Refused with 409 `refused`.
    Refuse,
}

/// An order to go wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which operation.
    pub operation: Operation,
    /// How.
    pub kind: FaultKind,
    /// For how many requests; forever if absent.
    #[serde(default)]
    pub times: Option<u32>,
}

/// The faults in force.
#[derive(Default)]
pub struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    /// Replaces all faults.
    pub fn set(&self, faults: Vec<Fault>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// The faults still in force.
    pub fn list(&self) -> Vec<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The fault that hits this request, if any; counts it down.
    pub fn take(&self, operation: Operation) -> Option<FaultKind> {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let index = faults.iter().position(|fault| fault.operation == operation && fault.times != Some(0))?;
        let kind = faults[index].kind;
        if let Some(times) = &mut faults[index].times {
            *times -= 1;
            if *times == 0 {
                faults.remove(index);
            }
        }
        Some(kind)
    }
}
