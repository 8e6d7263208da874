//! What the order service asks of its store: whole atomic operations, each of which happens or does not.

#[cfg(test)]
mod contract;
pub(crate) mod sqlite;

use async_trait::async_trait;
use chassis::{StoreError, idempotency};
use contracts::{
    Money, MoneyError,
    auth::AccountId,
    event::{Envelope, EventId},
    order::{CartId, FulfilmentStatus, LineId, OrderEvent, OrderId, OrderStatus, PaymentStatus},
    product::VariantId,
};
use jiff::Timestamp;

use crate::{
    cart::{Cart, CartLine, CartPatch},
    cart_view::CartView,
    order::{
        Order,
        saga::Saga,
        snapshot::{Snapshot, Stored},
        stream::StoredFact,
    },
    owner::{Owner, Shopper},
};

/// Who changes which cart, and on what condition.
#[derive(Clone)]
pub(crate) struct CartAccess {
    pub(crate) cart_id: CartId,
    pub(crate) shopper: Shopper,
    /// Only if the cart has this version.
    pub(crate) if_match: Option<u64>,
    pub(crate) now: Timestamp,
    /// Until when the cart lives after the change.
    pub(crate) expires_at: Timestamp,
}

/// A change of a cart.
#[derive(Clone)]
pub(crate) enum CartChange {
    /// Adds units; a variant that is there already gets more of them.
    AddLines(Vec<CartLine>),
    SetQuantity {
        line_id: LineId,
        quantity: i64,
    },
    RemoveLine(LineId),
    Patch(CartPatch),
    /// Makes a guest's cart the account's; does nothing if it is already.
    Claim(AccountId),
}

/// Shows the cart as the change left it, inside the commit of the change, and renders the answer to keep
/// under an idempotency key. Its refusal undoes the change.
pub(crate) type Show = Box<dyn FnOnce(Cart) -> Result<(CartView, Option<idempotency::Record>), CartRefused> + Send>;

/// Why a cart was not changed; nothing was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CartRefused {
    /// No such cart, or it belongs to somebody else, or it has expired.
    #[error("no such cart")]
    NotFound,
    #[error("no such line")]
    LineNotFound,
    #[error("the cart has become order {0}")]
    Ordered(OrderId),
    #[error("the cart has version {current}")]
    Stale { current: u64 },
    #[error("too many lines")]
    TooManyLines,
    #[error("too many units of {0}")]
    TooManyUnits(VariantId),
    /// The sums do not fit.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// Lines that came in between have to be priced first.
    #[error("the cart has unpriced lines")]
    Unpriced,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps carts.
#[async_trait]
pub(crate) trait CartStore: Send + Sync {
    /// Keeps a new cart, and the answer to its creation.
    async fn create_cart(&self, cart: Cart, receipt: Option<idempotency::Record>) -> Result<(), StoreError>;

    /// The cart, whoever owns it.
    async fn find_cart(&self, id: CartId) -> Result<Option<Cart>, StoreError>;

    /// Checks access and condition, changes the cart and shows it as it is then, all in one commit.
    /// Parallel changes of one cart happen one after another; none is lost.
    async fn change_cart(&self, access: CartAccess, change: CartChange, show: Show) -> Result<CartView, CartRefused>;

    /// Forgets up to `limit` carts that expired before `now`; answers how many.
    async fn forget_expired_carts(&self, now: Timestamp, limit: u32) -> Result<usize, StoreError>;
}

/// What lists show of an order: a projection, kept in the commit that appends to the stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OrderSummary {
    pub(crate) id: OrderId,
    pub(crate) version: u64,
    pub(crate) number: String,
    pub(crate) status: OrderStatus,
    pub(crate) payment_status: PaymentStatus,
    pub(crate) owner: Owner,
    pub(crate) email: String,
    pub(crate) total: Money,
    pub(crate) item_count: i64,
    pub(crate) cart_id: CartId,
    pub(crate) placed_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) fulfilment_status: FulfilmentStatus,
    /// What it waits for.
    pub(crate) saga: Option<Saga>,
}

impl OrderSummary {
    /// The projection of `order`.
    pub(crate) fn of(order: &Order) -> Self {
        let terms = &*order.terms;
        Self {
            id: order.id,
            version: order.version,
            number: terms.number.clone(),
            status: order.status,
            payment_status: order.payment_status(),
            owner: terms.owner,
            email: terms.email.clone(),
            total: terms.totals.total,
            item_count: terms.lines.iter().map(|line| line.quantity).sum(),
            cart_id: terms.cart_id,
            placed_at: order.placed_at,
            updated_at: order.updated_at,
            fulfilment_status: order.fulfilment_status(),
            saga: Saga::of(order),
        }
    }
}

/// An append to the stream of one order, with everything that belongs to the same commit.
pub(crate) struct Append {
    /// How many facts the stream has; 0 for a new order.
    pub(crate) expected_version: u64,
    pub(crate) facts: Vec<StoredFact>,
    /// The order after the facts.
    pub(crate) summary: OrderSummary,
    /// The order after the facts, if it is time to keep that.
    pub(crate) snapshot: Option<Snapshot>,
    /// What to tell the others.
    pub(crate) says: Vec<(EventId, OrderEvent)>,
    /// The answer to keep.
    pub(crate) receipt: Option<idempotency::Record>,
    /// The event that this handles, for the inbox.
    pub(crate) handles: Option<Handled>,
    /// The version of the cart that becomes this order.
    pub(crate) cart_version: Option<u64>,
    pub(crate) now: Timestamp,
}

/// An event of another service, and who handles it.
pub(crate) struct Handled {
    pub(crate) consumer: &'static str,
    pub(crate) envelope: Envelope,
}

/// How an append ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Appended {
    Done,
    /// The event was handled before; nothing was appended.
    HandledBefore,
}

/// Why nothing was appended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendError {
    /// Somebody else appended meanwhile: read again and decide again.
    #[error("the order has changed meanwhile")]
    Conflict,
    #[error("the cart has become order {0}")]
    CartOrdered(OrderId),
    #[error("the cart has changed meanwhile")]
    CartChanged,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Which orders a list shows; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct OrderFilter {
    pub(crate) owner: Option<Owner>,
    pub(crate) status: Option<OrderStatus>,
    pub(crate) email: Option<String>,
    pub(crate) number: Option<String>,
    /// Inclusive.
    pub(crate) placed_from: Option<Timestamp>,
    /// Exclusive.
    pub(crate) placed_until: Option<Timestamp>,
}

/// Where a page of orders begins: after this one, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OrderCursor {
    pub(crate) placed_at: Timestamp,
    pub(crate) id: OrderId,
}

/// Order numbers that nobody else gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NumberBlock {
    pub(crate) next: u64,
    pub(crate) end: u64,
    /// Shuffles the numbers of this shop.
    pub(crate) shop_key: u64,
}

/// An order with its stream as they are stored, for verification. What does not parse is said so.
pub(crate) struct Audited {
    pub(crate) id: OrderId,
    pub(crate) summary: Result<OrderSummary, StoreError>,
    pub(crate) stream: Result<Vec<StoredFact>, StoreError>,
    pub(crate) snapshot: Result<Option<Snapshot>, StoreError>,
    /// The order that the cart says it became, if the cart is still there.
    pub(crate) cart_order_id: Option<Option<String>>,
}

/// Keeps orders as streams of facts, and their projection.
#[async_trait]
pub(crate) trait OrderStore: Send + Sync {
    /// Appends to a stream, with everything that belongs to it, or does nothing.
    async fn append(&self, append: Append) -> Result<Appended, AppendError>;

    /// The stream of an order; empty if there is no such order.
    async fn load(&self, id: OrderId) -> Result<Vec<StoredFact>, StoreError>;

    /// The same, but from its snapshot on if it has one; whether that can be read is for the caller to see.
    async fn load_recent(&self, id: OrderId) -> Result<Stored, StoreError>;

    /// Facts of the stream after `after_seq`.
    async fn list_facts(&self, id: OrderId, after_seq: u64, limit: u32) -> Result<Vec<StoredFact>, StoreError>;

    /// Orders, newest first.
    async fn list_orders(
        &self,
        filter: OrderFilter,
        after: Option<OrderCursor>,
        limit: u32,
    ) -> Result<Vec<OrderSummary>, StoreError>;

    /// Orders whose saga is due, the most overdue first.
    async fn list_overdue(&self, now: Timestamp, limit: u32) -> Result<Vec<OrderId>, StoreError>;

    /// Takes `count` order numbers out of the shop's counter. `shop_key` is used by the first call ever.
    async fn draw_numbers(&self, count: u32, shop_key: u64) -> Result<NumberBlock, StoreError>;

    /// Orders with their streams, by id, after `after`.
    async fn audit(&self, after: Option<OrderId>, limit: u32) -> Result<Vec<Audited>, StoreError>;

    /// When something was last stored: how far time has come for this store, running or not.
    async fn last_activity(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Ids of streams that have no order, up to `limit`.
    async fn list_orphans(&self, limit: u32) -> Result<Vec<String>, StoreError>;
}
