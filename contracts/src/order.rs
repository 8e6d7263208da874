//! The order service: carts and orders.

mod tolerant;

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Currency, Locale, LocalizedText, Money,
    auth::AccountId,
    payment::PaymentAction,
    product::{ProductId, ReservationId, TaxClass, VariantId},
};

crate::typed_id!(
    /// A cart.
    CartId,
    "crt"
);
crate::typed_id!(
    /// A line of a cart, and of the order it becomes.
    LineId,
    "lin"
);
crate::typed_id!(
    /// An order. People see its number instead.
    OrderId,
    "ord"
);
crate::typed_id!(
    /// A wish to give money back.
    RefundId,
    "ref"
);

crate::typed_id!(
    /// A parcel of an order, or what is to become one.
    FulfilmentId,
    "ful"
);
crate::typed_id!(
    /// Goods of an order that come back.
    ReturnId,
    "rtn"
);
crate::typed_id!(
    /// Units of an order that were called off.
    CancellationId,
    "can"
);

/// Where an order stands. Payment and fulfilment are separate, computed axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Placed; stock is held, payment is under way.
    Pending,
    /// The customer has to act: a redirect, a bank transfer.
    AwaitingPayment,
    /// A person has to look at it.
    OnHold,
    /// Stock and payment are certain.
    Confirmed,
    /// Being packed or partly shipped.
    Processing,
    /// Everything shipped.
    Completed,
    /// The payment was declined.
    Rejected,
    /// Nobody paid in time.
    Expired,
    /// Called off by customer or staff.
    Cancelled,
    /// The return window is over.
    Closed,
}

/// What of the money has arrived, computed from the payment events of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// Nothing authorized.
    NotPaid,
    /// Authorized, not captured.
    Authorized,
    /// Captured in part.
    PartiallyPaid,
    /// Captured in full.
    Paid,
    /// Some of it was given back.
    PartiallyRefunded,
    /// All of it was given back.
    Refunded,
    /// The authorization was let go; nothing was taken.
    Voided,
}

/// What of the goods has left and come back, computed from the parcels and returns of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FulfilmentStatus {
    /// Nothing has left.
    None,
    /// Some of it has left.
    Partial,
    /// All that was not called off has left.
    Shipped,
    /// All that was not called off has arrived.
    Delivered,
    /// Some of it came back.
    PartiallyReturned,
    /// All of it came back.
    Returned,
}

/// A postal address. Its `Debug` form names nobody.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Who receives.
    #[schema(min_length = 1, max_length = 100, example = "김하늘")]
    pub name: String,
    /// E.164 (`+821012345678`) or national digits.
    #[schema(max_length = 32, example = "+821012345678")]
    pub phone: String,
    /// ISO 3166-1 alpha-2.
    #[schema(pattern = "^[A-Z]{2}$", example = "KR")]
    pub country: String,
    /// Five digits in Korea.
    #[schema(max_length = 16, example = "04524")]
    pub postal_code: String,
    /// City or province.
    #[schema(max_length = 100, example = "서울특별시 중구")]
    pub city: String,
    /// Street and number (road-name address in Korea).
    #[schema(min_length = 1, max_length = 200, example = "세종대로 110")]
    pub line1: String,
    /// Building, floor, flat.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(max_length = 200, example = "3층")]
    pub line2: String,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").field("country", &self.country).finish_non_exhaustive()
    }
}

/// How the buyer pays. `token` stands for a method at the provider; card numbers never come here, and
/// the token stays out of the `Debug` form.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PaymentMethod {
    /// The payment provider.
    #[schema(max_length = 32, example = "sandbox")]
    pub provider: String,
    /// What the provider's client library returned.
    #[schema(min_length = 1, max_length = 200, example = "tok_approve")]
    pub token: String,
}

impl fmt::Debug for PaymentMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PaymentMethod").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// One line of an order as it was sold; prices never change afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderLine {
    /// The line.
    pub id: LineId,
    /// What was sold.
    pub variant_id: VariantId,
    /// Its product.
    pub product_id: ProductId,
    /// The shop's own code at the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// The name at the time.
    pub title: LocalizedText,
    /// The option values at the time.
    pub option_values: Vec<String>,
    /// How many.
    #[schema(minimum = 1)]
    pub quantity: i64,
    /// Tax-inclusive price of one.
    pub unit_price: Money,
    /// Tax-inclusive price of all.
    pub total: Money,
    /// The tax inside `total`.
    pub tax: Money,
    /// The class it was taxed by.
    pub tax_class: TaxClass,
}

/// Sums of a cart or order. `total = subtotal + shipping`; taxes are inside these, not on top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Totals {
    /// All lines.
    pub subtotal: Money,
    /// Delivery.
    pub shipping: Money,
    /// The tax inside `total`, the sum of the taxes of the lines and of shipping.
    pub tax: Money,
    /// What the buyer pays.
    pub total: Money,
}

/// What other services need to know of an order; carried by its events so that nobody has to call back.
/// The buyer stays out of its `Debug` form.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderSnapshot {
    /// The order.
    pub order_id: OrderId,
    /// What people call it.
    pub number: String,
    /// The buyer, unless a guest.
    pub customer: Option<AccountId>,
    /// Where mails go.
    pub email: String,
    /// In which language.
    pub locale: Locale,
    /// Of all amounts.
    pub currency: Currency,
    /// What was sold.
    pub lines: Vec<OrderLine>,
    /// The sums.
    pub totals: Totals,
    /// Where it goes; absent if nothing needs delivery.
    #[serde(default, deserialize_with = "tolerant::address")]
    pub shipping_address: Option<Address>,
    /// The stock held for it.
    pub reservation_id: ReservationId,
    /// When it was placed.
    pub placed_at: jiff::Timestamp,
}

impl fmt::Debug for OrderSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrderSnapshot")
            .field("order_id", &self.order_id)
            .field("number", &self.number)
            .field("total", &self.totals.total)
            .finish_non_exhaustive()
    }
}

/// `order.placed`: payment authorizes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderPlaced {
    /// The order.
    pub order: OrderSnapshot,
    /// How the buyer pays.
    #[serde(deserialize_with = "tolerant::payment_method")]
    pub payment_method: PaymentMethod,
    /// After this nobody waits for the payment.
    pub pay_by: jiff::Timestamp,
}

/// `order.awaiting_payment`: the buyer has to act; notification writes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderAwaitingPayment {
    /// The order.
    pub order: OrderSnapshot,
    /// What to do; `None` if another payment method is needed.
    pub action: Option<PaymentAction>,
    /// Why the last method did not work, if that is what happened.
    pub reason: Option<String>,
    /// After this nobody waits for the payment.
    pub pay_by: jiff::Timestamp,
}

/// `order.payment_method_given`: payment tries another method.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderPaymentMethodGiven {
    /// The order.
    pub order_id: OrderId,
    /// How the buyer wants to pay now.
    #[serde(deserialize_with = "tolerant::payment_method")]
    pub payment_method: PaymentMethod,
}

/// `order.confirmed`: product commits the reservation, payment captures, notification writes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderConfirmed {
    /// The order.
    pub order: OrderSnapshot,
    /// 0 when it happened; said again with 1, 2, … while its money does not come: payment and product make sure of
    /// their part once more, and nobody writes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reminder: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// `order.rejected`, `order.expired`, `order.cancelled`: product releases or restocks, payment voids or
/// refunds, notification writes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderEnded {
    /// The order.
    pub order: OrderSnapshot,
    /// Why, for the customer.
    pub reason: String,
    /// True if the goods were already taken from stock and go back on the shelf.
    pub restock: bool,
}

/// Units that go back on the shelf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestockLine {
    /// Which variant.
    pub variant_id: VariantId,
    /// How many.
    pub quantity: i64,
}

/// So many units of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LineQuantity {
    /// Which line.
    pub line_id: LineId,
    /// How many.
    #[schema(minimum = 1)]
    pub quantity: i64,
}

/// `order.shipped`: a parcel has left; notification writes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderShipped {
    /// The order.
    pub order: OrderSnapshot,
    /// Which parcel.
    pub fulfilment_id: FulfilmentId,
    /// Who carries it.
    pub carrier: Option<String>,
    /// The carrier's number for it.
    pub tracking_number: Option<String>,
    /// What is in it.
    #[serde(deserialize_with = "tolerant::lines")]
    pub lines: Vec<LineQuantity>,
}

/// `order.delivered`: a parcel has arrived.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderDelivered {
    /// The order.
    pub order: OrderSnapshot,
    /// Which parcel.
    pub fulfilment_id: FulfilmentId,
}

/// `order.lines_cancelled`: units were called off before they left; product restocks, notification writes.
/// Their money goes back by an `order.refund_requested` of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderLinesCancelled {
    /// The order.
    pub order: OrderSnapshot,
    /// Which cancellation.
    pub cancellation_id: CancellationId,
    /// Why, for the customer.
    pub reason: String,
    /// What was called off.
    #[serde(deserialize_with = "tolerant::lines")]
    pub lines: Vec<LineQuantity>,
    /// What goes back on the shelf.
    pub restock: Vec<RestockLine>,
}

/// `order.return_requested`, `…_approved`, `…_rejected`, `…_received`: notification writes; product restocks
/// what was received in good order. Its money goes back by an `order.refund_requested` of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderReturn {
    /// The order.
    pub order: OrderSnapshot,
    /// Which return.
    pub return_id: ReturnId,
    /// Why: the customer's reason, or the shop's if it was rejected.
    pub reason: String,
    /// The units it is about; of a receipt, those that arrived with it.
    #[serde(deserialize_with = "tolerant::lines")]
    pub lines: Vec<LineQuantity>,
    /// What goes back on the shelf; empty unless received.
    pub restock: Vec<RestockLine>,
    /// Counts the receipts of this return, from 1; 0 unless received.
    pub receipt: u32,
}

/// `order.refund_requested`: payment gives money back, product restocks the named units.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RefundRequested {
    /// The order.
    pub order_id: OrderId,
    /// Identifies this refund in both services.
    pub refund_id: RefundId,
    /// How much.
    pub amount: Money,
    /// Why, for the records and the provider.
    pub reason: String,
    /// What goes back on the shelf.
    pub restock: Vec<RestockLine>,
}

/// `order.refunded`: money went back; notification writes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderRefunded {
    /// The order.
    pub order: OrderSnapshot,
    /// Which refund.
    pub refund_id: RefundId,
    /// How much this time.
    pub amount: Money,
    /// How much in all.
    pub refunded_total: Money,
}

crate::events! {
    /// What happens in order.
    OrderEvent on "order.events" from "/jangteo/order" {
        /// See [`OrderPlaced`].
        Placed(OrderPlaced) = "order.placed" / 1,
        /// See [`OrderAwaitingPayment`].
        AwaitingPayment(OrderAwaitingPayment) = "order.awaiting_payment" / 1,
        /// See [`OrderPaymentMethodGiven`].
        PaymentMethodGiven(OrderPaymentMethodGiven) = "order.payment_method_given" / 1,
        /// See [`OrderConfirmed`].
        Confirmed(OrderConfirmed) = "order.confirmed" / 1,
        /// The payment was declined; see [`OrderEnded`].
        Rejected(OrderEnded) = "order.rejected" / 1,
        /// Nobody paid in time; see [`OrderEnded`].
        Expired(OrderEnded) = "order.expired" / 1,
        /// Called off; see [`OrderEnded`].
        Cancelled(OrderEnded) = "order.cancelled" / 1,
        /// See [`OrderShipped`].
        Shipped(OrderShipped) = "order.shipped" / 1,
        /// See [`OrderDelivered`].
        Delivered(OrderDelivered) = "order.delivered" / 1,
        /// See [`OrderLinesCancelled`].
        LinesCancelled(OrderLinesCancelled) = "order.lines_cancelled" / 1,
        /// The buyer wants to send goods back; see [`OrderReturn`].
        ReturnRequested(OrderReturn) = "order.return_requested" / 1,
        /// The shop takes them back; see [`OrderReturn`].
        ReturnApproved(OrderReturn) = "order.return_approved" / 1,
        /// The shop does not; see [`OrderReturn`].
        ReturnRejected(OrderReturn) = "order.return_rejected" / 1,
        /// They arrived, wholly or in part; see [`OrderReturn`].
        ReturnReceived(OrderReturn) = "order.return_received" / 1,
        /// See [`RefundRequested`].
        RefundRequested(RefundRequested) = "order.refund_requested" / 1,
        /// See [`OrderRefunded`].
        Refunded(OrderRefunded) = "order.refunded" / 1,
    }
}
