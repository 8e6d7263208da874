//! `jangteo verify`: every invariant of every service, on the data of a stopped shop.
#![expect(clippy::print_stdout, reason = "the report is what the command is for")]

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use chassis::{
    Env, StoreError,
    bus::EmbeddedBus,
    datadir,
    outbox::{self, Backlog},
    queue::EmbeddedQueue,
    sqlite::Location,
};
use jiff::SignedDuration;

use crate::{config::Config, dead_letters, shop};

/// An event or job that waits for longer than this while the shop runs is stuck.
const STUCK_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// What was found.
#[derive(Default)]
struct Findings {
    /// What does not hold.
    violations: Vec<String>,
    /// What is worth knowing and no fault.
    notes: Vec<String>,
}

/// Checks everything and prints what does not hold; exit code 1 if anything does not.
pub fn run(config: &Config) -> Result<ExitCode> {
    let Findings { violations, notes } = shop::block_on(verify(config))?;
    for line in notes.iter().chain(&violations) {
        println!("{line}");
    }
    if violations.is_empty() {
        println!("All invariants hold in {}.", config.data_dir.display());
        return Ok(ExitCode::SUCCESS);
    }
    println!("{} violations.", violations.len());
    Ok(ExitCode::from(1))
}

async fn verify(config: &Config) -> Result<Findings> {
    if !config.data_dir.is_dir() {
        anyhow::bail!("there is no data folder {}; choose one with --data-dir", config.data_dir.display());
    }
    let env = Env::system();
    let lock = datadir::lock(&config.data_dir)?;
    let at = |name: &str| Location::in_folder(lock.path(), name);
    let unread = |name: &str| {
        let path = lock.path().join(name);
        format!("{} cannot be checked to its end; restore it from a backup if it is damaged", path.display())
    };
    let mut violations = Vec::new();
    let product = product_service::store::sqlite::SqliteProductStore::open(&at("product.db"))?;
    violations.extend(product_service::verify::verify(&product).await.with_context(|| unread("product.db"))?);
    let mut databases = vec![("product", product.database().clone())];
    // Products can be imported before the shop has ever run; the other stores come with its first start.
    let others = ["auth.db", "order.db", "payment.db", "notification.db", "bus.db", "queue.db"];
    if others.iter().any(|name| lock.path().join(name).exists()) {
        let queue = EmbeddedQueue::open(&env, &at("queue.db"))?;
        let bus = EmbeddedBus::open(&env, &at("bus.db"))?;
        // Each is an effect that never came about: money or goods. `jangteo dead-letters` mends it.
        let given_up = dead_letters::all(bus, queue.clone()).await.with_context(|| unread("bus.db or queue.db"))?;
        violations.extend(given_up.iter().filter(|one| !dead_letters::is_mail(one)).map(ToString::to_string));
        let auth = auth_service::store::SqliteAuthStore::open(&at("auth.db"))?;
        violations.extend(auth_service::verify(&auth).await.with_context(|| unread("auth.db"))?);
        let order = order_service::SqliteStore::open(&at("order.db"))?;
        violations.extend(order_service::verify::verify(&order).await.with_context(|| unread("order.db"))?);
        let payment = payment_service::store::SqliteStore::open(&at("payment.db"))?;
        violations
            .extend(payment_service::verify::verify(&payment, env.now()).await.with_context(|| unread("payment.db"))?);
        let notification = notification_service::store::sqlite::SqliteStore::open(&at("notification.db"))?;
        violations.extend(
            notification_service::verify::verify(&notification, &*queue)
                .await
                .with_context(|| unread("notification.db"))?,
        );
        databases.extend([
            ("auth", auth.database().clone()),
            ("order", order.database().clone()),
            ("payment", payment.database().clone()),
            ("notification", notification.database()),
        ]);
    }
    let mut backlogs = Vec::new();
    for (service, database) in databases {
        let backlog: Result<Backlog, StoreError> = database.read(outbox::backlog).await;
        backlogs.push((service, backlog.with_context(|| unread(&format!("{service}.db")))?));
    }
    env.stop().await;
    let (stuck, notes) = undelivered(&backlogs);
    violations.extend(stuck);
    Ok(Findings { violations, notes })
}

/// What was said and not delivered: stuck if the shop ran on for long afterwards, else waiting for its next start.
fn undelivered(backlogs: &[(&str, Backlog)]) -> (Vec<String>, Vec<String>) {
    let ran_until = backlogs.iter().filter_map(|(_, backlog)| backlog.last_heard).max();
    let (mut stuck, mut waiting) = (Vec::new(), Vec::new());
    for (service, Backlog { rows, oldest, .. }) in backlogs.iter().filter(|(_, backlog)| backlog.rows > 0) {
        let late = ran_until.zip(*oldest).filter(|(ran_until, oldest)| ran_until.duration_since(*oldest) > STUCK_AFTER);
        match late {
            Some((ran_until, oldest)) => stuck.push(format!(
                "{service}: {rows} events or jobs were not sent, the oldest of {oldest}, though the shop ran until {ran_until}"
            )),
            None => waiting.push(format!("{service}: {rows} events or jobs are sent when the shop starts")),
        }
    }
    (stuck, waiting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_stuck_if_the_shop_ran_on_without_sending_it() {
        let at = |minute: i64| Some(jiff::Timestamp::from_second(minute * 60).unwrap());
        let backlog = |rows, oldest, last_heard| Backlog { rows, oldest, last_heard };
        let found = |order: Backlog, payment: Backlog| {
            let (stuck, waiting) = undelivered(&[("order", order), ("payment", payment)]);
            (stuck.len(), waiting.len())
        };
        let idle = backlog(0, None, at(100));
        assert_eq!(found(backlog(0, None, None), idle), (0, 0));
        assert_eq!(found(backlog(3, at(89), None), idle), (1, 0), "payment heard things eleven minutes later");
        assert_eq!(found(backlog(3, at(91), None), idle), (0, 1));
        assert_eq!(found(backlog(3, at(500), None), idle), (0, 1), "imported into the stopped shop");
        assert_eq!(found(backlog(3, at(1), None), backlog(0, None, None)), (0, 1), "the shop has never run");
    }
}
