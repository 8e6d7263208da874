//! What every adapter of the store must do.

use std::{sync::Arc, time::Duration};

use chassis::{
    Env,
    idempotency::{Answer, IdempotencyKey, Record},
    sqlite::Location,
};
use contracts::{
    Caller, Event as _, Locale,
    event::EventId,
    order::{CartId, OrderId, OrderStatus, RefundId},
    payment::{PaymentAuthorized, PaymentCaptured, PaymentEvent, PaymentRefundFailed},
};

use super::{
    Append, AppendError, Appended, CartAccess, CartChange, CartRefused, CartStore, Handled, OrderFilter, OrderStore,
    OrderSummary, Show, sqlite::SqliteStore,
};
use crate::{
    cart::{Cart, CartLine, CartPatch},
    cart_view::CartView,
    config::Config,
    order::{
        Order,
        fact::Fact,
        refund::RefundScope,
        saga::Saga,
        snapshot::{FACTS_PER_SNAPSHOT, Snapshot, Stored},
        stream::{Origin, broken_link},
    },
    owner::{Owner, Shopper, TokenHash},
    quotes::Quotes,
    tests::{
        fixtures::{address, at, id, krw, terms},
        stock_room::stock_room,
    },
};

/// A store and what a test needs beside it.
struct Bench<S> {
    env: Env,
    store: Arc<S>,
}

impl<S: CartStore + OrderStore> Bench<S> {
    fn new(store: S) -> Self {
        Self { env: Env::simulated(5).0, store: Arc::new(store) }
    }

    async fn all(self) {
        self.keeps_carts().await;
        self.changes_carts_atomically().await;
        self.forgets_expired_carts().await;
        self.appends_on_the_expected_version().await;
        self.appends_all_or_nothing().await;
        self.makes_one_order_of_a_cart().await;
        self.handles_an_event_once().await;
        self.finds_what_is_overdue().await;
        self.keeps_snapshots_of_long_streams().await;
        self.knows_when_it_was_last_used().await;
        self.draws_numbers_once().await;
    }

    fn cart(&self) -> Cart {
        Cart {
            id: self.env.new_id(),
            version: 1,
            owner: Owner::Guest(TokenHash::of("gst_1")),
            currency: contracts::Currency::KRW,
            locale: Locale::Ko,
            email: Some("a@b.co".to_owned()),
            shipping_address: Some(address()),
            shipping_method: Some("standard".to_owned()),
            lines: vec![self.line(1, 2)],
            order_id: None,
            created_at: at(0),
            updated_at: at(0),
            expires_at: at(1000),
        }
    }

    fn line(&self, variant: u128, quantity: i64) -> CartLine {
        CartLine { id: self.env.new_id(), variant_id: id(variant), quantity }
    }

    fn access(&self, cart_id: CartId, if_match: Option<u64>) -> CartAccess {
        let shopper = Shopper { caller: Caller::Anonymous, guest: Some(TokenHash::of("gst_1")) };
        CartAccess { cart_id, shopper, if_match, now: at(10), expires_at: at(2000) }
    }

    async fn change(&self, access: CartAccess, change: CartChange) -> Result<CartView, CartRefused> {
        self.store.change_cart(access, change, show(Vec::new()).await).await
    }

    fn record(&self, key: &str) -> Record {
        let key = IdempotencyKey { scope: "s".to_owned(), key: key.to_owned(), request_hash: [0; 32] };
        let answer = Answer { status: 201, location: None, etag: None, body: b"{}".to_vec() };
        Record { key, answer, at: at(0), expires_at: at(5000) }
    }

    fn origin(&self, seconds: i64) -> Origin {
        Origin { actor: "guest".to_owned(), cause: "req_1".to_owned(), at: at(seconds) }
    }

    /// A new order of no cart that the store knows.
    fn order(&self) -> (Order, Append) {
        let mut terms = terms();
        terms.cart_id = self.env.new_id();
        let order_id: OrderId = self.env.new_id();
        terms.number = format!("2026-{order_id}");
        let (order, placed) = Order::place(order_id, terms, self.origin(0)).unwrap();
        let method = contracts::order::PaymentMethod { provider: "sandbox".to_owned(), token: "tok".to_owned() };
        let append = Append {
            expected_version: 0,
            facts: vec![placed],
            summary: OrderSummary::of(&order),
            snapshot: None,
            says: vec![(self.env.new_id::<EventId>(), order.announce_placed(method))],
            receipt: None,
            handles: None,
            cart_version: None,
            now: at(0),
        };
        (order, append)
    }

    /// The order is confirmed; `order` is it afterwards.
    fn confirm(&self, order: &mut Order) -> Append {
        let expected_version = order.version;
        let event = PaymentAuthorized { payment_id: id(50), order_id: order.id, amount: order.terms.totals.total };
        let facts = order.payment_authorized(event);
        let says = facts.iter().filter_map(|fact| order.announce(fact));
        let says = says.map(|event| (self.env.new_id::<EventId>(), event)).collect();
        let facts = order.advance(facts, &self.origin(5)).unwrap();
        let summary = OrderSummary::of(order);
        let now = at(5);
        Append {
            expected_version,
            facts,
            summary,
            snapshot: None,
            says,
            receipt: None,
            handles: None,
            cart_version: None,
            now,
        }
    }

    async fn keeps_carts(&self) {
        let cart = self.cart();
        self.store.create_cart(cart.clone(), Some(self.record("create"))).await.unwrap();
        assert!(self.store.find_cart(cart.id).await.unwrap() == Some(cart));
        assert!(self.store.find_cart(id(404)).await.unwrap().is_none());
        let other = self.cart();
        assert!(self.store.create_cart(other.clone(), Some(self.record("create"))).await.is_err());
        assert!(self.store.find_cart(other.id).await.unwrap().is_none(), "the key was used: no cart either");
    }

    async fn changes_carts_atomically(&self) {
        let cart = self.cart();
        self.store.create_cart(cart.clone(), None).await.unwrap();
        let (id, line_id) = (cart.id, cart.lines[0].id);
        let add = CartChange::AddLines(vec![self.line(1, 3), self.line(2, 1)]);
        self.change(self.access(id, Some(1)), add).await.unwrap();
        let stored = self.store.find_cart(id).await.unwrap().unwrap();
        let units: Vec<i64> = stored.lines.iter().map(|line| line.quantity).collect();
        assert_eq!((units, stored.version, stored.expires_at), (vec![5, 1], 2, at(2000)));
        assert_eq!(stored.lines[0].id, line_id);

        let stale = self.change(self.access(id, Some(1)), CartChange::RemoveLine(line_id)).await;
        assert!(matches!(stale, Err(CartRefused::Stale { current: 2 })));
        let over =
            self.change(self.access(id, None), CartChange::AddLines(vec![self.line(9, 1), self.line(1, 995)])).await;
        assert!(matches!(over, Err(CartRefused::TooManyUnits(_))));
        let stranger =
            CartAccess { shopper: Shopper { caller: Caller::Anonymous, guest: None }, ..self.access(id, None) };
        assert!(matches!(self.change(stranger, CartChange::RemoveLine(line_id)).await, Err(CartRefused::NotFound)));
        let late = CartAccess { now: at(2000), ..self.access(id, None) };
        assert!(matches!(self.change(late, CartChange::RemoveLine(line_id)).await, Err(CartRefused::NotFound)));
        let unknown = CartChange::SetQuantity { line_id: self.env.new_id(), quantity: 1 };
        assert!(matches!(self.change(self.access(id, None), unknown).await, Err(CartRefused::LineNotFound)));
        let refusing: Show = Box::new(|_| Err(CartRefused::Unpriced));
        let refused = self.store.change_cart(self.access(id, None), CartChange::RemoveLine(line_id), refusing).await;
        assert!(matches!(refused, Err(CartRefused::Unpriced)));
        assert!(self.store.find_cart(id).await.unwrap() == Some(stored), "refusals change nothing");

        let patch = CartPatch { locale: Some(Locale::En), email: Some(None), ..CartPatch::default() };
        self.change(self.access(id, None), CartChange::Patch(patch)).await.unwrap();
        self.change(self.access(id, None), CartChange::Claim(id_of(7))).await.unwrap();
        let stored = self.store.find_cart(id).await.unwrap().unwrap();
        assert_eq!((stored.email, stored.locale, stored.shipping_method.is_some()), (None, Locale::En, true));
        assert_eq!(stored.owner, Owner::Account(id_of(7)));
    }

    async fn forgets_expired_carts(&self) {
        let cart = Cart { expires_at: at(-1), ..self.cart() };
        self.store.create_cart(cart.clone(), None).await.unwrap();
        assert_eq!(self.store.forget_expired_carts(at(0), 10).await.unwrap(), 1);
        assert!(self.store.find_cart(cart.id).await.unwrap().is_none());
    }

    async fn appends_on_the_expected_version(&self) {
        let (mut order, placed) = self.order();
        assert_eq!(self.store.append(placed).await.unwrap(), Appended::Done);
        let mut other = order.clone();
        let (first, second) = (self.confirm(&mut order), self.confirm(&mut other));
        assert_eq!(self.store.append(first).await.unwrap(), Appended::Done);
        assert!(matches!(self.store.append(second).await, Err(AppendError::Conflict)));
        let stream = self.store.load(order.id).await.unwrap();
        assert_eq!(broken_link(order.id, &stream), None);
        assert!(Order::fold(order.id, &stream).unwrap() == order);
        assert_eq!(self.store.list_facts(order.id, 1, 1).await.unwrap()[0].seq, 2);
        assert!(self.store.load(id_of(404)).await.unwrap().is_empty());
        let number = Some(order.terms.number.clone());
        let found = self.store.list_orders(OrderFilter { number, ..OrderFilter::default() }, None, 2).await.unwrap();
        assert_eq!(found, [OrderSummary::of(&order)]);
    }

    async fn appends_all_or_nothing(&self) {
        let (order, placed) = self.order();
        let taken = self.record("placed");
        self.store.append(Append { receipt: Some(taken.clone()), ..placed }).await.unwrap();
        let (other, placed) = self.order();
        assert!(self.store.append(Append { receipt: Some(taken), ..placed }).await.is_err());
        assert!(self.store.load(other.id).await.unwrap().is_empty());
        assert!(!self.store.load(order.id).await.unwrap().is_empty());
        assert!(self.store.list_orphans(10).await.unwrap().is_empty());
    }

    async fn makes_one_order_of_a_cart(&self) {
        let cart = self.cart();
        self.store.create_cart(cart.clone(), None).await.unwrap();
        let of_cart = |cart_version: u64| {
            let (order, mut placed) = self.order();
            placed.summary.cart_id = cart.id;
            (order, Append { cart_version: Some(cart_version), ..placed })
        };
        let (_, stale) = of_cart(9);
        assert!(matches!(self.store.append(stale).await, Err(AppendError::CartChanged)));
        let ((first, placed), (_, second)) = (of_cart(1), of_cart(1));
        self.store.append(placed).await.unwrap();
        assert!(matches!(self.store.append(second).await, Err(AppendError::CartOrdered(id)) if id == first.id));
        let stored = self.store.find_cart(cart.id).await.unwrap().unwrap();
        assert_eq!((stored.order_id, stored.version), (Some(first.id), 2));
        let change = self.change(self.access(cart.id, None), CartChange::AddLines(vec![self.line(1, 1)])).await;
        assert!(matches!(change, Err(CartRefused::Ordered(id)) if id == first.id));
    }

    async fn handles_an_event_once(&self) {
        let (mut order, placed) = self.order();
        self.store.append(placed).await.unwrap();
        let event = PaymentAuthorized { payment_id: id(50), order_id: order.id, amount: krw(1) };
        let event = PaymentEvent::Authorized(event);
        let envelope = event.seal(self.env.new_id(), order.id.to_string(), at(5), None).unwrap();
        let handled = || Some(Handled { consumer: "order", envelope: envelope.clone() });
        let first = Append { handles: handled(), ..self.confirm(&mut order) };
        assert_eq!(self.store.append(first).await.unwrap(), Appended::Done);
        let facts = order.cancel("no".to_owned()).unwrap();
        let expected_version = order.version;
        let facts = order.advance(facts, &self.origin(6)).unwrap();
        let again = Append {
            expected_version,
            facts,
            summary: OrderSummary::of(&order),
            snapshot: None,
            says: Vec::new(),
            receipt: None,
            handles: handled(),
            cart_version: None,
            now: at(6),
        };
        assert_eq!(self.store.append(again).await.unwrap(), Appended::HandledBefore);
        assert_eq!(self.store.load(order.id).await.unwrap().len(), 3);
    }

    async fn finds_what_is_overdue(&self) {
        let (mut order, placed) = self.order();
        self.store.append(placed).await.unwrap();
        let deadline = order.deadline().unwrap();
        let before = deadline - Duration::from_secs(1);
        assert!(!self.store.list_overdue(before, 100).await.unwrap().contains(&order.id));
        assert!(self.store.list_overdue(deadline, 100).await.unwrap().contains(&order.id));
        let append = self.confirm(&mut order);
        self.store.append(append).await.unwrap();
        assert_eq!(order.status, OrderStatus::Confirmed);
        assert!(!self.store.list_overdue(deadline, 100).await.unwrap().contains(&order.id));
        let capture_by = Saga::of(&order).unwrap().due_at.unwrap();
        assert!(capture_by > deadline && self.store.list_overdue(capture_by, 100).await.unwrap().contains(&order.id));
    }

    async fn keeps_snapshots_of_long_streams(&self) {
        let (mut order, placed) = self.order();
        self.store.append(placed).await.unwrap();
        assert!(self.store.load_recent(order.id).await.unwrap().snapshot.is_none());
        let append = self.confirm(&mut order);
        self.store.append(append).await.unwrap();
        let captured_total = order.terms.totals.total;
        let captured = PaymentCaptured { payment_id: id(50), order_id: order.id, captured_total };
        self.let_happen(&mut order, |order| order.payment_captured(captured.clone())).await;
        while order.version < 2 * FACTS_PER_SNAPSHOT + 5 {
            let refund_id: RefundId = self.env.new_id();
            let scope = RefundScope::Amount(krw(1));
            self.let_happen(&mut order, |order| order.request_refund(refund_id, &scope, "x".to_owned()).unwrap()).await;
            let (payment_id, order_id, refund_id) = (id(50), order.id, Some(refund_id));
            let (amount, reason) = (krw(1), "no".to_owned());
            let failed = PaymentRefundFailed { payment_id, order_id, refund_id, amount, reason };
            self.let_happen(&mut order, |order| order.refund_failed(failed.clone(), id(9))).await;
        }
        let Stored { snapshot, facts } = self.store.load_recent(order.id).await.unwrap();
        let snapshot = snapshot.unwrap();
        assert_eq!((snapshot.version, facts[0].seq), (2 * FACTS_PER_SNAPSHOT, 2 * FACTS_PER_SNAPSHOT));
        assert!(Order::resume(order.id, &snapshot, &facts).unwrap() == order);
        assert!(Order::fold(order.id, &self.store.load(order.id).await.unwrap()).unwrap() == order);
        assert!(self.store.audit(None, 100).await.unwrap().iter().any(|audited| {
            audited.id == order.id && audited.snapshot.as_ref().is_ok_and(|kept| *kept == Some(snapshot.clone()))
        }));
    }

    /// Appends what `decide` says, as the use cases do.
    async fn let_happen(&self, order: &mut Order, decide: impl Fn(&Order) -> Vec<Fact>) {
        let (expected_version, facts) = (order.version, decide(order));
        let facts = order.advance(facts, &self.origin(6)).unwrap();
        let append = Append {
            expected_version,
            facts,
            summary: OrderSummary::of(order),
            snapshot: Snapshot::if_due(order, expected_version).unwrap(),
            says: Vec::new(),
            receipt: None,
            handles: None,
            cart_version: None,
            now: at(6),
        };
        assert_eq!(self.store.append(append).await.unwrap(), Appended::Done);
    }

    async fn knows_when_it_was_last_used(&self) {
        let (_, mut placed) = self.order();
        placed.summary.updated_at = at(7000);
        self.store.append(placed).await.unwrap();
        assert_eq!(self.store.last_activity().await.unwrap(), Some(at(7000)));
    }

    async fn draws_numbers_once(&self) {
        let first = self.store.draw_numbers(10, u64::MAX).await.unwrap();
        let second = self.store.draw_numbers(5, 1).await.unwrap();
        assert_eq!((first.next, first.end, first.shop_key), (0, 10, u64::MAX));
        assert_eq!((second.next, second.end, second.shop_key), (10, 15, u64::MAX));
    }
}

fn id_of<T: From<uuid::Uuid>>(number: u128) -> T {
    id(number)
}

/// Shows carts whose lines are of the variants 1, 2 and 9.
async fn show(receipt: Vec<Record>) -> Show {
    let room = stock_room();
    let variants = [1, 2, 9].map(|number| room.stock(number, &format!("SKU-{number}"), 100, 10));
    let quotes = Quotes::ask(&*room, contracts::Currency::KRW, &[], variants).await.map_err(|_| ()).unwrap();
    Box::new(move |cart| Ok((CartView::new(cart, &quotes, &Config::default())?, receipt.into_iter().next())))
}

#[tokio::test]
async fn sqlite_in_memory_keeps_the_contract() {
    Bench::new(SqliteStore::open(&Location::Memory).unwrap()).all().await;
}

#[tokio::test]
async fn sqlite_in_a_file_keeps_the_contract_and_finds_everything_again() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::in_folder(folder.path(), "order.db");
    Bench::new(SqliteStore::open(&location).unwrap()).all().await;
    let again = SqliteStore::open(&location).unwrap();
    assert_eq!(again.list_orders(OrderFilter::default(), None, 100).await.unwrap().len(), 7);
}
