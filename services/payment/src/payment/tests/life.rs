//! The rest of a payment's life: other methods, buyers who have to act, captures in parts, money that moves
//! without us.

use contracts::{
    Event as _,
    payment::{PaymentAction, PaymentEvent},
};

use super::{
    model::{abort, decide, deposit, give, money, reverse, take},
    world::{AMOUNT, Luck, World},
};
use crate::{
    payment::{CaptureMethod, Command, Job, OperationKind, OperationState, PaymentState, Refused, Reply},
    provider::{Outcome, ProviderStatus, Snapshot},
};

fn held(capture: CaptureMethod) -> World {
    let mut world = World::paying_with("tok", capture);
    world.settle();
    world.handle(Command::Confirm).unwrap();
    world
}

fn capture(amount: i64) -> Command {
    Command::Capture { amount_minor: Some(amount) }
}

#[test]
fn another_method_is_tried_until_none_is_left() {
    let mut world = World::paying_with("tok_soft", CaptureMethod::Automatic);
    world.settle();
    for left in [2, 1] {
        assert_eq!(world.payment.state, PaymentState::RequiresMethod);
        let Some(PaymentEvent::MethodRequired(event)) = world.events.last() else { panic!("{:?}", world.names()) };
        assert_eq!((event.reason.as_str(), event.attempts_left), ("insufficient_funds", left));
        world.give("tok_soft");
        // Nobody asked for a second one.
        world.give("tok");
        world.settle();
    }
    assert_eq!(world.payment.state, PaymentState::Declined);
    assert_eq!(world.names(), ["payment.method_required", "payment.method_required", "payment.declined"]);
    let references: Vec<_> = world.provider.authorizations.keys().cloned().collect();
    let id = world.payment.id;
    assert_eq!(references, [id.to_string(), format!("{id}-2"), format!("{id}-3")]);
    assert!(world.payment.operations.iter().all(|attempt| attempt.method_token.is_none()));
}

#[test]
fn a_second_method_that_works_pays() {
    let mut world = World::paying_with("tok_soft", CaptureMethod::Automatic);
    world.settle();
    world.give("tok");
    assert_eq!(world.payment.operations[1].method_token.as_deref(), Some("tok"));
    // What was true of the first attempt is not true of the second.
    world.webhook(0);
    world.settle();
    world.handle(Command::Confirm).unwrap();
    world.settle();
    assert_eq!(world.payment.state, PaymentState::Succeeded);
    assert_eq!(world.names(), ["payment.method_required", "payment.authorized", "payment.captured"]);
}

#[test]
fn an_earlier_attempt_that_holds_money_after_all_is_let_go() {
    let mut world = World::paying_with("tok_soft", CaptureMethod::Automatic);
    world.settle();
    let first = world.payment.operations[0].reference.clone();
    world.provider.happen(|now| {
        now.status = ProviderStatus::Authorized;
        true
    });
    world.give("tok_va");
    world.work(0, Luck::Fine);
    world.webhook(1);
    world.settle();
    assert_eq!(world.provider.authorizations[&first].status, ProviderStatus::Voided);
    assert_eq!(world.payment.state, PaymentState::AwaitingDeposit);
}

#[test]
fn a_method_that_comes_too_late_is_not_tried() {
    let mut world = World::paying_with("tok_soft", CaptureMethod::Automatic);
    world.settle();
    world.now = world.payment.pay_by;
    world.give("tok");
    world.handle(Command::End { expired: true }).unwrap();
    world.settle();
    assert_eq!((world.payment.state, world.payment.operations.len()), (PaymentState::Expired, 1));
}

#[test]
fn webhook_and_query_agree_on_what_the_buyer_did() {
    for by_webhook in [true, false] {
        let mut world = World::paying_with("tok_3ds", CaptureMethod::Automatic);
        world.settle();
        assert_eq!(world.payment.state, PaymentState::RequiresAction);
        assert!(matches!(world.payment.action, Some(PaymentAction::Redirect { .. })));
        assert!(world.provider.happen(|now| decide(now, true)));
        if by_webhook {
            world.newest_webhook();
            world.webhook(0);
        }
        world.settle();
        assert_eq!((world.payment.state, &world.payment.action), (PaymentState::RequiresCapture, &None));
        assert_eq!(world.names(), ["payment.action_required", "payment.authorized"]);
    }
}

#[test]
fn a_buyer_who_cannot_prove_it_may_pay_otherwise() {
    let mut world = World::paying_with("tok_3ds", CaptureMethod::Automatic);
    world.settle();
    world.provider.happen(|now| decide(now, false));
    world.settle();
    assert_eq!(world.payment.state, PaymentState::RequiresMethod);
    world.give("tok");
    world.settle();
    assert_eq!(world.names(), ["payment.action_required", "payment.method_required", "payment.authorized"]);
}

#[test]
fn what_nobody_paid_in_time_expires_and_is_closed_at_the_provider() {
    for token in ["tok_3ds", "tok_va"] {
        let mut world = World::paying_with(token, CaptureMethod::Automatic);
        world.settle();
        world.handle(Command::End { expired: true }).unwrap();
        assert_eq!((world.payment.state, &world.payment.action), (PaymentState::Expired, &None));
        world.settle();
        let status = world.provider.authorizations.values().next().unwrap().status;
        assert_eq!((world.payment.state, status), (PaymentState::Expired, ProviderStatus::Voided), "{token}");
    }
}

#[test]
fn a_transfer_pays_at_once_and_may_be_taken_back() {
    let mut world = World::paying_with("tok_va", CaptureMethod::Automatic);
    world.settle();
    assert!(world.provider.happen(deposit));
    world.newest_webhook();
    world.handle(Command::Confirm).unwrap();
    assert_eq!((world.payment.state, world.payment.captured_minor), (PaymentState::Succeeded, AMOUNT));
    assert!(world.provider.happen(reverse));
    world.newest_webhook();
    // Not believed before the provider was asked.
    assert_eq!(world.payment.state, PaymentState::Succeeded);
    world.settle();
    assert_eq!((world.payment.state, world.payment.captured_minor), (PaymentState::AwaitingDeposit, 0));
    assert!(matches!(world.payment.action, Some(PaymentAction::Deposit { .. })));
    // The old news of the first transfer changes nothing; a second transfer does.
    world.webhook(1);
    world.settle();
    assert_eq!(world.payment.state, PaymentState::AwaitingDeposit);
    assert!(world.provider.happen(deposit));
    world.settle();
    assert_eq!((world.payment.state, world.payment.captured_minor), (PaymentState::Succeeded, AMOUNT));
    let paid = ["payment.authorized", "payment.captured"];
    assert_eq!(world.names(), [&["payment.action_required"], &paid[..], &["payment.reversed"], &paid[..]].concat());
}

#[test]
fn a_transfer_after_the_end_goes_back() {
    let mut world = World::paying_with("tok_va", CaptureMethod::Automatic);
    world.settle();
    world.handle(Command::End { expired: true }).unwrap();
    assert!(world.provider.happen(deposit));
    world.settle();
    assert_eq!((world.payment.captured_minor, world.payment.refunded_minor), (AMOUNT, AMOUNT));
}

#[test]
fn a_false_abort_is_not_believed_and_a_true_one_is() {
    for truly in [true, false] {
        let mut world = World::new();
        world.settle();
        let aborted = |now: &Snapshot| {
            let mut aborted = now.clone();
            abort(&mut aborted);
            Snapshot { sequence: aborted.sequence + 1, ..aborted }
        };
        let told = aborted(&world.provider.history[0]);
        if truly {
            world.provider.happen(abort);
        }
        world.handle(Command::Notice(told)).unwrap();
        assert_eq!(world.payment.state, PaymentState::RequiresCapture);
        assert!(matches!(world.jobs[0].job, Job::Look { .. }));
        world.settle();
        let (state, said) = if truly {
            (PaymentState::Canceled, vec!["payment.authorized", "payment.voided"])
        } else {
            (PaymentState::RequiresCapture, vec!["payment.authorized"])
        };
        assert_eq!((world.payment.state, world.names()), (state, said));
    }
}

#[test]
fn staff_captures_in_parts_and_lets_the_rest_go() {
    let mut world = held(CaptureMethod::Manual);
    world.settle();
    assert_eq!(world.payment.captured_minor, 0);
    world.handle(capture(4_000)).unwrap();
    world.handle(capture(3_000)).unwrap();
    assert_eq!(world.handle(capture(3_001)), Err(Refused::ExceedsAuthorized(3_000)));
    world.settle();
    assert_eq!((world.payment.state, world.payment.captured_minor), (PaymentState::PartiallyCaptured, 7_000));
    world.handle(Command::Void).unwrap();
    world.handle(Command::Void).unwrap();
    assert_eq!(world.handle(capture(1)), Err(Refused::NotHeld(PaymentState::PartiallyCaptured)));
    world.settle();
    assert_eq!((world.payment.state, world.payment.captured_minor), (PaymentState::Closed, 7_000));
    assert_eq!(world.handle(Command::Void), Err(Refused::NotHeld(PaymentState::Closed)));
    assert_eq!(world.names(), ["payment.authorized", "payment.captured", "payment.captured"]);
}

#[test]
fn captures_whose_answers_are_lost_are_told_apart() {
    let mut world = held(CaptureMethod::Manual);
    world.handle(capture(3_000)).unwrap();
    world.handle(capture(3_000)).unwrap();
    world.work(0, Luck::LostBefore);
    world.work(0, Luck::LostAfter);
    world.newest_webhook();
    let states: Vec<_> = world.payment.operations[1..].iter().map(|operation| operation.state).collect();
    assert_eq!(states, [OperationState::Unknown, OperationState::Succeeded]);
    world.settle();
    assert_eq!(world.payment.captured_minor, 6_000);
}

#[test]
fn a_refused_capture_is_said_once_and_lets_the_money_go() {
    let mut world = held(CaptureMethod::Automatic);
    world.work(0, Luck::Refused);
    world.settle();
    assert_eq!(world.payment.state, PaymentState::Canceled);
    assert_eq!(world.names(), ["payment.authorized", "payment.capture_failed", "payment.voided"]);
}

#[test]
fn a_refund_before_the_capture_waits_for_it() {
    let mut world = held(CaptureMethod::Manual);
    world.refund(1, 6_000);
    world.refund(2, 4_001);
    assert_eq!(world.names(), ["payment.authorized", "payment.refund_failed"], "more than can ever be captured");
    world.handle(capture(5_000)).unwrap();
    world.settle();
    assert_eq!(world.payment.refunded_minor, 0);
    world.handle(capture(5_000)).unwrap();
    world.settle();
    assert_eq!(world.payment.refunded_minor, 6_000);
}

#[test]
fn a_refund_that_waits_for_a_capture_is_dropped_with_it() {
    let mut world = held(CaptureMethod::Manual);
    world.refund(1, 6_000);
    world.handle(capture(5_000)).unwrap();
    world.settle();
    world.handle(Command::Void).unwrap();
    world.settle();
    assert_eq!((world.payment.state, world.payment.refunded_minor), (PaymentState::Closed, 0));
    assert_eq!(world.events.last().unwrap().event_type(), "payment.refund_failed");
}

#[test]
fn money_that_somebody_else_moved_is_in_the_books() {
    let mut world = held(CaptureMethod::Automatic);
    assert!(world.provider.happen(|now| take(now, money("console-1", 4_000))));
    world.settle();
    assert_eq!((world.payment.state, world.payment.captured_minor), (PaymentState::Succeeded, AMOUNT));
    world.refund(1, 7_000);
    assert!(world.provider.happen(|now| give(now, money("console-2", 5_000))));
    world.newest_webhook();
    world.newest_webhook();
    world.settle();
    assert_eq!(world.payment.refunded_minor, 5_000);
    let Some(PaymentEvent::Refunded(refunded)) =
        world.events.iter().rev().find(|event| event.event_type() == "payment.refunded")
    else {
        panic!("{:?}", world.names())
    };
    assert_eq!((refunded.refund_id, refunded.amount.amount_minor), (None, 5_000));
    assert_eq!(world.names()[3..], ["payment.refunded", "payment.refund_failed"], "ours does not fit any more");
    world.refund(2, 5_000);
    world.end();
    world.settle();
    assert_eq!(world.payment.refunded_minor, AMOUNT);
}

/// The process is killed after an inquiry was recorded and before its job was crossed off.
#[test]
fn an_inquiry_that_is_repeated_changes_nothing() {
    let mut world = World::new();
    world.work(0, Luck::LostBefore);
    world.work(0, Luck::Repeated);
    assert_eq!(world.payment.state, PaymentState::RequiresConfirmation);
    let Job::Inquire { operation_id, inquiry, .. } = world.jobs[1].job else { panic!("{:?}", world.jobs) };
    assert_eq!(world.payment.inquiry(operation_id, inquiry), None);
    // Even if it was on its way already.
    world.handle(Command::Learn(operation_id, Ok(None))).unwrap();
    world.settle();
    assert_eq!(world.payment.state, PaymentState::RequiresCapture);
    let captures = world.payment.operations.iter().filter(|operation| operation.kind == OperationKind::Authorize);
    assert_eq!(captures.count(), 1);
}

/// The provider is asked while the call is still on its way to it.
#[test]
fn an_inquiry_may_overtake_the_call_that_it_is_about() {
    let mut world = World::new();
    let operation = world.payment.operations[0].id;
    assert!(matches!(world.handle(Command::Begin(operation)), Ok(Reply::Send(_))));
    world.handle(Command::Learn(operation, Ok(None))).unwrap();
    world.handle(Command::Answer(operation, Outcome::Unknown("lost".to_owned()))).unwrap();
    assert_eq!(world.payment.state, PaymentState::Unknown);
    world.handle(Command::Learn(operation, Ok(None))).unwrap();
    world.settle();
    assert_eq!(world.payment.state, PaymentState::RequiresCapture);
}

/// DONE and the answer to the call are lost, and the ABORTED that follows is not true.
#[test]
fn a_false_refusal_that_comes_before_the_answer_leaves_no_money_held() {
    for later in [0, 1] {
        let mut world = World::new();
        let operation = world.payment.operations[0].id;
        let Ok(Reply::Send(call)) = world.handle(Command::Begin(operation)) else { panic!("{:?}", world.payment) };
        world.provider.perform(&call);
        let mut told = world.provider.history[0].clone();
        abort(&mut told);
        told.sequence += later;
        world.handle(Command::Notice(told)).unwrap();
        assert_eq!(world.payment.state, PaymentState::Declined);
        world.handle(Command::Answer(operation, Outcome::Unknown("lost".to_owned()))).unwrap();
        world.end();
        world.settle();
        let held = world.provider.authorizations.values().next().unwrap();
        assert_eq!((held.status, world.payment.state), (ProviderStatus::Voided, PaymentState::Canceled));
    }
}

/// The same, but true: what was said before it, and is heard after it, is not believed.
#[test]
fn a_refusal_is_not_undone_by_older_news() {
    let mut world = World::new();
    let operation = world.payment.operations[0].id;
    let Ok(Reply::Send(call)) = world.handle(Command::Begin(operation)) else { panic!("{:?}", world.payment) };
    world.provider.perform(&call);
    world.provider.happen(abort);
    world.newest_webhook();
    world.webhook(0);
    world.settle();
    assert_eq!((world.payment.state, world.names()), (PaymentState::Declined, vec!["payment.declined"]));
}
