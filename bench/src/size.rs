//! Memory when idle and time to start.

use std::time::Duration;

use anyhow::Result;

use crate::{
    Effort,
    report::{Figure, Report, Target, median},
    shop::Shop,
};

pub(crate) async fn measure(shop: Shop, first: Duration, effort: Effort, report: &mut Report) -> Result<Shop> {
    let products = effort.products;
    report.add(Figure::new(&format!("first start, {products} products seeded"), milliseconds(first), "ms"));
    let (mut shop, mut starts) = (shop, Vec::new());
    for _ in 0..effort.rounds {
        let (again, took) = shop.restart().await?;
        shop = again;
        starts.push(milliseconds(took));
    }
    report.add(Figure::new("later start to first answer", median(starts), "ms").target(Target::AtMost(300.0)));
    tokio::time::sleep(effort.idle).await;
    report.add(Figure::new("memory when idle (resident)", shop.memory_mb("VmRSS")?, "MB").target(Target::AtMost(80.0)));
    report.add(Figure::new("  of it not backed by files", shop.memory_mb("RssAnon")?, "MB"));
    Ok(shop)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
