//! Whole lives of orders, appended with the operations that the use cases append with: for the bench, which measures
//! the store and nothing above it.

use chassis::{Env, StoreError};
use contracts::{
    event::EventId,
    order::{OrderEvent, PaymentMethod},
    payment::{PaymentAuthorized, PaymentCaptured},
};

use crate::{
    order::{
        FoldError, Order,
        fact::{Fact, Terms},
        snapshot::Snapshot,
        stream::{Origin, StoredFact},
    },
    store::{Append, AppendError, OrderStore as _, OrderSummary, sqlite::SqliteStore},
};

/// What somebody bought, as it is stored. Ids and number are made anew for every order.
const TERMS: &str = r#"{
    "number": "", "owner": {"guest": "5d1430b5210fd98fe35e4e9f73396462fefdbae2e177ab99d9dc4000185b7409"},
    "email": "haneul@example.com", "locale": "ko", "currency": "KRW",
    "lines": [{
        "id": "lin_01a2053888367c0baa5f8ca6aa122e32", "variant_id": "var_01a20538883270e6be48493fb3956b61",
        "product_id": "prd_01a2053888327dba97bb18ac4246ce12", "sku": "CUP-1", "title": {"ko": "컵", "en": "Cup"},
        "option_values": [], "quantity": 3, "unit_price": {"amount_minor": 11000, "currency": "KRW"},
        "total": {"amount_minor": 33000, "currency": "KRW"}, "tax": {"amount_minor": 3000, "currency": "KRW"},
        "tax_class": "standard"
    }],
    "totals": {
        "subtotal": {"amount_minor": 33000, "currency": "KRW"}, "shipping": {"amount_minor": 3000, "currency": "KRW"},
        "tax": {"amount_minor": 3273, "currency": "KRW"}, "total": {"amount_minor": 36000, "currency": "KRW"}
    },
    "shipping": {
        "method": "standard", "price": {"amount_minor": 3000, "currency": "KRW"},
        "tax": {"amount_minor": 273, "currency": "KRW"}
    },
    "shipping_address": {
        "name": "김하늘", "phone": "+821012345678", "country": "KR", "postal_code": "04524",
        "city": "서울특별시 중구", "line1": "세종대로 110"
    },
    "cart_id": "crt_01a20538883676eaad445a0c3a664a09", "reservation_id": "rsv_41ccd2150b2f8c749dc9ba56d5a0b79c",
    "payment_provider": "sandbox", "pay_by": "2026-11-22T22:02:47.232615Z"
}"#;

/// Appends an order that is placed, confirmed and captured, each durable before the next; answers how many events
/// that were.
pub async fn append_life(store: &SqliteStore, env: &Env) -> Result<usize, StoreError> {
    let mut terms: Terms = serde_json::from_str(TERMS)?;
    (terms.cart_id, terms.reservation_id) = (env.new_id(), env.new_id());
    terms.number = terms.cart_id.to_string();
    terms.pay_by = env.now();
    let total = terms.totals.total;
    let (mut order, placed) = Order::place(env.new_id(), terms, origin(env, "guest"))?;
    let method = PaymentMethod { provider: "sandbox".to_owned(), token: "tok_approve".to_owned() };
    append(store, env, &order, vec![placed], vec![order.announce_placed(method)]).await?;

    let (payment_id, order_id) = (env.new_id(), order.id);
    let facts = order.payment_authorized(PaymentAuthorized { payment_id, order_id, amount: total });
    advance(store, env, &mut order, facts).await?;
    let facts = order.payment_captured(PaymentCaptured { payment_id, order_id, captured_total: total });
    advance(store, env, &mut order, facts).await?;
    Ok(usize::try_from(order.version).unwrap_or(usize::MAX))
}

async fn advance(store: &SqliteStore, env: &Env, order: &mut Order, facts: Vec<Fact>) -> Result<(), StoreError> {
    let says = facts.iter().filter_map(|fact| order.announce(fact)).collect();
    let facts = order.advance(facts, &origin(env, "payment")).map_err(corrupt)?;
    append(store, env, order, facts, says).await
}

async fn append(
    store: &SqliteStore,
    env: &Env,
    order: &Order,
    facts: Vec<StoredFact>,
    says: Vec<OrderEvent>,
) -> Result<(), StoreError> {
    let expected_version = order.version - facts.len() as u64;
    let append = Append {
        expected_version,
        facts,
        snapshot: Snapshot::if_due(order, expected_version)?,
        summary: OrderSummary::of(order),
        says: says.into_iter().map(|event| (env.new_id::<EventId>(), event)).collect(),
        receipt: None,
        handles: None,
        cart_version: None,
        now: env.now(),
    };
    match store.append(append).await {
        Ok(_) => Ok(()),
        Err(AppendError::Store(error)) => Err(error),
        Err(other) => Err(StoreError::corrupt("the life of an order", other)),
    }
}

fn origin(env: &Env, actor: &str) -> Origin {
    Origin { actor: actor.to_owned(), cause: env.new_id::<EventId>().to_string(), at: env.now() }
}

fn corrupt(error: FoldError) -> StoreError {
    StoreError::corrupt("the life of an order", error)
}

#[cfg(test)]
mod tests {
    use chassis::sqlite::Location;

    use super::*;

    #[tokio::test]
    async fn such_a_life_is_one_that_an_order_can_have() {
        let (env, _) = Env::simulated(1);
        let store = SqliteStore::open(&Location::Memory).unwrap();
        for _ in 0..3 {
            assert_eq!(append_life(&store, &env).await.unwrap(), 4);
        }
        assert!(crate::verify::verify(&store).await.unwrap().is_empty());
    }
}
