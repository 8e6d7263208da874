//! A provider in a few lines: what it holds, took and gave back, and every snapshot it ever had, so that old
//! news can be told again.

use std::collections::BTreeMap;

use contracts::payment::PaymentAction;
use jiff::Timestamp;

use crate::{
    payment::OperationKind,
    provider::{MoneySeen, Outcome, ProviderCall, ProviderStatus, Snapshot},
};

#[derive(Default)]
pub(super) struct ModelProvider {
    pub(super) authorizations: BTreeMap<String, Snapshot>,
    pub(super) history: Vec<Snapshot>,
    /// Operations that were done, and to which authorization.
    done: BTreeMap<String, String>,
}

impl ModelProvider {
    pub(super) fn perform(&mut self, call: &ProviderCall) -> Outcome {
        let key = call.operation_id.to_string();
        if let Some(reference) = self.done.get(&key) {
            return outcome(self.authorizations[reference].clone());
        }
        let mut now = match (call.kind, self.authorizations.get(&call.reference)) {
            (OperationKind::Authorize, None) => fresh(call),
            (OperationKind::Authorize, Some(_)) => panic!("two authorizations are called {}", call.reference),
            (_, Some(now)) => now.clone(),
            (_, None) => return refused(),
        };
        let (amount, seen) = (call.amount.amount_minor, money(&key, call.amount.amount_minor));
        let fits = match call.kind {
            OperationKind::Authorize => true,
            OperationKind::Capture => take(&mut now, seen),
            OperationKind::Refund => give(&mut now, seen),
            OperationKind::Void => {
                assert!(amount > 0);
                let partly = now.status == ProviderStatus::PartiallyCaptured;
                let open = now.status.can_be_voided();
                now.status = if partly { ProviderStatus::Captured } else { ProviderStatus::Voided };
                open
            }
        };
        if !fits {
            return refused();
        }
        self.done.insert(key, call.reference.clone());
        outcome(self.keep(now))
    }

    pub(super) fn query(&self, call: &ProviderCall) -> Option<Snapshot> {
        self.authorizations.get(&call.reference).cloned()
    }

    /// The newest authorization, changed by `act` if that answers `true`: by the buyer, the bank, or somebody
    /// at the provider's console.
    pub(super) fn happen(&mut self, act: impl FnOnce(&mut Snapshot) -> bool) -> bool {
        let Some(mut now) = self.authorizations.values().next_back().cloned() else { return false };
        let happened = act(&mut now);
        if happened {
            self.keep(now);
        }
        happened
    }

    fn keep(&mut self, mut now: Snapshot) -> Snapshot {
        now.sequence += 1;
        self.history.push(now.clone());
        self.authorizations.insert(now.reference.clone(), now.clone());
        now
    }
}

/// The buyer proves who pays, or does not.
pub(super) fn decide(now: &mut Snapshot, approved: bool) -> bool {
    let asked = now.status == ProviderStatus::RequiresAction;
    if asked && approved {
        now.status = ProviderStatus::Authorized;
    } else if asked {
        decline(now, "authentication_failed", true);
    }
    asked
}

/// The buyer's transfer arrives.
pub(super) fn deposit(now: &mut Snapshot) -> bool {
    let awaited = now.status == ProviderStatus::AwaitingDeposit;
    if awaited {
        now.status = ProviderStatus::Captured;
        now.captured_minor = now.amount.amount_minor;
        now.captures = vec![money("deposit", now.captured_minor)];
    }
    awaited
}

/// The bank takes the transfer back.
pub(super) fn reverse(now: &mut Snapshot) -> bool {
    let transferred = now.captures.iter().any(|capture| capture.reference == "deposit");
    let reversible = transferred && now.status == ProviderStatus::Captured && now.refunds.is_empty();
    if reversible {
        now.status = ProviderStatus::AwaitingDeposit;
        now.captured_minor = 0;
        now.captures.clear();
    }
    reversible
}

/// The provider breaks an authorization off.
pub(super) fn abort(now: &mut Snapshot) -> bool {
    let held = now.status == ProviderStatus::Authorized;
    if held {
        decline(now, "aborted", false);
    }
    held
}

/// Money is taken, if it fits.
pub(super) fn take(now: &mut Snapshot, seen: MoneySeen) -> bool {
    let held = matches!(now.status, ProviderStatus::Authorized | ProviderStatus::PartiallyCaptured);
    let total = now.captured_minor + seen.amount_minor;
    let fits = held && total <= now.amount.amount_minor;
    if fits {
        now.captured_minor = total;
        now.captures.push(seen);
        let all = total == now.amount.amount_minor;
        now.status = if all { ProviderStatus::Captured } else { ProviderStatus::PartiallyCaptured };
    }
    fits
}

/// Money goes back, if it fits.
pub(super) fn give(now: &mut Snapshot, seen: MoneySeen) -> bool {
    let fits = given(now) + seen.amount_minor <= now.captured_minor;
    if fits {
        now.refunds.push(seen);
    }
    fits
}

pub(super) fn given(now: &Snapshot) -> i64 {
    now.refunds.iter().map(|refund| refund.amount_minor).sum()
}

pub(super) fn money(reference: &str, amount_minor: i64) -> MoneySeen {
    MoneySeen { reference: reference.to_owned(), provider_ref: format!("at-{reference}"), amount_minor }
}

pub(super) fn refused() -> Outcome {
    Outcome::Declined { code: "refused".to_owned(), retryable: false, provider_ref: None }
}

fn decline(now: &mut Snapshot, code: &str, retryable: bool) {
    now.status = ProviderStatus::Declined;
    now.decline_code = Some(code.to_owned());
    now.decline_retryable = retryable;
}

fn fresh(call: &ProviderCall) -> Snapshot {
    let mut now = Snapshot {
        reference: call.reference.clone(),
        provider_ref: format!("auth-{}", call.reference),
        status: ProviderStatus::Authorized,
        sequence: 0,
        action: None,
        amount: call.amount,
        captured_minor: 0,
        captures: Vec::new(),
        refunds: Vec::new(),
        decline_code: None,
        decline_retryable: false,
    };
    match call.method_token.as_str() {
        "tok" => {}
        "tok_hard" => decline(&mut now, "card_declined", false),
        "tok_soft" => decline(&mut now, "insufficient_funds", true),
        "tok_3ds" => {
            now.status = ProviderStatus::RequiresAction;
            now.action = Some(PaymentAction::Redirect { url: "https://bank.example".to_owned() });
        }
        "tok_va" => {
            now.status = ProviderStatus::AwaitingDeposit;
            now.action = Some(PaymentAction::Deposit {
                bank: "bank".to_owned(),
                account_number: "1".to_owned(),
                holder: "shop".to_owned(),
                due_at: Timestamp::MAX,
            });
        }
        other => panic!("there is no token {other}"),
    }
    now
}

fn outcome(now: Snapshot) -> Outcome {
    match now.status {
        ProviderStatus::Pending | ProviderStatus::RequiresAction | ProviderStatus::AwaitingDeposit => {
            Outcome::Pending(now)
        }
        ProviderStatus::Declined => Outcome::Declined {
            code: now.decline_code.unwrap_or_default(),
            retryable: now.decline_retryable,
            provider_ref: Some(now.provider_ref),
        },
        _ => Outcome::Approved(now),
    }
}
