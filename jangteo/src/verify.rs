//! `jangteo verify`: every invariant of every service, on the data of a stopped shop.
#![expect(clippy::print_stdout, reason = "the report is what the command is for")]

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use chassis::{Env, bus::EmbeddedBus, datadir, queue::EmbeddedQueue, sqlite::Location};

use crate::{config::Config, dead_letters, shop};

/// Checks everything and prints what does not hold; exit code 1 if anything does not.
pub fn run(config: &Config) -> Result<ExitCode> {
    let violations = shop::block_on(verify(config))?;
    for violation in &violations {
        println!("{violation}");
    }
    if violations.is_empty() {
        println!("All invariants hold in {}.", config.data_dir.display());
        return Ok(ExitCode::SUCCESS);
    }
    println!("{} violations.", violations.len());
    Ok(ExitCode::from(1))
}

async fn verify(config: &Config) -> Result<Vec<String>> {
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
    // Products can be imported before the shop has ever run; the other stores come with its first start.
    let others = ["auth.db", "order.db", "payment.db", "notification.db", "bus.db", "queue.db"];
    if others.iter().any(|name| lock.path().join(name).exists()) {
        let queue = EmbeddedQueue::open(&env, &at("queue.db"))?;
        let bus = EmbeddedBus::open(&env, &at("bus.db"))?;
        // Each is an effect that never came about: money or goods. `jangteo dead-letters` mends it.
        let given_up = dead_letters::list(&*bus, &*queue).await.with_context(|| unread("bus.db or queue.db"))?;
        violations.extend(given_up.iter().filter(|given_up| !given_up.is_mail()).map(ToString::to_string));
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
    }
    env.stop().await;
    Ok(violations)
}
