//! One run: a shop is set up, people use it while everything goes wrong, then it has to come to rest, and then it
//! is examined.

use std::{
    cell::RefCell,
    sync::{Arc, Once},
    time::Duration,
};

use futures::future::join_all;
use serde_json::json;

use crate::{
    check,
    client::{Ask, Identity},
    coverage::Counts,
    fault::Fault,
    plan::Plan,
    rng::Rng,
    services::PROVIDER_KEY,
    shop::{Shop, text},
    workload::Person,
    world::{Place, World},
};

/// A world that has not come to rest after so long never will.
const REST_WITHIN: Duration = Duration::from_secs(48 * 3600);
/// What was under way when the faults stopped is over after this.
const LULL: Duration = Duration::from_secs(120);
/// A clock can be wrong by so much.
const CLOCK_ERROR_MILLIS: u64 = 20_000;

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was run.
    pub plan: Plan,
    /// What does not hold; empty if all is well.
    pub wrongs: Vec<String>,
    /// Follows from every event: the same plan has the same.
    pub hash: u64,
    /// How many events there were.
    pub events: u64,
    /// How much time passed in the world.
    pub simulated: Duration,
    /// What was reached.
    pub counts: Counts,
    /// Every event, if the plan wants them.
    pub lines: Vec<String>,
}

thread_local! {
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Panics anywhere in a world are findings, wherever they are caught.
fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let known = PANICS.try_with(|panics| panics.borrow_mut().push(panic.to_string()));
            if known.is_err() {
                before(panic);
            }
        }));
    });
}

/// Runs `plan` on this thread.
pub fn run(plan: &Plan) -> Report {
    watch_panics();
    PANICS.with_borrow_mut(Vec::clear);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let mut report = match runtime {
        Ok(runtime) => runtime.block_on(live(plan.clone())),
        Err(error) => failed(plan, format!("there is no runtime: {error}")),
    };
    report.wrongs.extend(PANICS.take().into_iter().map(|panic| format!("something panicked: {panic}")));
    report.wrongs.sort();
    report.wrongs.dedup();
    report
}

fn failed(plan: &Plan, why: String) -> Report {
    Report {
        plan: plan.clone(),
        wrongs: vec![why],
        hash: 0,
        events: 0,
        simulated: Duration::ZERO,
        counts: Counts::new(),
        lines: Vec::new(),
    }
}

async fn live(plan: Plan) -> Report {
    let world = World::new(plan.clone());
    world.trace().mute(true);
    for place in Place::MORTAL {
        world.start(place);
    }
    world.settle_in().await;
    let wrongs = match Shop::set_up(&world).await {
        Ok(shop) => {
            storm(&shop).await;
            let mut wrongs = calm(&shop).await;
            world.trace().mute(true);
            wrongs.extend(check::wrongs(&shop).await);
            wrongs
        }
        Err(error) => vec![format!("the shop could not be set up: {error}")],
    };
    world.trace().mute(false);
    for wrong in &wrongs {
        world.log(format_args!("WRONG {wrong}"));
    }
    let (simulated, counts) = (world.elapsed(), world.coverage.counts());
    world.end();
    let mut trace = world.trace();
    Report { plan, wrongs, hash: trace.hash(), events: trace.events(), simulated, counts, lines: trace.take_lines() }
}

/// People use the shop, and everything goes wrong.
async fn storm(shop: &Arc<Shop>) {
    let world = &shop.world;
    let account = if world.plan.account { sign_up(world).await } else { None };
    world.trace().mute(false);
    world.log(format_args!("-- the storm begins"));
    world.faults.rage(true);
    for place in Place::MORTAL {
        if world.strikes(Fault::ClockSkew, &place.name()) {
            world.set_clock(place, clock_error(world, Fault::ClockSkew));
        }
    }
    for fault in [Fault::Crash, Fault::ClockStep, Fault::ProviderTrouble] {
        let shop = Arc::clone(shop);
        world.background(async move { trouble(&shop, fault).await });
    }
    let staff = world.plan.actions / 3;
    let each = (world.plan.actions - staff) / world.plan.shoppers.max(1);
    let mut people = vec![Person::new(shop, "staff", Some(shop.staff.clone())).live(staff)];
    for number in 0..world.plan.shoppers {
        let account = account.clone().filter(|_| number == 0);
        people.push(Person::new(shop, &format!("shopper-{number}"), account).live(each));
    }
    join_all(people).await;
    world.log(format_args!("-- the storm is over"));
    world.faults.rage(false);
}

/// Somebody with an account.
async fn sign_up(world: &Arc<World>) -> Option<Identity> {
    let (email, password) = ("sora@example.com", "correct horse battery staple");
    let account = json!({"email": email, "password": password, "name": "Sora"});
    world.ask(&Ask::post(&Identity::Stranger, "/v1/accounts", "sign-up-of-sora-1", account)).await;
    let session = Ask::post(&Identity::Stranger, "/v1/sessions", "", json!({"email": email, "password": password}));
    let session = world.ask(&Ask { key: None, ..session }).await;
    Some(Identity::Bearer(text(&session.done()?["access_token"])))
}

fn clock_error(world: &World, fault: Fault) -> i64 {
    let size = world.faults.size(fault, 0, 2 * CLOCK_ERROR_MILLIS);
    i64::try_from(size).unwrap_or(0) - i64::try_from(CLOCK_ERROR_MILLIS).unwrap_or(0)
}

/// What strikes at some moment rather than on some occasion.
async fn trouble(shop: &Arc<Shop>, fault: Fault) {
    let world = &shop.world;
    while world.faults.are_raging() {
        tokio::time::sleep(Duration::from_millis(100 + world.faults.size(fault, 0, 4_000))).await;
        if !world.faults.strikes(fault) {
            continue;
        }
        let at = usize::try_from(world.faults.size(fault, 0, Place::MORTAL.len() as u64 - 1)).unwrap_or(0);
        let place = Place::MORTAL[at];
        world.coverage.reached(fault.name());
        world.log(format_args!("** {}: {}", place.name(), fault.name()));
        match fault {
            Fault::Crash => world.crash(place),
            Fault::ClockStep => world.set_clock(place, clock_error(world, fault)),
            _ => order_trouble(world).await,
        }
    }
}

/// Tells the provider to misbehave a few times.
async fn order_trouble(world: &Arc<World>) {
    let mut rng = Rng::of(world.plan.seed ^ world.moment(), "provider trouble");
    let kinds = ["slow", "hang", "hang_before", "error_after", "error", "unavailable"];
    let operations = ["authorize", "capture", "void", "refund", "query"];
    let faults: Vec<_> = (0..rng.between(1, 3))
        .map(|_| {
            json!({
                "operation": rng.pick(&operations), "kind": rng.pick(&kinds), "times": rng.between(1, 3),
            })
        })
        .collect();
    world.log(format_args!("trouble at the provider: {}", json!(faults)));
    check::order_faults(world, &json!({"faults": faults}), PROVIDER_KEY).await;
}

/// Lets the world come to rest; what keeps it from that is wrong.
async fn calm(shop: &Arc<Shop>) -> Vec<String> {
    let world = &shop.world;
    world.settle_in().await;
    check::order_faults(world, &json!({"faults": []}), PROVIDER_KEY).await;
    tokio::time::sleep(LULL).await;
    shop.settle_doubts().await;
    let began = world.elapsed();
    let mut pause = Duration::from_secs(5);
    // The first rest may be a coincidence; the second is one.
    let mut rests = 0;
    loop {
        world.trace().mute(true);
        let open = check::unrest(shop).await;
        world.trace().mute(false);
        let open = match open {
            Ok(open) if open.is_empty() => {
                rests += 1;
                if rests > 1 {
                    world.log(format_args!("-- all is quiet"));
                    return Vec::new();
                }
                Vec::new()
            }
            Ok(open) => open,
            Err(error) => vec![error],
        };
        if !open.is_empty() {
            rests = 0;
        }
        if world.elapsed() - began > REST_WITHIN {
            return open.into_iter().map(|what| format!("it does not come to rest: {what}")).collect();
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(120));
    }
}
