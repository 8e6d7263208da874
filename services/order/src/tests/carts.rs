//! Carts.

use std::sync::Arc;

use chassis::sqlite::Location;
use contracts::product::TaxClass;

use super::shop::{Shop, anonymous, customer, empty_cart, guest, new_line, receipt};
use crate::{cart::CartPatch, cart_error::CartError, change_cart::CartTarget, owner::Shopper, store::CartChange};

fn target(cart: &crate::cart_view::CartView) -> CartTarget {
    CartTarget { cart_id: cart.id, if_match: None }
}

#[tokio::test]
async fn shows_tax_per_line_and_sums() {
    let shop = Shop::open();
    shop.product.stock(1, "CUP", 30_000, 10);
    shop.product.stock_as(2, "BOOK", 12_000, 10, TaxClass::Exempt, true);
    let (_, cart) = shop.guest_cart(&[("CUP", 1), ("BOOK", 1)]).await;
    let json = serde_json::to_value(&cart).unwrap();
    assert_eq!(json["lines"][0]["tax"]["amount_minor"], 2_727);
    assert_eq!(json["lines"][1]["tax"]["amount_minor"], 0);
    assert_eq!(json["totals"]["subtotal"]["amount_minor"], 42_000);
    assert_eq!(json["totals"]["shipping"]["amount_minor"], 3_000);
    assert_eq!(json["totals"]["tax"]["amount_minor"], 2_727 + 273);
    assert_eq!(json["totals"]["total"]["amount_minor"], 45_000);
    assert_eq!(json["missing"], serde_json::json!([]));
    assert_eq!(shop.product.questions(), 1);
}

#[tokio::test]
async fn says_what_is_missing() {
    let shop = Shop::open();
    shop.product.stock(1, "CUP", 1_000, 1);
    let cart = shop.service.create_cart(&anonymous(), empty_cart(&[("CUP", 2)]), None).await.unwrap();
    let fields: Vec<&str> = cart.missing.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["/email", "/lines/0/quantity", "/shipping_address", "/shipping_method"]);
    let empty = shop.service.create_cart(&anonymous(), empty_cart(&[]), None).await.unwrap();
    assert!(empty.missing.iter().any(|violation| violation.field == "/lines"));
}

#[tokio::test]
async fn lines_of_one_variant_merge_however_it_is_named() {
    let shop = Shop::open();
    let variant_id = shop.product.stock(1, "CUP", 1_000, 10);
    let (shopper, cart) = shop.guest_cart(&[("CUP", 1), ("CUP", 2)]).await;
    let by_id = crate::create_cart::NewLine { variant: contracts::product::VariantRef::Id(variant_id), quantity: 4 };
    let cart = shop.service.add_lines(&shopper, target(&cart), vec![by_id], None).await.unwrap();
    let json = serde_json::to_value(&cart).unwrap();
    assert_eq!(json["lines"].as_array().unwrap().len(), 1);
    assert_eq!(json["lines"][0]["quantity"], 7);
    assert_eq!(cart.version, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_adds_lose_no_line() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Arc::new(Shop::at(&Location::in_folder(folder.path(), "order.db")));
    for number in 0..20 {
        shop.product.stock(number + 1, &format!("SKU-{number}"), 1_000, 1_000);
    }
    let (shopper, cart) = shop.guest_cart(&[]).await;
    let adds = (0..100).map(|index| {
        let (shop, shopper) = (Arc::clone(&shop), shopper.clone());
        let line = new_line(&format!("SKU-{}", index % 20), 1);
        let target = target(&cart);
        async move { shop.service.add_lines(&shopper, target, vec![line], None).await }
    });
    let tasks: Vec<_> = adds.map(in_background).collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let cart = shop.service.show_cart(&shopper, cart.id).await.unwrap();
    let json = serde_json::to_value(&cart).unwrap();
    let quantities: Vec<i64> =
        json["lines"].as_array().unwrap().iter().map(|line| line["quantity"].as_i64().unwrap()).collect();
    assert_eq!(quantities, vec![5; 20]);
    assert_eq!(cart.version, 101);
}

#[expect(clippy::disallowed_methods, reason = "the test needs real parallelism and waits for every task")]
fn in_background<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::spawn(task)
}

#[tokio::test]
async fn a_stale_condition_changes_nothing() {
    let shop = Shop::open();
    shop.product.stock(1, "CUP", 1_000, 10);
    let (shopper, cart) = shop.guest_cart(&[("CUP", 1)]).await;
    let seen = CartTarget { cart_id: cart.id, if_match: Some(cart.version) };
    shop.service.add_lines(&shopper, seen, vec![new_line("CUP", 1)], None).await.unwrap();
    let again = shop.service.add_lines(&shopper, seen, vec![new_line("CUP", 1)], None).await;
    assert!(matches!(again, Err(CartError::Stale { current: 2 })));
}

#[tokio::test]
async fn changes_and_removes_lines() {
    let shop = Shop::open();
    shop.product.stock(1, "CUP", 1_000, 10);
    let (shopper, cart) = shop.guest_cart(&[("CUP", 1)]).await;
    let line_id = shop.service.own_cart(&shopper, cart.id).await.unwrap().lines[0].id;
    let change = CartChange::SetQuantity { line_id, quantity: 5 };
    let cart = shop.service.change_cart(&shopper, target(&cart), change).await.unwrap();
    assert_eq!(cart.totals.subtotal.amount_minor, 5_000);
    let cart = shop.service.change_cart(&shopper, target(&cart), CartChange::RemoveLine(line_id)).await.unwrap();
    assert!(cart.lines.is_empty());
    let again = shop.service.change_cart(&shopper, target(&cart), CartChange::RemoveLine(line_id)).await;
    assert!(matches!(again, Err(CartError::LineNotFound)));
}

#[tokio::test]
async fn limits_hold_over_all_additions() {
    let shop = Shop::open();
    let variant_id = shop.product.stock(1, "CUP", 1_000, 10_000);
    for number in 0..100 {
        shop.product.stock(number + 10, &format!("SKU-{number}"), 1_000, 10);
    }
    let (shopper, cart) = shop.guest_cart(&[("CUP", 999)]).await;
    let one_more = shop.service.add_lines(&shopper, target(&cart), vec![new_line("CUP", 1)], None).await;
    assert!(matches!(one_more, Err(CartError::TooManyUnits(id)) if id == variant_id));
    let ninety_nine = (0..99).map(|number| new_line(&format!("SKU-{number}"), 1)).collect();
    let cart = shop.service.add_lines(&shopper, target(&cart), ninety_nine, None).await.unwrap();
    let one_more = shop.service.add_lines(&shopper, target(&cart), vec![new_line("SKU-99", 1)], None).await;
    assert!(matches!(one_more, Err(CartError::TooManyLines)));
    assert_eq!(shop.service.show_cart(&shopper, cart.id).await.unwrap().version, cart.version);
}

#[tokio::test]
async fn prices_are_those_of_the_moment_and_what_went_off_sale_stays_visible() {
    let shop = Shop::open();
    let cup = shop.product.stock(1, "CUP", 1_000, 10);
    let pot = shop.product.stock(2, "POT", 5_000, 10);
    let (shopper, cart) = shop.guest_cart(&[("CUP", 1), ("POT", 1)]).await;
    shop.product.reprice(cup, 2_000);
    shop.product.take_off_sale(pot);
    let cart = shop.service.show_cart(&shopper, cart.id).await.unwrap();
    assert_eq!(cart.totals.subtotal.amount_minor, 2_000);
    let json = serde_json::to_value(&cart).unwrap();
    assert_eq!(json["lines"][1]["problem"], "not_on_sale");
    assert_eq!(json["missing"][0]["field"], "/lines/1");
    let add = shop.service.add_lines(&shopper, target(&cart), vec![new_line("POT", 1)], None).await;
    assert!(matches!(add, Err(CartError::Unsellable(violations)) if violations[0].field == "/lines/0/sku"));
}

#[tokio::test]
async fn without_product_nothing_is_changed() {
    let shop = Shop::open();
    shop.product.stock(1, "CUP", 1_000, 10);
    let (shopper, cart) = shop.guest_cart(&[("CUP", 1)]).await;
    shop.product.set_down(true);
    let add = shop.service.add_lines(&shopper, target(&cart), vec![new_line("CUP", 1)], None).await;
    assert!(matches!(add, Err(CartError::ProductUnavailable)));
    shop.product.set_down(false);
    assert_eq!(shop.service.show_cart(&shopper, cart.id).await.unwrap().version, 1);
}

#[tokio::test]
async fn a_cart_opens_to_its_owner_only() {
    let shop = Shop::open();
    let (owner, cart) = shop.guest_cart(&[]).await;
    assert!(shop.service.show_cart(&owner, cart.id).await.is_ok());
    for stranger in [anonymous(), guest("gst_other"), customer(1)] {
        assert!(matches!(shop.service.show_cart(&stranger, cart.id).await, Err(CartError::NotFound)));
        let patch = CartChange::Patch(CartPatch { email: Some(None), ..CartPatch::default() });
        let change = shop.service.change_cart(&stranger, target(&cart), patch).await;
        assert!(matches!(change, Err(CartError::NotFound)));
    }
}

#[tokio::test]
async fn claiming_moves_the_cart_to_the_account() {
    let shop = Shop::open();
    let (guest, cart) = shop.guest_cart(&[]).await;
    let both = Shopper { guest: guest.guest, ..customer(1) };
    assert!(matches!(shop.service.claim_cart(&guest, target(&cart)).await, Err(CartError::NotSignedIn)));
    assert!(matches!(shop.service.claim_cart(&customer(2), target(&cart)).await, Err(CartError::NotFound)));
    shop.service.claim_cart(&both, target(&cart)).await.unwrap();
    shop.service.claim_cart(&both, target(&cart)).await.unwrap();
    assert!(shop.service.show_cart(&customer(1), cart.id).await.is_ok());
    assert!(matches!(shop.service.show_cart(&guest, cart.id).await, Err(CartError::NotFound)));
}

#[tokio::test]
async fn idle_carts_expire_and_are_forgotten() {
    let shop = Shop::open();
    let (shopper, cart) = shop.guest_cart(&[]).await;
    assert_eq!(shop.service.forget_carts().await.unwrap(), 0);
    shop.clock.advance(std::time::Duration::from_secs(30 * 24 * 3600));
    assert!(matches!(shop.service.show_cart(&shopper, cart.id).await, Err(CartError::NotFound)));
    assert_eq!(shop.service.forget_carts().await.unwrap(), 1);
    assert_eq!(shop.service.forget_carts().await.unwrap(), 0);
}

#[tokio::test]
async fn a_change_and_its_kept_answer_are_one() {
    let shop = Shop::open();
    shop.product.stock(1, "CUP", 1_000, 10);
    let (shopper, cart) = shop.guest_cart(&[("CUP", 1)]).await;
    let add = || shop.service.add_lines(&shopper, target(&cart), vec![new_line("CUP", 1)], Some(receipt("k")));
    add().await.unwrap();
    // Another replica that uses the same key meanwhile finds it taken, and adds nothing.
    assert!(matches!(add().await, Err(CartError::Store(_))));
    let cart = shop.service.show_cart(&shopper, cart.id).await.unwrap();
    assert_eq!(cart.totals.subtotal.amount_minor, 2_000);
}

#[tokio::test]
async fn sums_that_do_not_fit_are_refused_and_undone() {
    let shop = Shop::open();
    shop.product.stock(1, "PALACE", i64::MAX / 2, 10);
    let (shopper, cart) = shop.guest_cart(&[("PALACE", 1)]).await;
    let add = shop.service.add_lines(&shopper, target(&cart), vec![new_line("PALACE", 5)], None).await;
    assert!(matches!(add, Err(CartError::Money(_))));
    assert_eq!(shop.service.show_cart(&shopper, cart.id).await.unwrap().version, 1);
}
