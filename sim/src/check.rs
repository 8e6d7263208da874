//! What has to hold when a world has come to rest: the invariants of each service, and those between them.

use std::{collections::BTreeMap, sync::Arc};

use axum::body::Body;
use chassis::{bus::Bus as _, outbox, queue::Queue as _};
use http::{Request, header};
use http_body_util::BodyExt as _;
use notification_service::store::SEND_QUEUE;
use payment_service::store::PaymentRecord;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::{
    client::Ask,
    history::What,
    model::{
        cart,
        money::{self, Account},
        stock::{self, Shelf},
    },
    services::PROVIDER_KEY,
    shop::{Shop, text},
    world::{Place, World},
};

/// Items asked for at once.
const PAGE_LEN: usize = 100;
const DEAD_MAX: usize = 1000;

/// What stands in the way of looking; it is a finding like others.
type Looked<T> = Result<T, String>;

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// What is still under way: empty when the world has come to rest.
pub async fn unrest(shop: &Shop) -> Looked<Vec<String>> {
    let world = &shop.world;
    if let Some(down) = Place::MORTAL.iter().find(|place| !world.parts(**place).up) {
        return Ok(vec![format!("{} is down", down.name())]);
    }
    let mut open = Vec::new();
    for (place, name, file) in world.files() {
        let rows = outbox::pending(&file.connection());
        // Some files have no outbox.
        if let Ok(rows @ 1..) = rows {
            open.push(format!("{rows} rows are in the outbox {name} of {}", place.name()));
        }
    }
    if let Some(store) = world.parts(Place::Order).order_store {
        open.extend(order_service::verify::examine(&store).await.map_err(said)?.in_progress);
    }
    for PaymentRecord { payment, .. } in payments(world).await? {
        if payment.operations.iter().any(payment_service::payment::Operation::in_flight) {
            open.push(format!("{} has operations under way", payment.id));
        }
    }
    for (variant, shelf) in shelves(shop).await? {
        if shelf.reserved != 0 {
            open.push(format!("{} units of {variant} are promised", shelf.reserved));
        }
    }
    Ok(open)
}

async fn shelves(shop: &Shop) -> Looked<BTreeMap<String, Shelf>> {
    let mut shelves = BTreeMap::new();
    for variant in &shop.variants {
        let level = get(shop, &format!("/v1/variants/{}/stock", variant.id)).await?;
        let number = |name: &str| level[name].as_i64().unwrap_or(i64::MIN);
        shelves.insert(variant.id.clone(), Shelf { on_hand: number("on_hand"), reserved: number("reserved") });
    }
    Ok(shelves)
}

async fn payments(world: &World) -> Looked<Vec<PaymentRecord>> {
    let Some(store) = world.parts(Place::Payment).payment_store else { return Ok(Vec::new()) };
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.records(after, 200).await.map_err(said)?;
        let Some(last) = page.last() else { return Ok(all) };
        after = Some(last.payment.id);
        all.extend(page);
    }
}

/// Everything that does not hold.
pub async fn wrongs(shop: &Shop) -> Vec<String> {
    let mut wrong = shop.world.wrongs();
    for looked in [of_services(&shop.world).await, of_dead_letters(&shop.world).await, between_services(shop).await] {
        match looked {
            Ok(found) => wrong.extend(found),
            Err(error) => wrong.push(format!("the world cannot be examined: {error}")),
        }
    }
    wrong
}

/// Each service's own invariants, as `jangteo verify` examines them.
async fn of_services(world: &Arc<World>) -> Looked<Vec<String>> {
    let mut wrong = Vec::new();
    if let Some(auth) = world.parts(Place::Auth).auth {
        wrong.extend(auth_service::verify(auth.store().as_ref()).await.map_err(said)?);
    }
    if let Some(store) = world.parts(Place::Product).product_store {
        wrong.extend(product_service::verify::verify(&*store).await.map_err(said)?);
    }
    if let Some(store) = world.parts(Place::Order).order_store {
        let findings = order_service::verify::examine(&store).await.map_err(said)?;
        wrong.extend(findings.violations);
    }
    let payment = world.parts(Place::Payment).payment_store.zip(world.env(Place::Payment));
    if let Some((store, env)) = payment {
        wrong.extend(payment_service::verify::verify(&*store, env.now()).await.map_err(said)?);
    }
    let parts = world.parts(Place::Notification);
    if let Some((store, queue)) = parts.notification_store.zip(parts.queue) {
        wrong.extend(notification_service::verify::verify(&*store, &*queue).await.map_err(said)?);
    }
    Ok(wrong)
}

/// Each dead letter is an effect that never came about. Mails may fail.
async fn of_dead_letters(world: &Arc<World>) -> Looked<Vec<String>> {
    let mut wrong = Vec::new();
    if let Some(bus) = world.parts(Place::Broker).bus {
        for letter in bus.dead_letters(0, DEAD_MAX).await.map_err(said)? {
            wrong.push(format!("{} gave an event of {} up: {}", letter.group, letter.record.topic, letter.reason));
        }
    }
    for place in Place::MORTAL {
        let Some(queue) = world.parts(place).queue else { continue };
        for dead in queue.dead_jobs(0, DEAD_MAX).await.map_err(said)? {
            if dead.job.queue != SEND_QUEUE {
                wrong.push(format!("a job of {} was given up: {}", dead.job.queue, dead.reason));
            }
        }
    }
    Ok(wrong)
}

async fn between_services(shop: &Shop) -> Looked<Vec<String>> {
    let summaries = list(shop, "/v1/orders").await?;
    let mut accounts = Vec::new();
    for summary in summaries {
        let id = text(&summary["id"]);
        let order = get(shop, &format!("/v1/orders/{id}")).await?;
        let payments = list(shop, &format!("/v1/payments?order_id={id}")).await?;
        let mut authorizations = Vec::new();
        for payment in &payments {
            let path = format!("/v1/authorizations?reference={}", text(&payment["id"]));
            let found = provider(&shop.world, &path).await?;
            authorizations.extend(found["items"].as_array().cloned().unwrap_or_default());
        }
        accounts.push(Account { order, payments, authorizations });
    }
    let mut wrong: Vec<String> = accounts.iter().flat_map(money::judge_account).collect();
    wrong.extend(stray_money(shop, &accounts).await?);

    look_at_carts(shop).await;
    let history = shop.history();
    let orders: Vec<Value> = accounts.into_iter().map(|account| account.order).collect();
    wrong.extend(money::judge_history(&history, &orders));
    wrong.extend(cart::judge(&history));
    wrong.extend(stock::judge(&shop.variants, &history, &orders, &shelves(shop).await?));
    Ok(wrong)
}

/// Money at the provider that belongs to no order.
async fn stray_money(shop: &Shop, accounts: &[Account]) -> Looked<Vec<String>> {
    let totals = provider(&shop.world, "/control/totals").await?;
    let mut wrong = Vec::new();
    for name in ["captured_minor", "refunded_minor"] {
        let known: i64 = accounts
            .iter()
            .flat_map(|account| &account.authorizations)
            .filter_map(|authorization| authorization[name].as_i64())
            .sum();
        if totals[name] != known {
            wrong.push(format!("the provider's {name} is {}, that of all orders {known}", totals[name]));
        }
    }
    let known = accounts.iter().flat_map(|account| &account.authorizations);
    let known =
        known.filter(|one| !["declined", "voided", "pending"].map(Value::from).contains(&one["status"])).count();
    if totals["held"] != known {
        wrong.push(format!("the provider made {} charges, of which {known} are for orders", totals["held"]));
    }
    Ok(wrong)
}

/// A last look at every cart, for the models.
async fn look_at_carts(shop: &Shop) {
    for (cart, owner) in shop.carts() {
        let ask = Ask::get(&owner, format!("/v1/carts/{cart}"));
        shop.act(What::CartLook { cart }, ask, 5).await;
    }
}

async fn get(shop: &Shop, path: &str) -> Looked<Value> {
    let answer = shop.world.insist(&Ask::get(&shop.staff, path), 5).await;
    answer.done().cloned().ok_or_else(|| format!("GET {path}: {answer:?}"))
}

/// All pages of a list.
async fn list(shop: &Shop, path: &str) -> Looked<Vec<Value>> {
    let joint = if path.contains('?') { '&' } else { '?' };
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(shop, &format!("{path}{joint}limit={PAGE_LEN}{cursor}")).await?;
        items.extend(page["items"].as_array().cloned().unwrap_or_default());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(items),
        }
    }
}

/// What the provider says, asked without the network between.
async fn provider(world: &World, path: &str) -> Looked<Value> {
    let router = world.parts(Place::Provider).router.ok_or("the provider is down")?;
    let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {PROVIDER_KEY}"));
    let response = router.oneshot(request.body(Body::empty()).map_err(said)?).await;
    let body = match response {
        Ok(response) => response.into_body().collect().await.map_err(said)?.to_bytes(),
        Err(never) => match never {},
    };
    serde_json::from_slice(&body).map_err(said)
}

/// Tells the provider what to do wrong.
pub(crate) async fn order_faults(world: &World, faults: &Value, key: &str) {
    let Some(router) = world.parts(Place::Provider).router else { return };
    let request = Request::put("/control/faults").header(header::AUTHORIZATION, format!("Bearer {key}"));
    if let Ok(request) = request.body(Body::from(faults.to_string())) {
        // It always answers.
        let _ = router.oneshot(request).await;
    }
}
