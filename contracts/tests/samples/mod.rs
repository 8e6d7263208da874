//! One event of every shape.

use contracts::{
    Currency, Locale, LocalizedText, Money,
    auth::{AccountCreated, AuthEvent, SessionsRevoked},
    order::{
        Address, LineQuantity, OrderAwaitingPayment, OrderConfirmed, OrderDelivered, OrderEnded, OrderEvent, OrderLine,
        OrderLinesCancelled, OrderPaymentMethodGiven, OrderPlaced, OrderRefunded, OrderReturn, OrderShipped,
        OrderSnapshot, PaymentMethod, RefundRequested, RestockLine, Totals,
    },
    payment::{
        PaymentAction, PaymentActionRequired, PaymentAuthorized, PaymentCaptureFailed, PaymentCaptured,
        PaymentDeclined, PaymentEvent, PaymentMethodRequired, PaymentRefundFailed, PaymentRefunded, PaymentReversed,
        PaymentVoided,
    },
    product::{ProductChanged, ProductEvent, StockCommitFailed, StockLevelChanged, TaxClass},
};
use jiff::Timestamp;

fn id<T: From<uuid::Uuid>>(number: u128) -> T {
    T::from(uuid::Uuid::from_u128(number))
}

fn won(amount: i64) -> Money {
    Money::new(amount, Currency::KRW)
}

fn at() -> Timestamp {
    Timestamp::from_microsecond(1_795_000_000_123_456).unwrap()
}

fn snapshot() -> OrderSnapshot {
    OrderSnapshot {
        order_id: id(1),
        number: "20261122-000042".to_owned(),
        customer: Some(id(2)),
        email: "haneul@example.com".to_owned(),
        locale: Locale::Ko,
        currency: Currency::KRW,
        lines: vec![OrderLine {
            id: id(3),
            variant_id: id(4),
            product_id: id(5),
            sku: Some("MUG-1".to_owned()),
            title: LocalizedText::both("머그", "Mug"),
            option_values: vec!["Black".to_owned()],
            quantity: 2,
            unit_price: won(12_900),
            total: won(25_800),
            tax: won(2_345),
            tax_class: TaxClass::Standard,
        }],
        totals: Totals { subtotal: won(25_800), shipping: won(3_000), tax: won(2_618), total: won(28_800) },
        shipping_address: Some(Address {
            name: "김하늘".to_owned(),
            phone: "+821012345678".to_owned(),
            country: "KR".to_owned(),
            postal_code: "04524".to_owned(),
            city: "서울특별시 중구".to_owned(),
            line1: "세종대로 110".to_owned(),
            line2: "3층".to_owned(),
        }),
        reservation_id: id(6),
        placed_at: at(),
    }
}

fn method() -> PaymentMethod {
    PaymentMethod { provider: "sandbox".to_owned(), token: "tok_approve".to_owned() }
}

fn deposit() -> PaymentAction {
    PaymentAction::Deposit {
        bank: "하늘은행".to_owned(),
        account_number: "110-123-456789".to_owned(),
        holder: "장터".to_owned(),
        due_at: at(),
    }
}

fn redirect() -> PaymentAction {
    PaymentAction::Redirect { url: "https://pay.example.com/3ds".to_owned() }
}

fn ended() -> OrderEnded {
    OrderEnded { order: snapshot(), reason: "requested_by_customer".to_owned(), restock: true }
}

fn returned() -> OrderReturn {
    OrderReturn {
        order: snapshot(),
        return_id: id(7),
        reason: "Too small".to_owned(),
        lines: vec![LineQuantity { line_id: id(3), quantity: 1 }],
        restock: vec![RestockLine { variant_id: id(4), quantity: 1 }],
        receipt: 1,
    }
}

pub(crate) fn order() -> Vec<OrderEvent> {
    let lines = vec![LineQuantity { line_id: id(3), quantity: 1 }];
    let restock = vec![RestockLine { variant_id: id(4), quantity: 1 }];
    let waiting = |action| OrderAwaitingPayment {
        order: snapshot(),
        action,
        reason: Some("insufficient_funds".to_owned()),
        pay_by: at(),
    };
    vec![
        OrderEvent::Placed(OrderPlaced { order: snapshot(), payment_method: method(), pay_by: at() }),
        OrderEvent::AwaitingPayment(waiting(Some(deposit()))),
        OrderEvent::AwaitingPayment(waiting(Some(redirect()))),
        OrderEvent::PaymentMethodGiven(OrderPaymentMethodGiven { order_id: id(1), payment_method: method() }),
        OrderEvent::Confirmed(OrderConfirmed { order: snapshot(), reminder: 0 }),
        OrderEvent::Confirmed(OrderConfirmed { order: snapshot(), reminder: 1 }),
        OrderEvent::Rejected(ended()),
        OrderEvent::Expired(ended()),
        OrderEvent::Cancelled(ended()),
        OrderEvent::Shipped(OrderShipped {
            order: snapshot(),
            fulfilment_id: id(8),
            carrier: Some("하늘택배".to_owned()),
            tracking_number: Some("6412".to_owned()),
            lines: lines.clone(),
        }),
        OrderEvent::Delivered(OrderDelivered { order: snapshot(), fulfilment_id: id(8) }),
        OrderEvent::LinesCancelled(OrderLinesCancelled {
            order: snapshot(),
            cancellation_id: id(9),
            reason: "requested_by_customer".to_owned(),
            lines,
            restock: restock.clone(),
        }),
        OrderEvent::ReturnRequested(returned()),
        OrderEvent::ReturnApproved(returned()),
        OrderEvent::ReturnRejected(returned()),
        OrderEvent::ReturnReceived(returned()),
        OrderEvent::RefundRequested(RefundRequested {
            order_id: id(1),
            refund_id: id(10),
            amount: won(12_900),
            reason: "Damaged".to_owned(),
            restock,
        }),
        OrderEvent::Refunded(OrderRefunded {
            order: snapshot(),
            refund_id: id(10),
            amount: won(12_900),
            refunded_total: won(12_900),
        }),
    ]
}

pub(crate) fn payment() -> Vec<PaymentEvent> {
    let (payment_id, order_id, reason) = (id(11), id(1), "insufficient_funds".to_owned());
    vec![
        PaymentEvent::ActionRequired(PaymentActionRequired { payment_id, order_id, action: deposit() }),
        PaymentEvent::ActionRequired(PaymentActionRequired { payment_id, order_id, action: redirect() }),
        PaymentEvent::MethodRequired(PaymentMethodRequired {
            payment_id,
            order_id,
            reason: reason.clone(),
            attempts_left: 2,
        }),
        PaymentEvent::Authorized(PaymentAuthorized { payment_id, order_id, amount: won(28_800) }),
        PaymentEvent::Declined(PaymentDeclined { payment_id, order_id, reason: reason.clone() }),
        PaymentEvent::Captured(PaymentCaptured { payment_id, order_id, captured_total: won(28_800) }),
        PaymentEvent::CaptureFailed(PaymentCaptureFailed {
            payment_id,
            order_id,
            amount: won(28_800),
            reason: reason.clone(),
        }),
        PaymentEvent::Reversed(PaymentReversed { payment_id, order_id, captured_total: won(0) }),
        PaymentEvent::Voided(PaymentVoided { payment_id, order_id }),
        PaymentEvent::Refunded(PaymentRefunded {
            payment_id,
            order_id,
            refund_id: Some(id(10)),
            amount: won(12_900),
            refunded_total: won(12_900),
        }),
        PaymentEvent::RefundFailed(PaymentRefundFailed {
            payment_id,
            order_id,
            refund_id: Some(id(10)),
            amount: won(12_900),
            reason,
        }),
    ]
}

pub(crate) fn product() -> Vec<ProductEvent> {
    vec![
        ProductEvent::Changed(ProductChanged { product_id: id(5), version: 3 }),
        ProductEvent::StockCommitFailed(StockCommitFailed { reservation_id: id(6), order_id: id(1) }),
        ProductEvent::StockLevelChanged(StockLevelChanged { variant_id: id(4), on_hand: 10, reserved: 2 }),
    ]
}

pub(crate) fn auth() -> Vec<AuthEvent> {
    let email = "haneul@example.com".to_owned();
    vec![
        AuthEvent::AccountCreated(AccountCreated {
            account_id: id(2),
            email: email.clone(),
            name: "김하늘".to_owned(),
            locale: Locale::Ko,
        }),
        AuthEvent::SessionsRevoked(SessionsRevoked {
            account_id: id(2),
            email,
            locale: Locale::Ko,
            reason: "refresh_token_reused".to_owned(),
        }),
    ]
}
