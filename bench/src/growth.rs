//! What becomes of latencies when the catalogue is two hundred times as large.

use std::{net::SocketAddr, path::Path};

use anyhow::{Result, bail};

use crate::{
    Effort, http1, list, load, orders,
    report::{Figure, Report, Target, median},
    shop::Shop,
};

/// Enough to keep both cores busy without queueing for them, which would be measured instead.
const CLIENTS: usize = 4;
/// Words that are looked for.
const WORDS_MAX: usize = 40;

struct P99 {
    list: f64,
    search: f64,
    order: f64,
}

pub(crate) async fn measure(bin: &Path, dir: &Path, effort: Effort, report: &mut Report) -> Result<()> {
    let few = effort.products;
    let many = effort.products_large;
    let (small, searches) = shop_of(bin, dir, few, None, effort).await?;
    let (large, _) = shop_of(bin, dir, many, Some(searches), effort).await?;
    for (name, small, large) in
        [("list", small.list, large.list), ("search", small.search, large.search), ("order", small.order, large.order)]
    {
        let base = format!("{name} p99, {few} products");
        report.add(Figure::new(&base, small, "ms"));
        report.add(
            Figure::new(&format!("{name} p99, {many} products"), large, "ms")
                .against(&base, small)
                .target(Target::RatioAtMost(1.5)),
        );
    }
    Ok(())
}

/// The latencies of a shop with so many products. Both shops are searched for the words of the small one.
async fn shop_of(
    bin: &Path,
    dir: &Path,
    products: usize,
    searches: Option<Vec<String>>,
    effort: Effort,
) -> Result<(P99, Vec<String>)> {
    eprintln!("  (seeding {products} products)");
    let folder = tempfile::tempdir_in(dir)?;
    let (shop, _) = Shop::start(bin, folder.path(), products).await?;
    let searches = match searches {
        Some(searches) => searches,
        None => search_paths(shop.address).await?,
    };
    let list = reads_p99(shop.address, &[list::PATH.to_owned()], effort).await?;
    let search = reads_p99(shop.address, &searches, effort).await?;
    let order = orders_p99(shop.address, effort).await?;
    shop.stop().await?;
    Ok((P99 { list, search, order }, searches))
}

async fn reads_p99(address: SocketAddr, paths: &[String], effort: Effort) -> Result<f64> {
    let mut rounds = Vec::new();
    for _ in 0..effort.rounds {
        let mut reads = load::read(address, paths, CLIENTS, effort.warm_up / 2, effort.measure / 2).await?;
        rounds.push(reads.latencies.percentile_ms(99.0));
    }
    Ok(median(rounds))
}

async fn orders_p99(address: SocketAddr, effort: Effort) -> Result<f64> {
    let variants = orders::variants(address).await?;
    let mut rounds = Vec::new();
    for _ in 0..effort.rounds {
        let no_carts = Vec::new();
        let (warm_up, measure) = (effort.warm_up / 2, effort.measure / 2);
        let mut checkouts = orders::checkouts(address, &variants, CLIENTS, no_carts, warm_up, measure).await?;
        rounds.push(checkouts.confirmed.percentile_ms(99.0));
    }
    Ok(median(rounds))
}

/// Searches for words of titles, Korean and English.
async fn search_paths(address: SocketAddr) -> Result<Vec<String>> {
    let answer = http1::get(address, "/v1/products?limit=100").await?;
    let page: serde_json::Value = serde_json::from_slice(&answer.body)?;
    let mut words = Vec::new();
    for product in page["items"].as_array().into_iter().flatten() {
        for title in texts(&product["title"]) {
            for word in title.split_whitespace().filter(|word| word.chars().count() >= 2) {
                if !words.contains(&word) && words.len() < WORDS_MAX {
                    words.push(word);
                }
            }
        }
    }
    if words.is_empty() {
        bail!("the catalogue shows no titles to search for");
    }
    Ok(words.iter().map(|word| format!("/v1/products?limit=20&q={}", percent_encoded(word))).collect())
}

/// A text, or a text per language.
fn texts(title: &serde_json::Value) -> Vec<&str> {
    match title {
        serde_json::Value::String(text) => vec![text],
        serde_json::Value::Object(by_locale) => by_locale.values().filter_map(serde_json::Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        use std::fmt::Write as _;
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            let _infallible = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_way_into_a_query() {
        assert_eq!(percent_encoded("a b&c"), "a%20b%26c");
        assert_eq!(percent_encoded("컵"), "%EC%BB%B5");
    }

    #[test]
    fn titles_are_found_in_both_forms() {
        assert_eq!(texts(&serde_json::json!("Cup")), ["Cup"]);
        assert_eq!(texts(&serde_json::json!({"en": "Cup", "ko": "컵"})), ["Cup", "컵"]);
        assert!(texts(&serde_json::json!(null)).is_empty());
    }
}
