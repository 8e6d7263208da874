//! Listing 20 products with their variants through the gateway.

use anyhow::Result;

use crate::{
    Effort,
    bare::Bare,
    http1,
    load::{self, Reads},
    report::{Figure, Report, Target, median},
    shop::Shop,
};

/// What a storefront asks first.
pub(crate) const PATH: &str = "/v1/products?limit=20";
const CLIENTS: usize = 64;

pub(crate) async fn measure(shop: &Shop, effort: Effort, report: &mut Report) -> Result<()> {
    let answer = http1::get(shop.address, PATH).await?;
    let kib = answer.body.len() as f64 / 1024.0;
    let bare = Bare::start(&answer).await?;
    let paths = [PATH.to_owned()];
    let (mut limits, mut figures) = (Vec::new(), Vec::new());
    // In turns, so that a slow moment of the machine hits both.
    for _ in 0..effort.rounds {
        limits.push(load::read(bare.address, &paths, CLIENTS, effort.warm_up, effort.measure).await?);
        figures.push(load::read(shop.address, &paths, CLIENTS, effort.warm_up, effort.measure).await?);
    }
    let percentile =
        |reads: &mut Vec<Reads>, percent| median(reads.iter_mut().map(|reads| reads.latencies.percentile_ms(percent)));
    let limit = median(limits.iter().map(|reads| reads.per_second));
    let figure = median(figures.iter().map(|reads| reads.per_second));
    let ratio = median(figures.iter().zip(&limits).map(|(figure, limit)| figure.per_second / limit.per_second));
    let bare_name = format!("bare hyper, the same {kib:.1} KiB, {CLIENTS} clients");
    report.add(
        Figure::new(&bare_name, limit, "/s").p50(percentile(&mut limits, 50.0)).p99(percentile(&mut limits, 99.0)),
    );
    report.add(
        Figure::new(&format!("list 20 products, {CLIENTS} clients"), figure, "/s")
            .p50(percentile(&mut figures, 50.0))
            .p99(percentile(&mut figures, 99.0))
            .against(&bare_name, limit)
            .ratio(ratio)
            .target(Target::RatioAtLeast(0.5)),
    );
    Ok(())
}
