//! Places an order: holds the stock, then appends the order with everything that belongs to it in one commit.

use chassis::{
    StoreError,
    idempotency::{IdempotencyKey, Receipt},
};
use contracts::{
    Money, MoneyError, Violation,
    event::EventId,
    order::{CartId, LineId, OrderId, PaymentMethod},
    product::{ProductError, Reservation, ReservationId, ReserveLine, ReserveRequest, Shortage, VariantId, VariantRef},
};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::{
    cart::{
        Cart, CartLine,
        pricing::{price_line, sum_up},
    },
    cart_error::CartError,
    cart_view::method_not_offered,
    order::{Order, fact::Terms, stream::Origin},
    order_view::OrderView,
    owner::Shopper,
    quotes::{Quotes, Unsellable},
    service::OrderService,
    store::{Append, AppendError, Appended, OrderSummary},
};

/// How many holds are tried when a retry finds one that has lapsed.
const HOLDS_MAX: u8 = 4;

/// What the buyer agrees to.
pub(crate) struct PlaceOrder {
    pub(crate) cart_id: CartId,
    pub(crate) payment_method: PaymentMethod,
    /// What the buyer was shown; another sum is not agreed to.
    pub(crate) expected_total: Option<Money>,
}

/// Why no order was placed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error("no such cart")]
    NoSuchCart,
    #[error("the cart has become order {0}")]
    Ordered(OrderId),
    /// The cart lacks something.
    #[error("the cart is not complete")]
    Incomplete(Vec<Violation>),
    #[error("not enough stock")]
    Short(Vec<ShortLine>),
    /// Somebody changed the cart between reading and ordering it.
    #[error("the cart has changed meanwhile")]
    CartChanged,
    /// Prices are no longer those that the buyer was shown.
    #[error("the cart comes to {total}")]
    TotalChanged { total: Money },
    #[error("product cannot answer")]
    ProductUnavailable,
    #[error(transparent)]
    Money(#[from] MoneyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A line that stock does not cover.
#[derive(Debug, serde::Serialize)]
pub(crate) struct ShortLine {
    pub(crate) line_id: LineId,
    #[serde(skip)]
    pub(crate) index: usize,
    pub(crate) variant_id: VariantId,
    pub(crate) requested: i64,
    pub(crate) available: i64,
}

/// Stock that is held for an order to come.
struct Held {
    reservation: Reservation,
    now: Timestamp,
    pay_by: Timestamp,
}

impl OrderService {
    /// Places the order of a cart. Repeated with the same key, it holds the same stock, not more.
    pub(crate) async fn place_order(
        &self,
        shopper: &Shopper,
        wanted: PlaceOrder,
        receipt: Receipt<OrderView>,
    ) -> Result<OrderView, PlaceError> {
        let cart = self.own_cart(shopper, wanted.cart_id).await.map_err(not_shown)?;
        if let Some(order_id) = cart.order_id {
            return Err(PlaceError::Ordered(order_id));
        }
        self.check_complete(&cart).await?;
        let now = self.env.now();
        let (reservation, pay_by) = self.reserve(&cart, receipt.key(), now).await?;
        let reservation_id = reservation.id;
        let held = Held { reservation, now, pay_by };
        let placed = self.append_placed(shopper, cart, wanted, held, receipt).await;
        if let Err(error) = &placed
            && self.is_left_over(reservation_id, error).await
        {
            self.release(reservation_id).await;
        }
        placed
    }

    /// True if no order has the hold or ever will. After a failure of the store nobody knows: who repeats the
    /// request finds the hold by its id, and otherwise it lapses. A cart that was ordered by this very request,
    /// sent twice, keeps its hold.
    async fn is_left_over(&self, reservation_id: ReservationId, error: &PlaceError) -> bool {
        match error {
            PlaceError::Store(_) => false,
            PlaceError::Ordered(order_id) => match self.load_order(*order_id).await {
                Ok(Some(order)) => order.terms.reservation_id != reservation_id,
                Ok(None) | Err(_) => false,
            },
            _ => true,
        }
    }

    /// Refuses a cart that lacks something. Only one that lacks its delivery costs a question to product:
    /// whether there is anything to deliver.
    async fn check_complete(&self, cart: &Cart) -> Result<(), PlaceError> {
        let mut missing = cart.missing();
        let delivery = cart.missing_delivery();
        if !delivery.is_empty() && !cart.lines.is_empty() {
            let present = cart.lines.iter().map(|line| line.variant_id);
            let quotes = Quotes::ask(&*self.product, cart.currency, &[], present)
                .await
                .map_err(|error| not_shown(error.into()))?;
            let ships = |line: &CartLine| {
                quotes.find(line.variant_id).is_some_and(|quote| quote.is_ok_and(|quote| quote.requires_shipping))
            };
            if cart.lines.iter().any(ships) {
                missing.extend(delivery);
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(PlaceError::Incomplete(missing)) }
    }

    /// Holds the stock. The id follows from the idempotency key, so that a retry after a crash finds the
    /// hold of the first attempt; one that has ended or lapses too soon is replaced. Answers until when the
    /// payment may take, too.
    pub(crate) async fn reserve(
        &self,
        cart: &Cart,
        key: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<(Reservation, Timestamp), PlaceError> {
        let after = |span| now.checked_add(span).map_err(|error| StoreError::corrupt("clock", error));
        let pay_by = after(self.config.pay_within())?;
        let expires_at = after(self.config.pay_within() + self.config.hold_margin())?;
        let line = |line: &CartLine| ReserveLine { variant_id: line.variant_id, quantity: line.quantity };
        let lines: Vec<ReserveLine> = cart.lines.iter().map(line).collect();
        for attempt in 0..HOLDS_MAX {
            let reservation_id = reservation_id(key, cart, attempt);
            let request = ReserveRequest { reservation_id, currency: cart.currency, lines: lines.clone(), expires_at };
            let reservation = match self.product.reserve(request).await {
                Ok(reservation) => reservation,
                Err(ProductError::Invalid(_) | ProductError::ReservationMismatch(_)) => continue,
                Err(error) => return Err(not_reserved(cart, error)),
            };
            let held_until = reservation.expires_at.checked_sub(self.config.hold_margin()).unwrap_or(now);
            if held_until > now && reservation.quotes.len() == cart.lines.len() {
                return Ok((reservation, pay_by.min(held_until)));
            }
        }
        tracing::warn!(cart = %cart.id, "no hold could be had for this cart");
        Err(PlaceError::ProductUnavailable)
    }

    async fn append_placed(
        &self,
        shopper: &Shopper,
        cart: Cart,
        wanted: PlaceOrder,
        held: Held,
        receipt: Receipt<OrderView>,
    ) -> Result<OrderView, PlaceError> {
        let cart_version = cart.version;
        let now = held.now;
        let terms = self.agree(cart, &wanted, held).await?;
        let origin = Origin { at: now, ..self.request_of(shopper) };
        let (order, placed) = Order::place(self.env.new_id(), terms, origin).map_err(StoreError::from)?;
        let view = OrderView::of(&order);
        let append = Append {
            expected_version: 0,
            facts: vec![placed],
            summary: OrderSummary::of(&order),
            snapshot: None,
            says: vec![(self.env.new_id::<EventId>(), order.announce_placed(wanted.payment_method))],
            receipt: Some(receipt.record(&view, now)?),
            handles: None,
            cart_version: Some(cart_version),
            now,
        };
        match self.orders.append(append).await {
            Ok(Appended::Done | Appended::HandledBefore) => Ok(view),
            Err(AppendError::CartOrdered(order_id)) => Err(PlaceError::Ordered(order_id)),
            Err(AppendError::CartChanged | AppendError::Conflict) => Err(PlaceError::CartChanged),
            Err(AppendError::Store(error)) => Err(error.into()),
        }
    }

    /// What buyer and shop agree on: the prices are those of the reservation.
    async fn agree(&self, cart: Cart, wanted: &PlaceOrder, held: Held) -> Result<Terms, PlaceError> {
        let Held { reservation, now, pay_by } = held;
        let sold = cart.lines.iter().zip(&reservation.quotes);
        let lines = sold
            .map(|(line, quote)| price_line(line.id, line.quantity, quote, &self.config.tax))
            .collect::<Result<Vec<_>, _>>()?;
        let ships = reservation.quotes.iter().any(|quote| quote.requires_shipping);
        let missing = cart.missing_delivery();
        if ships && !missing.is_empty() {
            return Err(PlaceError::Incomplete(missing));
        }
        let method = cart.shipping_method.as_deref().filter(|_| ships);
        let method = method.and_then(|id| self.config.shipping_method(id));
        let (totals, shipping) = sum_up(cart.currency, &lines, method, &self.config)?;
        if ships && shipping.is_none() {
            return Err(PlaceError::Incomplete(vec![method_not_offered()]));
        }
        if wanted.expected_total.is_some_and(|expected| expected != totals.total) {
            return Err(PlaceError::TotalChanged { total: totals.total });
        }
        Ok(Terms {
            number: self.numbers.next(now).await?,
            owner: cart.owner,
            email: cart.email.unwrap_or_default(),
            locale: cart.locale,
            currency: cart.currency,
            lines,
            totals,
            shipping,
            shipping_address: cart.shipping_address.filter(|_| ships),
            cart_id: cart.id,
            reservation_id: reservation.id,
            payment_provider: wanted.payment_method.provider.clone(),
            pay_by,
            capture_within_seconds: self.config.capture_within_seconds,
        })
    }

    /// Gives the stock of an order back that will not come about. If that fails, the hold lapses by itself.
    async fn release(&self, reservation_id: ReservationId) {
        if let Err(error) = self.product.release(reservation_id).await {
            tracing::warn!(reservation = %reservation_id, %error, "a hold was not released and will lapse");
        }
    }
}

/// The hold that belongs to a key and a cart in one version: UUIDv8 from their SHA-256 (RFC 9562 §5.8).
fn reservation_id(key: &IdempotencyKey, cart: &Cart, attempt: u8) -> ReservationId {
    let mut hasher = Sha256::new();
    for part in [key.scope.as_bytes(), key.key.as_bytes(), cart.id.as_uuid().as_bytes()] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.update(cart.version.to_be_bytes());
    hasher.update([attempt]);
    let digest: [u8; 32] = hasher.finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().into()
}

fn not_shown(error: CartError) -> PlaceError {
    match error {
        CartError::ProductUnavailable | CartError::Busy => PlaceError::ProductUnavailable,
        CartError::Store(error) => PlaceError::Store(error),
        CartError::Money(error) => PlaceError::Money(error),
        CartError::Unsellable(violations) | CartError::Invalid(violations) => PlaceError::Incomplete(violations),
        _ => PlaceError::NoSuchCart,
    }
}

fn not_reserved(cart: &Cart, error: ProductError) -> PlaceError {
    let lines_of = |variant: &VariantRef, detail: &str| {
        let named = |line: &CartLine| *variant == VariantRef::Id(line.variant_id);
        let lines = cart.lines.iter().enumerate().filter(|(_, line)| named(line));
        PlaceError::Incomplete(lines.map(|(index, _)| Violation::new(format!("/lines/{index}"), detail)).collect())
    };
    match error {
        ProductError::InsufficientStock(shortages) => PlaceError::Short(short_lines(cart, &shortages)),
        ProductError::NotOnSale(variant) => lines_of(&variant, Unsellable::NotOnSale.advice()),
        ProductError::NoPrice { variant, .. } => lines_of(&variant, Unsellable::NoPrice.advice()),
        other => {
            tracing::warn!(error = %other, "product did not reserve");
            PlaceError::ProductUnavailable
        }
    }
}

fn short_lines(cart: &Cart, shortages: &[Shortage]) -> Vec<ShortLine> {
    let short = |variant_id| shortages.iter().find(move |shortage: &&Shortage| shortage.variant_id == variant_id);
    let lines = cart.lines.iter().enumerate();
    lines
        .filter_map(|(index, line)| {
            let Shortage { variant_id, requested, available } = *short(line.variant_id)?;
            Some(ShortLine { line_id: line.id, index, variant_id, requested, available })
        })
        .collect()
}
