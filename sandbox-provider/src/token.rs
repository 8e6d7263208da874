//! Payment method tokens: each names a way the provider behaves.

/// How webhooks about an authorization travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WebhookManner {
    /// Once, at once.
    #[default]
    Prompt,
    /// Not at all.
    Never,
    /// The same event two times.
    Twice,
    /// After a long pause.
    Late,
    /// The first event after the second.
    OutOfOrder,
    /// The first event is followed by one that says that the authorization was broken off, which is not true.
    FalseAbort,
}

/// How an answer travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AnswerManner {
    /// At once.
    #[default]
    Prompt,
    /// After a pause that a patient client waits for.
    Slow,
    /// After the client has given up. The work is done.
    Never,
}

/// What a token makes of an authorization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The money is held.
    Approve,
    /// Refused with this code.
    Decline(&'static str),
    /// Approved later.
    ApproveLater,
    /// Refused later.
    DeclineLater,
    /// Held, and broken off a moment later.
    ApproveThenAbort,
    /// The first request gets a 500 and nothing is done; the next is approved.
    FailOnce,
    /// The buyer has to prove who pays.
    Challenge,
    /// The buyer has to transfer the money.
    AwaitDeposit,
}

/// A token's behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behaviour {
    /// What is decided.
    pub decision: Decision,
    /// How the answer to the authorization travels.
    pub answer: AnswerManner,
    /// How webhooks travel.
    pub webhooks: WebhookManner,
}

/// The behaviour of `token`; `None` if there is no such token.
pub fn behaviour(token: &str) -> Option<Behaviour> {
    let base = Behaviour { decision: Decision::Approve, answer: AnswerManner::Prompt, webhooks: WebhookManner::Prompt };
    let decided = |decision| Some(Behaviour { decision, ..base });
    let announced = |webhooks| Some(Behaviour { webhooks, ..base });
    match token {
        "tok_approve" => Some(base),
        "tok_decline" => decided(Decision::Decline("card_declined")),
        "tok_fraud" => decided(Decision::Decline("fraud")),
        "tok_insufficient_funds" => decided(Decision::Decline("insufficient_funds")),
        "tok_expired_card" => decided(Decision::Decline("expired_card")),
        "tok_3ds" => decided(Decision::Challenge),
        "tok_virtual_account" => decided(Decision::AwaitDeposit),
        "tok_abort" => decided(Decision::ApproveThenAbort),
        "tok_error" => decided(Decision::FailOnce),
        "tok_pending" => decided(Decision::ApproveLater),
        "tok_pending_decline" => decided(Decision::DeclineLater),
        "tok_slow" => Some(Behaviour { answer: AnswerManner::Slow, ..base }),
        "tok_timeout" => Some(Behaviour { answer: AnswerManner::Never, ..base }),
        "tok_no_webhook" => announced(WebhookManner::Never),
        "tok_webhook_twice" => announced(WebhookManner::Twice),
        "tok_webhook_late" => announced(WebhookManner::Late),
        "tok_webhook_out_of_order" => announced(WebhookManner::OutOfOrder),
        "tok_webhook_false_abort" => announced(WebhookManner::FalseAbort),
        _ => None,
    }
}
