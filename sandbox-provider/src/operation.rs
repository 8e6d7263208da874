//! What merchants may ask for, done in one transaction with its webhook and its kept answer.

use std::time::Duration;

use chassis::{Env, StoreError};
use jiff::Timestamp;
use rusqlite::Connection;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::{
    authorization::{Authorization, Deposit, Movement, Refusal, Status},
    config::SandboxConfig,
    store::{self, Key, Reply},
    token::{self, AnswerManner, Decision},
    webhook::queue::{self, Occurrence, later},
};

/// `POST /v1/authorizations`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Authorize {
    pub(crate) amount_minor: i64,
    pub(crate) currency: String,
    pub(crate) method_token: String,
    pub(crate) reference: String,
    #[serde(default)]
    pub(crate) capture: bool,
    /// Where the buyer's browser goes after the page at `action_url`.
    #[serde(default)]
    pub(crate) return_url: Option<String>,
    /// How long an account waits for its transfer.
    #[serde(default)]
    pub(crate) deposit_due_at: Option<Timestamp>,
}

/// `POST /v1/authorizations/{id}/refunds`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefundRequest {
    pub(crate) amount_minor: i64,
    pub(crate) reference: String,
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    Authorize(Authorize),
    Capture {
        id: String,
        amount_minor: Option<i64>,
        reference: Option<String>,
    },
    Void {
        id: String,
    },
    Refund {
        id: String,
        refund: RefundRequest,
    },
    /// What the buyer chose on the page.
    Decide {
        id: String,
        approved: bool,
    },
    /// The buyer's transfer arrives.
    Deposit {
        id: String,
    },
    /// It is taken back.
    ReverseDeposit {
        id: String,
    },
}

/// A request with everything that is minted outside the transaction.
pub(crate) struct Call {
    pub(crate) order: Order,
    pub(crate) key: Option<Key>,
    /// For what is made.
    pub(crate) new_id: String,
    pub(crate) event_id: String,
    pub(crate) now: Timestamp,
    /// Ordered by a fault; otherwise the token decides.
    pub(crate) answer: Option<AnswerManner>,
    /// False if the merchant did not ask for this: then it is told in any case.
    pub(crate) asked: bool,
}

/// How a call ended.
pub(crate) struct Done {
    pub(crate) reply: Reply,
    pub(crate) answer: AnswerManner,
    pub(crate) replayed: bool,
    /// Something new is to be sent or decided.
    pub(crate) announced: bool,
}

/// Mints `prefix_…`.
pub(crate) fn mint(env: &Env, prefix: &str) -> String {
    format!("{prefix}_{}", env.new_id::<uuid::Uuid>().simple())
}

/// An error answer.
pub(crate) fn error_reply(status: u16, code: &str, message: &str) -> Reply {
    let body = serde_json::json!({"error": {"code": code, "message": message}});
    Reply { status, body: body.to_string().into_bytes() }
}

/// The webhook that tells of reaching `status`.
pub(crate) fn event_type(status: Status) -> &'static str {
    match status {
        Status::Pending => "authorization.pending",
        Status::RequiresAction => "authorization.requires_action",
        Status::AwaitingDeposit => "authorization.awaiting_deposit",
        Status::Authorized => "authorization.authorized",
        Status::PartiallyCaptured | Status::Captured => "authorization.captured",
        Status::Voided => "authorization.voided",
        Status::Declined => "authorization.declined",
    }
}

/// Does `call`, or finds the answer that was given to it before.
pub(crate) fn perform(transaction: &Connection, config: &SandboxConfig, call: &Call) -> Result<Done, StoreError> {
    if let Some(key) = &call.key
        && let Some((reply, same)) = store::find_reply(transaction, key)?
    {
        let reply = if same {
            reply
        } else {
            error_reply(422, "idempotency_key_reused", "this Idempotency-Key was used with another request")
        };
        return Ok(Done { reply, answer: AnswerManner::Prompt, replayed: same, announced: false });
    }
    let done = match &call.order {
        Order::Authorize(request) => authorize(transaction, config, call, request)?,
        Order::Capture { id, amount_minor, reference } => change(transaction, config, call, id, |authorization| {
            authorization.capture(*amount_minor, call.new_id.clone(), reference.clone(), call.now)?;
            Ok(event_type(authorization.status))
        })?,
        Order::Void { id } => change(transaction, config, call, id, |authorization| {
            authorization.void()?;
            Ok("authorization.voided")
        })?,
        Order::Decide { id, approved } => change(transaction, config, call, id, |authorization| {
            authorization.decide(*approved)?;
            Ok(event_type(authorization.status))
        })?,
        Order::Deposit { id } => change(transaction, config, call, id, |authorization| {
            authorization.deposit(call.new_id.clone(), call.now)?;
            Ok(event_type(authorization.status))
        })?,
        Order::ReverseDeposit { id } => change(transaction, config, call, id, |authorization| {
            authorization.reverse_deposit()?;
            Ok(event_type(authorization.status))
        })?,
        Order::Refund { id, refund } => refund_part(transaction, config, call, id, refund)?,
    };
    let keep = done.reply.status < 500;
    if let (Some(key), true) = (&call.key, keep) {
        store::keep_reply(transaction, key, &done.reply, call.now)?;
    }
    Ok(done)
}

fn refused(reply: Reply) -> Done {
    Done { reply, answer: AnswerManner::Prompt, replayed: false, announced: false }
}

fn authorize(
    transaction: &Connection,
    config: &SandboxConfig,
    call: &Call,
    request: &Authorize,
) -> Result<Done, StoreError> {
    let Some(behaviour) = token::behaviour(&request.method_token) else {
        return Ok(refused(error_reply(400, "unknown_method_token", "there is no such method_token")));
    };
    if let Some(message) = malformed(request) {
        return Ok(refused(error_reply(400, "invalid_request", message)));
    }
    if behaviour.decision == Decision::FailOnce && store::stumble(transaction, &request.reference)? {
        return Ok(refused(error_reply(500, "internal_error", "something went wrong here")));
    }
    let (authorization, decide_at) = decided(config, call, request, behaviour.decision);
    store::insert(transaction, &authorization, decide_at)?;
    let answer = call.answer.unwrap_or(behaviour.answer);
    let occurrence = Occurrence {
        id: call.event_id.clone(),
        event_type: event_type(authorization.status),
        first: true,
        answer: Some(answer),
        now: call.now,
    };
    let announced = queue::announce(transaction, config, &authorization, behaviour, &occurrence)?;
    let reply = Reply { status: 201, body: serde_json::to_vec(&authorization)? };
    Ok(Done { reply, answer, replayed: false, announced: announced || decide_at.is_some() })
}

/// What is wrong with the request, if anything is.
fn malformed(request: &Authorize) -> Option<&'static str> {
    let currency = request.currency.len() == 3 && request.currency.bytes().all(|byte| byte.is_ascii_uppercase());
    let reference = (1..=200).contains(&request.reference.len());
    let return_url = request.return_url.as_ref().is_none_or(|text| {
        text.len() <= 2_000 && url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
    });
    if request.amount_minor < 1 || !currency || !reference {
        Some("amount_minor must be at least 1, currency an ISO 4217 code, reference 1 to 200 characters")
    } else if return_url {
        None
    } else {
        Some("return_url must be an http or https address of at most 2000 characters")
    }
}

/// The authorization that `decision` makes of the request, and when more is to be decided about it.
fn decided(
    config: &SandboxConfig,
    call: &Call,
    request: &Authorize,
    decision: Decision,
) -> (Authorization, Option<Timestamp>) {
    let soon = |after_ms| Some(later(call.now, Duration::from_millis(after_ms)));
    let mut authorization = Authorization {
        id: call.new_id.clone(),
        reference: request.reference.clone(),
        status: Status::Authorized,
        currency: request.currency.clone(),
        amount_minor: request.amount_minor,
        captured_minor: 0,
        refunded_minor: 0,
        decline_code: None,
        decline_retryable: None,
        action_url: None,
        deposit: None,
        sequence: 1,
        created_at: call.now,
        updated_at: call.now,
        captures: Vec::new(),
        refunds: Vec::new(),
        return_url: request.return_url.clone(),
        method_token: request.method_token.clone(),
    };
    let mut decide_at = None;
    match decision {
        Decision::Approve | Decision::FailOnce => {}
        Decision::Decline(code) => authorization.decline(code),
        Decision::ApproveLater | Decision::DeclineLater => {
            authorization.status = Status::Pending;
            decide_at = soon(config.pending_ms);
        }
        Decision::ApproveThenAbort => decide_at = soon(config.abort_ms),
        Decision::Challenge => {
            authorization.status = Status::RequiresAction;
            authorization.action_url = Some(config.page(&call.new_id));
        }
        Decision::AwaitDeposit => {
            authorization.status = Status::AwaitingDeposit;
            let due_at = later(call.now, Duration::from_millis(config.deposit_due_ms));
            authorization.deposit = Some(account(&call.new_id, request.deposit_due_at.unwrap_or(due_at)));
        }
    }
    if request.capture && authorization.status == Status::Authorized {
        // An authorization that was just made can always be captured.
        let _ = authorization.capture(None, format!("{}_cap", call.new_id), None, call.now);
    }
    (authorization, decide_at)
}

/// An account of its own for the authorization; its number follows from the id.
fn account(authorization: &str, due_at: Timestamp) -> Deposit {
    let digest = Sha256::digest(authorization.as_bytes());
    let number = digest.iter().take(6).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    Deposit {
        bank: "샌드박스은행".to_owned(),
        account_number: format!("{:014}", number % 100_000_000_000_000),
        holder: "장터".to_owned(),
        due_at,
    }
}

fn change(
    transaction: &Connection,
    config: &SandboxConfig,
    call: &Call,
    id: &str,
    apply: impl FnOnce(&mut Authorization) -> Result<&'static str, Refusal>,
) -> Result<Done, StoreError> {
    let Some(mut authorization) = store::find(transaction, id)? else {
        return Ok(refused(error_reply(404, "not_found", "there is no such authorization")));
    };
    let event_type = match apply(&mut authorization) {
        Ok(event_type) => event_type,
        Err(refusal) => return Ok(refused(error_reply(409, refusal.code(), &refusal.to_string()))),
    };
    authorization.touch(call.now);
    store::update(transaction, &authorization)?;
    let answer = call.answer.unwrap_or_default();
    let mut announced = false;
    if let Some(behaviour) = token::behaviour(&authorization.method_token) {
        let answer = call.asked.then_some(answer);
        let occurrence = Occurrence { id: call.event_id.clone(), event_type, first: false, answer, now: call.now };
        announced = queue::announce(transaction, config, &authorization, behaviour, &occurrence)?;
    }
    let reply = Reply { status: 200, body: serde_json::to_vec(&authorization)? };
    Ok(Done { reply, answer, replayed: false, announced })
}

fn refund_part(
    transaction: &Connection,
    config: &SandboxConfig,
    call: &Call,
    id: &str,
    request: &RefundRequest,
) -> Result<Done, StoreError> {
    if request.reference.is_empty() || request.reference.len() > 200 {
        return Ok(refused(error_reply(400, "invalid_request", "reference must be 1 to 200 characters")));
    }
    change(transaction, config, call, id, |authorization| {
        authorization.refund(Movement {
            id: call.new_id.clone(),
            reference: request.reference.clone(),
            amount_minor: request.amount_minor,
            created_at: call.now,
        })?;
        Ok("refund.succeeded")
    })
}
