//! Every order of answers, losses, crashes, webhooks, and of what buyers, staff and banks do.

use std::collections::BTreeSet;

use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};

use super::{
    model::{abort, decide, deposit, give, given, money, reverse, take},
    world::{AMOUNT, Luck, World},
};
use crate::{
    payment::{CaptureMethod, Command, OperationKind, OperationState, PaymentState, Refused},
    provider::ProviderStatus,
};

#[derive(Debug, Clone)]
enum Step {
    Confirm,
    End { expired: bool },
    Give(&'static str),
    Refund(i64),
    Capture(i64),
    Void,
    Work(usize, Luck),
    Webhook(usize),
    Buyer { approves: bool },
    Deposit,
    Reverse,
    Abort,
    ConsoleCapture(i64),
    ConsoleRefund(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let luck = prop_oneof![
        5 => Just(Luck::Fine),
        1 => Just(Luck::LostBefore),
        2 => Just(Luck::LostAfter),
        1 => Just(Luck::Unreachable),
        1 => Just(Luck::Refused),
        1 => Just(Luck::CrashBefore),
        1 => Just(Luck::CrashAfter),
        1 => Just(Luck::Repeated),
    ];
    prop_oneof![
        4 => Just(Step::Confirm),
        1 => any::<bool>().prop_map(|expired| Step::End { expired }),
        3 => token().prop_map(Step::Give),
        3 => (1..=AMOUNT).prop_map(Step::Refund),
        3 => (1..=AMOUNT).prop_map(Step::Capture),
        1 => Just(Step::Void),
        20 => (0..8_usize, luck).prop_map(|(index, luck)| Step::Work(index, luck)),
        6 => (0..12_usize).prop_map(Step::Webhook),
        3 => any::<bool>().prop_map(|approves| Step::Buyer { approves }),
        3 => Just(Step::Deposit),
        2 => Just(Step::Reverse),
        1 => Just(Step::Abort),
        1 => (1..=AMOUNT).prop_map(Step::ConsoleCapture),
        1 => (1..=AMOUNT).prop_map(Step::ConsoleRefund),
    ]
}

fn token() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["tok", "tok", "tok_hard", "tok_soft", "tok_soft", "tok_3ds", "tok_va"])
}

fn take_step(world: &mut World, number: usize, step: Step) {
    let name = format!("console-{number}");
    match step {
        // Orders are confirmed when they hear that the money is held.
        Step::Confirm if !world.names().contains(&"payment.authorized") => {}
        Step::Confirm => {
            world.handle(Command::Confirm).unwrap();
        }
        Step::End { expired } => {
            world.handle(Command::End { expired }).unwrap();
        }
        Step::Give(token) => world.give(token),
        Step::Refund(amount) => world.refund(number as u128, amount),
        Step::Capture(amount) => staff(world, Command::Capture { amount_minor: Some(amount) }),
        Step::Void => staff(world, Command::Void),
        Step::Work(index, luck) => world.work(index, luck),
        Step::Webhook(index) => world.webhook(index),
        Step::Buyer { approves } => told(world, |provider| provider.happen(|now| decide(now, approves))),
        Step::Deposit => told(world, |provider| provider.happen(deposit)),
        Step::Reverse => told(world, |provider| provider.happen(reverse)),
        Step::Abort => told(world, |provider| provider.happen(abort)),
        Step::ConsoleCapture(amount) => told(world, |provider| provider.happen(|now| take(now, money(&name, amount)))),
        Step::ConsoleRefund(amount) => told(world, |provider| provider.happen(|now| give(now, money(&name, amount)))),
    }
}

fn staff(world: &mut World, command: Command) {
    let outcome = world.handle(command);
    assert!(matches!(outcome, Ok(_) | Err(Refused::NotHeld(_) | Refused::ExceedsAuthorized(_))), "{outcome:?}");
}

/// What happens without us is told sooner or later: here when the webhook steps pick it, or at the end.
fn told(world: &mut World, happen: impl FnOnce(&mut super::model::ModelProvider) -> bool) {
    happen(&mut world.provider);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens in whatever order: one authorization, never too much taken or given back, books
    /// that balance (checked after every command); and once the provider answers, the payment settles, the
    /// record and the provider agree, and nothing is kept for an order that ended.
    #[test]
    fn record_and_provider_converge(
        first in token(),
        manual in any::<bool>(),
        steps in prop::collection::vec(step(), 0..60),
        ends in any::<bool>(),
    ) {
        let method = if manual { CaptureMethod::Manual } else { CaptureMethod::Automatic };
        let mut world = World::paying_with(first, method);
        for (number, step) in steps.into_iter().enumerate() {
            take_step(&mut world, number, step);
        }
        // The last of everything is told at last.
        world.newest_webhook();
        world.settle();
        // The buyer acts at last, or the order ends.
        for _ in 0..4 {
            if ends {
                world.end();
            }
            world.provider.happen(|now| decide(now, true) || deposit(now));
            world.give("tok");
            world.newest_webhook();
            world.settle();
        }
        agrees(&world, ends)?;
    }
}

/// Histories that never get anywhere prove nothing.
#[test]
fn the_histories_reach_every_state() {
    let mut runner = TestRunner::deterministic();
    let history = (token(), any::<bool>(), prop::collection::vec(step(), 0..60));
    let mut reached = BTreeSet::new();
    for _ in 0..1_000 {
        let (first, manual, steps) = history.new_tree(&mut runner).unwrap().current();
        let method = if manual { CaptureMethod::Manual } else { CaptureMethod::Automatic };
        let mut world = World::paying_with(first, method);
        for (number, step) in steps.into_iter().enumerate() {
            take_step(&mut world, number, step);
            reached.insert(world.payment.state);
        }
    }
    // A provider that keeps its word never needs a person.
    let expected: BTreeSet<_> =
        PaymentState::ALL.into_iter().filter(|state| *state != PaymentState::Conflicted).collect();
    assert_eq!(reached, expected);
}

fn agrees(world: &World, ended: bool) -> Result<(), TestCaseError> {
    let payment = &world.payment;
    prop_assert!(payment.operations.iter().all(|operation| !operation.in_flight()), "{:?}", payment);
    prop_assert!(payment.state != PaymentState::Conflicted, "{:?} {:#?}", payment, world.provider.history);
    prop_assert!(!world.waits_for_buyer(), "{:?}", payment);
    let captured: i64 = world.provider.authorizations.values().map(|now| now.captured_minor).sum();
    let back: i64 = world.provider.authorizations.values().map(given).sum();
    prop_assert_eq!((payment.captured_minor, payment.refunded_minor), (captured, back), "{:?}", payment);
    let refund_refused = payment.operations.iter().any(|operation| {
        operation.kind == OperationKind::Refund && operation.refund_id.is_none() && operation.was_refused()
    });
    if ended || world.is_ended() {
        for now in world.provider.authorizations.values() {
            prop_assert!(!now.status.can_be_voided(), "held {:?} for {:?}", now, payment);
            let kept = now.captured_minor - given(now);
            prop_assert!(kept == 0 || refund_refused, "kept {} of {:?} for {:?}", kept, now, payment);
        }
        let waiting = payment.operations.iter().any(|operation| operation.state == OperationState::Waiting);
        prop_assert!(!waiting, "{:?}", payment);
    }
    for now in world.provider.authorizations.values() {
        let undecided = [ProviderStatus::Pending, ProviderStatus::RequiresAction, ProviderStatus::AwaitingDeposit];
        prop_assert!(!undecided.contains(&now.status), "{:?} for {:?}", now, payment);
    }
    Ok(())
}
