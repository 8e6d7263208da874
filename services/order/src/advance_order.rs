//! The course that every change of an order takes: read its stream, decide, append what was decided with
//! what is said of it; and all over if somebody else was faster.

use chassis::{StoreError, idempotency::Record};
use contracts::{event::EventId, order::OrderId};

use crate::{
    order::{FoldError, Order, fact::Fact, snapshot::Snapshot, stream::Origin},
    service::OrderService,
    store::{Append, AppendError, Appended, Handled, OrderSummary},
};

/// How often a decision is made anew because the order changed meanwhile.
const ATTEMPTS_MAX: usize = 8;

/// Why an order did not change.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdvanceError<E> {
    #[error("no such order")]
    NotFound,
    /// By a rule.
    #[error(transparent)]
    Refused(E),
    /// It changes faster than can be decided.
    #[error("the order is busy")]
    Busy,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<E> From<FoldError> for AdvanceError<E> {
    fn from(error: FoldError) -> Self {
        Self::Store(StoreError::corrupt("the stream of an order", error))
    }
}

impl OrderService {
    /// The order, made from its stream, or from its snapshot and what came after it.
    pub(crate) async fn load_order(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        let stored = self.orders.load_recent(id).await?;
        let stream = match &stored.snapshot {
            None => stored.facts,
            Some(snapshot) => match Order::resume(id, snapshot, &stored.facts) {
                Some(order) => return Ok(Some(order)),
                None => self.orders.load(id).await?,
            },
        };
        if stream.is_empty() {
            return Ok(None);
        }
        Order::fold(id, &stream).map(Some).map_err(|error| StoreError::corrupt(&id.to_string(), error))
    }

    /// Lets what `decide` says happen to the order; nothing is appended if it says nothing. `keep` renders
    /// the answer to keep, `handles` is the event that this handles.
    pub(crate) async fn advance<E>(
        &self,
        id: OrderId,
        origin: Origin,
        handles: impl Fn() -> Option<Handled>,
        decide: impl Fn(&Order) -> Result<Vec<Fact>, E>,
        keep: impl Fn(&Order) -> Result<Option<Record>, StoreError>,
    ) -> Result<Order, AdvanceError<E>> {
        for _ in 0..ATTEMPTS_MAX {
            let mut order = self.load_order(id).await?.ok_or(AdvanceError::NotFound)?;
            let facts = decide(&order).map_err(AdvanceError::Refused)?;
            if facts.is_empty() {
                return Ok(order);
            }
            let expected_version = order.version;
            let (mut says, mut sealed) = (Vec::new(), Vec::new());
            for fact in facts {
                says.extend(order.announce(&fact).map(|event| (self.env.new_id::<EventId>(), event)));
                sealed.extend(order.advance(vec![fact], &origin)?);
            }
            let append = Append {
                expected_version,
                facts: sealed,
                summary: OrderSummary::of(&order),
                snapshot: Snapshot::if_due(&order, expected_version).map_err(StoreError::from)?,
                says,
                receipt: keep(&order)?,
                handles: handles(),
                cart_version: None,
                now: origin.at,
            };
            chassis::fail_point!("order.advance.before");
            match self.orders.append(append).await {
                Ok(Appended::Done) => return Ok(order),
                Ok(Appended::HandledBefore) => return self.load_order(id).await?.ok_or(AdvanceError::NotFound),
                Err(AppendError::Store(error)) => return Err(error.into()),
                Err(AppendError::Conflict | AppendError::CartChanged | AppendError::CartOrdered(_)) => {
                    tracing::debug!(order = %id, "the order changed meanwhile; deciding anew");
                }
            }
        }
        Err(AdvanceError::Busy)
    }
}
