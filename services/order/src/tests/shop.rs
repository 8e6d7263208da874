//! A shop to test: the service on a store, with a clock that moves only when told.

use std::sync::Arc;

use chassis::{
    Env, StoreError,
    env::ManualClock,
    idempotency::{Answer, IdempotencyKey, Receipt},
    outbox,
    sqlite::Location,
};
use contracts::{
    Caller, Currency, Envelope, Event as _, Locale, Permission,
    event::EventId,
    order::{CartId, OrderEvent, OrderId, PaymentMethod},
    payment::{PaymentAuthorized, PaymentCaptured, PaymentEvent},
    product::VariantRef,
};

use super::{
    fixtures::{address, id, krw},
    stock_room::{StockRoom, stock_room},
};
use crate::{
    cancel_order::CancelOrder,
    cart_view::CartView,
    config::Config,
    create_cart::{NewCart, NewLine},
    events::Listener,
    numbers::OrderNumbers,
    order_view::OrderView,
    owner::{Shopper, TokenHash},
    place_order::{PlaceError, PlaceOrder},
    service::OrderService,
    store::{CartStore, OrderStore, sqlite::SqliteStore},
    verify::{Findings, examine},
};

pub(crate) struct Shop {
    pub(crate) env: Env,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) product: Arc<StockRoom>,
    pub(crate) store: SqliteStore,
    pub(crate) service: OrderService,
}

impl Shop {
    pub(crate) fn open() -> Self {
        Self::at(&Location::Memory)
    }

    pub(crate) fn at(location: &Location) -> Self {
        let (env, clock) = Env::simulated(7);
        let store = SqliteStore::open(location).unwrap();
        let product = stock_room();
        let carts: Arc<dyn CartStore> = Arc::new(store.clone());
        let orders: Arc<dyn OrderStore> = Arc::new(store.clone());
        let service = OrderService {
            env: env.clone(),
            config: Arc::new(Config::default()),
            carts,
            numbers: Arc::new(OrderNumbers::new(&env, Arc::clone(&orders))),
            orders,
            product: product.clone(),
        };
        Self { env, clock, product, store, service }
    }

    /// A guest's complete cart with these lines.
    pub(crate) async fn guest_cart(&self, lines: &[(&str, i64)]) -> (Shopper, CartView) {
        let new = NewCart {
            email: Some("haneul@example.com".to_owned()),
            shipping_address: Some(address()),
            shipping_method: Some("standard".to_owned()),
            ..empty_cart(lines)
        };
        let cart = self.service.create_cart(&anonymous(), new, None).await.unwrap();
        (guest(cart.guest_token.as_deref().unwrap()), cart)
    }

    pub(crate) async fn place(&self, shopper: &Shopper, cart_id: CartId, key: &str) -> Result<OrderView, PlaceError> {
        let payment_method = PaymentMethod { provider: "sandbox".to_owned(), token: "tok_approve".to_owned() };
        let wanted = PlaceOrder { cart_id, payment_method, expected_total: None };
        self.service.place_order(shopper, wanted, receipt(key)).await
    }

    /// An order of one guest for two cups at 10,000.
    pub(crate) async fn placed(&self) -> (Shopper, OrderView) {
        self.product.stock(1, "CUP", 10_000, 10);
        let (shopper, cart) = self.guest_cart(&[("CUP", 2)]).await;
        let order = self.place(&shopper, cart.id, "key-1").await.unwrap();
        (shopper, order)
    }

    /// The same, paid.
    pub(crate) async fn paid(&self) -> (Shopper, OrderView) {
        let (shopper, order) = self.placed().await;
        self.hear(&authorized(&order)).await;
        self.hear(&captured(&order)).await;
        let order = self.service.show_order(&shopper, order.id).await.unwrap();
        (shopper, order)
    }

    /// Seals an event as its service would.
    pub(crate) fn seal<E: contracts::Event>(&self, event: &E, key: OrderId) -> Envelope {
        event.seal(self.env.new_id::<EventId>(), key.to_string(), self.env.now(), None).unwrap()
    }

    /// Lets payment say something.
    pub(crate) async fn hear(&self, event: &PaymentEvent) -> Envelope {
        let envelope = self.seal(event, id(0));
        self.consume(&envelope).await.unwrap();
        envelope
    }

    pub(crate) async fn consume(&self, envelope: &Envelope) -> Result<(), chassis::bus::ConsumeError> {
        use chassis::bus::Consumer as _;
        Listener { service: self.service.clone() }.consume(envelope).await
    }

    /// What the service has said of an order, in order.
    pub(crate) async fn said(&self) -> Vec<OrderEvent> {
        let payloads: Vec<Vec<u8>> = self
            .store
            .database()
            .read(|connection| -> Result<_, StoreError> {
                let mut statement = connection.prepare("SELECT payload FROM outbox ORDER BY seq")?;
                let payloads = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
                Ok(payloads)
            })
            .await
            .unwrap();
        payloads
            .iter()
            .map(|payload| OrderEvent::open(&serde_json::from_slice(payload).unwrap()).unwrap().unwrap())
            .collect()
    }

    pub(crate) async fn pending_outbox(&self) -> u64 {
        self.store.database().read(outbox::pending).await.unwrap()
    }

    pub(crate) async fn examine(&self) -> Findings {
        examine(&self.store).await.unwrap()
    }
}

pub(crate) fn empty_cart(lines: &[(&str, i64)]) -> NewCart {
    let line = |(sku, quantity): &(&str, i64)| new_line(sku, *quantity);
    NewCart {
        currency: Currency::KRW,
        locale: Locale::Ko,
        email: None,
        lines: lines.iter().map(line).collect(),
        shipping_address: None,
        shipping_method: None,
    }
}

pub(crate) fn new_line(sku: &str, quantity: i64) -> NewLine {
    NewLine { variant: VariantRef::Sku(sku.to_owned()), quantity }
}

pub(crate) fn anonymous() -> Shopper {
    Shopper { caller: Caller::Anonymous, guest: None }
}

pub(crate) fn guest(token: &str) -> Shopper {
    Shopper { caller: Caller::Anonymous, guest: Some(TokenHash::of(token)) }
}

pub(crate) fn customer(number: u128) -> Shopper {
    Shopper { caller: Caller::Account { id: id(number), permissions: Vec::new() }, guest: None }
}

pub(crate) fn staff() -> Shopper {
    use Permission::{OrdersRead, OrdersWrite, RefundsWrite};
    let permissions = vec![OrdersRead, OrdersWrite, RefundsWrite];
    Shopper { caller: Caller::Account { id: id(900), permissions }, guest: None }
}

/// Everything is called off.
pub(crate) fn whole(reason: &str) -> CancelOrder {
    CancelOrder { lines: None, reason: reason.to_owned() }
}

pub(crate) fn key(key: &str) -> IdempotencyKey {
    IdempotencyKey { scope: "test".to_owned(), key: key.to_owned(), request_hash: [1; 32] }
}

/// A receipt whose answer nobody reads.
pub(crate) fn receipt<T>(name: &str) -> Receipt<T> {
    Receipt::new(key(name), |_| Ok(Answer { status: 201, location: None, etag: None, body: Vec::new() }))
}

pub(crate) fn authorized(order: &OrderView) -> PaymentEvent {
    let amount = order.totals.total;
    PaymentEvent::Authorized(PaymentAuthorized { payment_id: id(500), order_id: order.id, amount })
}

pub(crate) fn captured(order: &OrderView) -> PaymentEvent {
    let captured_total = krw(order.totals.total.amount_minor);
    PaymentEvent::Captured(PaymentCaptured { payment_id: id(500), order_id: order.id, captured_total })
}
