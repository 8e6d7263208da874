//! The saga of an order: placed, confirmed, captured, each step durable before the next.

use anyhow::{Context as _, Result};

use crate::{
    Effort, disk,
    orders::{self, Until},
    report::{Figure, Report},
    shop::Shop,
};

/// One after another, and as many as it can take.
const CLIENTS: [usize; 2] = [1, 256];

pub(crate) async fn measure(shop: &Shop, effort: Effort, report: &mut Report) -> Result<()> {
    let syncs = report.value(disk::SYNCS).context("the disk was not measured")?;
    let variants = orders::variants(shop.address).await?;
    let (warm_up, run) = (effort.warm_up, effort.measure);
    for clients in CLIENTS {
        let buy = |carts, warm_up, run| {
            orders::checkouts(shop.address, &variants, clients, carts, (warm_up, run), Until::Captured)
        };
        let first = buy(Vec::new(), warm_up / 2, run / 2).await?;
        // Filling carts is no part of the saga.
        let carts = (first.per_second * 2.0 * (warm_up + run).as_secs_f64()) as usize;
        let carts = orders::prepare_carts(shop.address, &variants, clients, carts.div_ceil(clients)).await?;
        let mut outcome = buy(carts, warm_up, run).await?;
        let name = if clients == 1 { "client" } else { "clients" };
        report.add(
            Figure::new(&format!("sagas placed to captured, {clients} {name}"), outcome.per_second, "/s")
                .p50(outcome.ended.percentile_ms(50.0))
                .p99(outcome.ended.percentile_ms(99.0))
                .against(disk::SYNCS, syncs),
        );
    }
    Ok(())
}
