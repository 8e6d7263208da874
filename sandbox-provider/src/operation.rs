//! What merchants may ask for, done in one transaction with its webhook and its kept answer.

use chassis::{Env, StoreError};
use jiff::Timestamp;
use rusqlite::Connection;
use serde::Deserialize;

use crate::{
    authorization::{Authorization, Refund, Refusal, Status},
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
    Capture { id: String, amount_minor: Option<i64> },
    Void { id: String },
    Refund { id: String, refund: RefundRequest },
}

/// A request with everything that is minted outside the transaction.
pub(crate) struct Call {
    pub(crate) order: Order,
    pub(crate) key: Option<Key>,
    /// For the authorization or the refund that is made.
    pub(crate) new_id: String,
    pub(crate) event_id: String,
    pub(crate) now: Timestamp,
    /// Ordered by a fault; otherwise the token decides.
    pub(crate) answer: Option<AnswerManner>,
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
        Order::Capture { id, amount_minor } => change(transaction, config, call, id, |authorization| {
            authorization.capture(*amount_minor)?;
            Ok(event_type(authorization.status))
        })?,
        Order::Void { id } => change(transaction, config, call, id, |authorization| {
            authorization.void()?;
            Ok("authorization.voided")
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
    let well_formed = request.currency.len() == 3 && request.currency.bytes().all(|byte| byte.is_ascii_uppercase());
    if request.amount_minor < 1 || !well_formed || request.reference.is_empty() || request.reference.len() > 200 {
        let message = "amount_minor must be at least 1, currency an ISO 4217 code, reference 1 to 200 characters";
        return Ok(refused(error_reply(400, "invalid_request", message)));
    }
    if behaviour.decision == Decision::FailOnce && store::stumble(transaction, &request.reference)? {
        return Ok(refused(error_reply(500, "internal_error", "something went wrong here")));
    }
    let (status, decline_code) = match behaviour.decision {
        Decision::Approve | Decision::FailOnce => (Status::Authorized, None),
        Decision::Decline(code) => (Status::Declined, Some(code.to_owned())),
        Decision::ApproveLater | Decision::DeclineLater => (Status::Pending, None),
    };
    let mut authorization = Authorization {
        id: call.new_id.clone(),
        reference: request.reference.clone(),
        status,
        currency: request.currency.clone(),
        amount_minor: request.amount_minor,
        captured_minor: 0,
        refunded_minor: 0,
        decline_code,
        created_at: call.now,
        refunds: Vec::new(),
        method_token: request.method_token.clone(),
    };
    if request.capture && status == Status::Authorized {
        // An authorization that was just made can always be captured.
        let _ = authorization.capture(None);
    }
    let decide_at =
        (status == Status::Pending).then(|| later(call.now, std::time::Duration::from_millis(config.pending_ms)));
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
    store::update(transaction, &authorization)?;
    let answer = call.answer.unwrap_or_default();
    let mut announced = false;
    if let Some(behaviour) = token::behaviour(&authorization.method_token) {
        let occurrence =
            Occurrence { id: call.event_id.clone(), event_type, first: false, answer: Some(answer), now: call.now };
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
    let refund = Refund {
        id: call.new_id.clone(),
        reference: request.reference.clone(),
        amount_minor: request.amount_minor,
        created_at: call.now,
    };
    let made = refund.clone();
    let done = change(transaction, config, call, id, |authorization| {
        authorization.refund(refund)?;
        Ok("refund.succeeded")
    })?;
    if done.reply.status == 200 {
        store::insert_refund(transaction, id, &made)?;
    }
    Ok(done)
}
