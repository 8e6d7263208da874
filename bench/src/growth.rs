//! What becomes of latencies when the catalogue is two hundred times as large.
//!
//! Both shops run at the same time and are measured in turns, so that a slow moment of the machine hits both. Both
//! are asked the same: so many different pages and searches that hardly any answer is still in a cache.

use std::{collections::HashSet, net::SocketAddr, path::Path, rc::Rc, time::Duration};

use anyhow::{Result, bail};
use tokio::time::Instant;

use crate::{
    Effort, http1, load, orders,
    report::{Figure, Report, Target, median},
    shop::Shop,
};

/// Enough to keep both cores busy without queueing for them, which would be measured instead.
const CLIENTS: usize = 4;
/// Words that are looked for.
const WORDS_MAX: usize = 40;
/// Items of a page: each length is another answer, of about the same size.
const LENGTHS: std::ops::Range<usize> = 10..30;
const SORTS: [&str; 4] = ["newest", "price", "-price", "title"];

/// One of the two shops. The folder goes when it is dropped, after the process.
struct Scene {
    shop: Shop,
    variants: Rc<[String]>,
    _folder: tempfile::TempDir,
}

/// The 99th percentiles of one shop, round by round.
#[derive(Default)]
struct Rounds {
    lists: Vec<f64>,
    searches: Vec<f64>,
    orders: Vec<f64>,
}

pub(crate) async fn measure(bin: &Path, dir: &Path, effort: Effort, report: &mut Report) -> Result<()> {
    let few = effort.products;
    let many = effort.products_large;
    let scenes = [Scene::start(bin, dir, few).await?, Scene::start(bin, dir, many).await?];
    let lists = list_paths(scenes[0].shop.address).await?;
    let searches = search_paths(scenes[0].shop.address).await?;
    let mut rounds = [Rounds::default(), Rounds::default()];
    for round in 0..effort.rounds {
        // Who comes first changes.
        for which in [round % 2, (round + 1) % 2] {
            let (scene, rounds) = (&scenes[which], &mut rounds[which]);
            rounds.lists.push(reads_p99(scene.shop.address, &lists, effort).await?);
            rounds.searches.push(reads_p99(scene.shop.address, &searches, effort).await?);
            rounds.orders.push(orders_p99(scene, effort).await?);
        }
    }
    for scene in scenes {
        scene.shop.stop().await?;
    }
    let [small, large] = rounds;
    for (name, small, large) in [
        ("list", small.lists, large.lists),
        ("search", small.searches, large.searches),
        ("order", small.orders, large.orders),
    ] {
        let ratio = median(large.iter().zip(&small).map(|(large, small)| large / small));
        let base = format!("{name} p99, {few} products");
        let (small, large) = (median(small), median(large));
        report.add(Figure::new(&base, small, "ms"));
        report.add(
            Figure::new(&format!("{name} p99, {many} products"), large, "ms")
                .against(&base, small)
                .ratio(ratio)
                .target(Target::RatioAtMost(1.5)),
        );
    }
    Ok(())
}

impl Scene {
    async fn start(bin: &Path, dir: &Path, products: usize) -> Result<Self> {
        eprintln!("  (seeding {products} products)");
        let folder = tempfile::tempdir_in(dir)?;
        let (shop, _) = Shop::start(bin, folder.path(), products).await?;
        until_searchable(shop.address).await?;
        let variants = orders::variants(shop.address).await?;
        Ok(Self { shop, variants, _folder: folder })
    }
}

/// The index is fed in the background; a large catalogue keeps it busy for a while after the first answer.
async fn until_searchable(address: SocketAddr) -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(600);
    let deadline = Instant::now() + PATIENCE;
    for sort in SORTS {
        let answer = http1::get(address, &format!("/v1/products?limit=1&sort={sort}")).await?;
        // A title may be shared by many; a SKU is one product's.
        let sku = http1::member(&answer.body, "\"sku\":\"")?;
        let path = format!("/v1/products?limit=1&q={}", percent_encoded(&sku));
        while http1::member(&http1::get(address, &path).await?.body, "\"id\":\"").is_err() {
            if Instant::now() > deadline {
                bail!("{sku} was not found within {PATIENCE:?}");
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    Ok(())
}

async fn reads_p99(address: SocketAddr, paths: &[String], effort: Effort) -> Result<f64> {
    let mut reads = load::read(address, paths, CLIENTS, effort.warm_up / 2, effort.measure / 2).await?;
    Ok(reads.latencies.percentile_ms(99.0))
}

async fn orders_p99(scene: &Scene, effort: Effort) -> Result<f64> {
    let (no_carts, warm_up, measure) = (Vec::new(), effort.warm_up / 2, effort.measure / 2);
    let address = scene.shop.address;
    let until = orders::Until::Confirmed;
    let mut checkouts =
        orders::checkouts(address, &scene.variants, CLIENTS, no_carts, (warm_up, measure), until).await?;
    Ok(checkouts.ended.percentile_ms(99.0))
}

/// Pages in every order, of everything and of every category that fills a page in the small shop as well.
async fn list_paths(address: SocketAddr) -> Result<Vec<String>> {
    let answer = http1::get(address, "/v1/products?limit=100").await?;
    let page: serde_json::Value = serde_json::from_slice(&answer.body)?;
    let mut filters = vec![String::new(), "&in_stock=true".to_owned()];
    for product in page["items"].as_array().into_iter().flatten() {
        let Some(category) = product["category"].as_str() else { continue };
        let filter = format!("&category={}", percent_encoded(category));
        if filters.contains(&filter) {
            continue;
        }
        if fills_a_page(address, &filter).await? {
            filters.push(filter);
        }
    }
    Ok(LENGTHS
        .flat_map(|length| SORTS.map(|sort| format!("/v1/products?limit={length}&sort={sort}")))
        .flat_map(|path| filters.iter().map(move |filter| format!("{path}{filter}")).collect::<Vec<_>>())
        .collect())
}

/// Searches for words of titles, Korean and English, that fill a page in the small shop as well: a longer answer of
/// the large one would be measured instead.
async fn search_paths(address: SocketAddr) -> Result<Vec<String>> {
    let answer = http1::get(address, "/v1/products?limit=100").await?;
    let page: serde_json::Value = serde_json::from_slice(&answer.body)?;
    let titles = page["items"].as_array().into_iter().flatten().flat_map(|product| texts(&product["title"]));
    let (mut seen, mut filters) = (HashSet::new(), Vec::new());
    for word in titles.flat_map(str::split_whitespace).filter(|word| word.chars().count() >= 2) {
        let filter = format!("&q={}", percent_encoded(word));
        if filters.len() < WORDS_MAX && seen.insert(word) && fills_a_page(address, &filter).await? {
            filters.push(filter);
        }
    }
    if filters.is_empty() {
        bail!("no word of a title is in {} titles", LENGTHS.end);
    }
    let of_filter = |filter: &String| {
        let path = |length| format!("/v1/products?limit={length}{filter}");
        LENGTHS.flat_map(|length| [path(length), path(length) + "&in_stock=true"]).collect::<Vec<_>>()
    };
    Ok(filters.iter().flat_map(of_filter).collect())
}

/// True if the longest page with this filter has a next one.
async fn fills_a_page(address: SocketAddr, filter: &str) -> Result<bool> {
    let answer = http1::get(address, &format!("/v1/products?limit={}{filter}", LENGTHS.end)).await?;
    Ok(http1::member(&answer.body, "\"next_cursor\":\"").is_ok())
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
