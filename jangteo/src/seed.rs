//! What a new shop begins with: an administrator, and the demo catalogue. A seeding that was cut off goes on at
//! the next start.
#![expect(clippy::print_stderr, reason = "filling a large demo shop takes a while, and the terminal shows it")]

use std::fs;

use anyhow::{Context as _, Result, bail};
use chassis::datadir::DataDirLock;
use product_service::product::{ImportOutcome, ProductInput};

use crate::{config::Config, demo, shop::Shop};

/// Says how far the demo shop has come: `seeding` or `done`.
const MARKER: &str = "DEMO";
const BATCH: usize = 100;
/// Who the history names for the demo stock.
const ACTOR: &str = "demo";

/// Seeds what is missing; answers the administrator's password if it was just made.
pub async fn seed(config: &Config, shop: &Shop, lock: &DataDirLock) -> Result<Option<String>> {
    let marker = lock.path().join(MARKER);
    let state = fs::read_to_string(&marker).unwrap_or_default();
    let unfinished = state.trim() == "seeding";
    if config.demo.enabled && (lock.is_new() || unfinished) {
        fs::write(&marker, "seeding\n").with_context(|| marker.display().to_string())?;
        fill(shop, config.demo.products).await?;
        fs::write(&marker, "done\n").with_context(|| marker.display().to_string())?;
    }
    shop.ensure_admin(&config.admin.email).await
}

async fn fill(shop: &Shop, count: usize) -> Result<()> {
    shop.create_categories(demo::categories()).await?;
    let mut products = demo::products(count);
    let mut done = 0;
    loop {
        let batch: Vec<ProductInput> = products.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            return Ok(());
        }
        done += batch.len();
        let outcomes = shop.import_products(batch, ACTOR).await?;
        if let Some(ImportOutcome::Rejected { violations }) =
            outcomes.iter().find(|outcome| matches!(outcome, ImportOutcome::Rejected { .. }))
        {
            bail!("the demo shop breaks a rule of the catalogue: {violations:?}");
        }
        if count > 1000 && done.is_multiple_of(5000) {
            eprintln!("Filling the demo shop: {done} of {count} products");
        }
    }
}
