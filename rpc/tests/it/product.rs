//! What product promises whoever asks.

use axum::body::Body;
use chassis::{bus::EmbeddedBus, queue::EmbeddedQueue, sqlite::Location};
use contracts::{
    Currency,
    product::{
        ProductError, QuoteRequest, ReservationId, ReserveLine, ReserveRequest, Shortage, TaxClass, VariantId,
        VariantRef,
    },
};
use http::{Request, StatusCode, header};
use product_service::{Config, Deps, Running, build};
use tower::ServiceExt as _;

use super::*;

const MUG: &str = r#"{
    "handle": "mug", "status": "active", "title": {"ko": "머그", "en": "Mug"},
    "variants": [{"sku": "MUG-1", "prices": [{"amount": {"amount_minor": 12900, "currency": "KRW"}}], "on_hand": 5}]
}"#;

struct Shop {
    env: Env,
    running: Running,
}

async fn shop() -> Shop {
    let env = Env::system();
    let auth = TestAuth::new(&env);
    let deps = Deps {
        env: env.clone(),
        location: Location::Memory,
        search_path: None,
        bus: EmbeddedBus::open(&env, &Location::Memory).unwrap(),
        queue: EmbeddedQueue::open(&env, &Location::Memory).unwrap(),
        verifier: auth.verifier(),
    };
    let running = build(Config::default(), deps).await.unwrap();
    let staff = auth.account_token(env.new_id(), &[Permission::CatalogWrite, Permission::StockWrite]);
    let request = Request::post("/v1/products")
        .header(header::AUTHORIZATION, format!("Bearer {staff}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(MUG))
        .unwrap();
    let answer = running.service.router.clone().oneshot(request).await.unwrap();
    let (status, body) = (answer.status(), axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap());
    assert_eq!(status, StatusCode::CREATED, "{}", String::from_utf8_lossy(&body));
    Shop { env, running }
}

fn quotes(variant: VariantRef, currency: Currency) -> QuoteRequest {
    QuoteRequest { currency, variants: vec![variant] }
}

async fn keeps_its_promises(env: &Env, api: &dyn ProductApi) {
    let sku = VariantRef::Sku("MUG-1".to_owned());
    let quote = api.quote(quotes(sku.clone(), Currency::KRW)).await.unwrap().remove(0);
    assert_eq!((quote.unit_price.amount_minor, quote.unit_price.currency), (12_900, Currency::KRW));
    assert_eq!((quote.title.get(contracts::Locale::Ko), quote.sku.as_deref()), ("머그", Some("MUG-1")));
    assert_eq!((quote.tax_class, quote.requires_shipping, quote.available), (TaxClass::Standard, true, Some(5)));
    assert_eq!(api.quote(quotes(VariantRef::Id(quote.variant_id), Currency::KRW)).await.unwrap()[0], quote);

    let nothing = VariantRef::Sku("없음".to_owned());
    let refusal = api.quote(quotes(nothing.clone(), Currency::KRW)).await;
    assert_eq!(refusal.unwrap_err(), ProductError::NotOnSale(nothing));
    let no_price = ProductError::NoPrice { variant: sku.clone(), currency: Currency::USD };
    assert_eq!(api.quote(quotes(sku, Currency::USD)).await.unwrap_err(), no_price);

    holds_stock_once(env, api, quote.variant_id).await;
}

async fn holds_stock_once(env: &Env, api: &dyn ProductApi, variant_id: VariantId) {
    let expires_at = env.now().checked_add(Duration::from_secs(600)).unwrap();
    let request = |reservation_id, quantity| ReserveRequest {
        reservation_id,
        currency: Currency::KRW,
        lines: vec![ReserveLine { variant_id, quantity }],
        expires_at,
    };
    let id: ReservationId = env.new_id();
    let held = api.reserve(request(id, 3)).await.unwrap();
    assert_eq!((held.id, held.expires_at, held.quotes.len()), (id, expires_at, 1));
    assert_eq!(api.reserve(request(id, 3)).await.unwrap(), held);
    assert_eq!(api.reserve(request(id, 2)).await.unwrap_err(), ProductError::ReservationMismatch(id));

    let shortage = Shortage { variant_id, requested: 3, available: 2 };
    let short = ProductError::InsufficientStock(vec![shortage]);
    assert_eq!(api.reserve(request(env.new_id(), 3)).await.unwrap_err(), short);
    assert!(matches!(api.reserve(request(env.new_id(), 0)).await, Err(ProductError::Invalid(_))));

    api.release(id).await.unwrap();
    api.release(id).await.unwrap();
    api.release(env.new_id()).await.unwrap();
    let all = api.reserve(request(env.new_id(), 5)).await.unwrap();
    api.release(all.id).await.unwrap();
}

#[tokio::test]
async fn product_keeps_its_promises_here() {
    let Shop { env, running } = shop().await;
    keeps_its_promises(&env, &*running.api).await;
    env.stop().await;
}

#[tokio::test]
async fn product_keeps_its_promises_over_a_socket() {
    let Shop { env, running } = shop().await;
    let address = served(&env, offer_product(running.api)).await;
    keeps_its_promises(&env, &product_at(&env, address, patient())).await;
    env.stop().await;
}
