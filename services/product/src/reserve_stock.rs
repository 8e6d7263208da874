//! What other services ask: quotes, reservations, releases.

use async_trait::async_trait;
use chassis::StoreError;
use contracts::product::{
    ProductApi, ProductError, QuoteRequest, Reservation, ReservationId, ReserveRequest, VariantQuote,
};

use crate::{
    service::ProductService,
    store::{ReserveError, Stamp},
};

/// Lines in one request at most.
const LINES_MAX: usize = 1000;
/// Of one line at most.
const QUANTITY_MAX: i64 = 1_000_000;

#[async_trait]
impl ProductApi for ProductService {
    async fn quote(&self, request: QuoteRequest) -> Result<Vec<VariantQuote>, ProductError> {
        if request.variants.len() > LINES_MAX {
            return Err(ProductError::Invalid(format!("at most {LINES_MAX} variants can be quoted at once")));
        }
        self.store.quote(request).await.map_err(answer)
    }

    async fn reserve(&self, request: ReserveRequest) -> Result<Reservation, ProductError> {
        let lines = &request.lines;
        if lines.is_empty() || lines.len() > LINES_MAX {
            return Err(ProductError::Invalid(format!("a reservation takes 1 to {LINES_MAX} lines")));
        }
        if lines.iter().any(|line| !(1..=QUANTITY_MAX).contains(&line.quantity)) {
            return Err(ProductError::Invalid(format!("quantities go from 1 to {QUANTITY_MAX}")));
        }
        let stamp = Stamp::new(&self.env, "order");
        self.store.reserve(request, stamp).await.map_err(answer)
    }

    async fn release(&self, reservation_id: ReservationId) -> Result<(), ProductError> {
        let stamp = Stamp::new(&self.env, "order");
        self.store.release(reservation_id, stamp).await.map_err(|error| answer(error.into()))
    }
}

/// A failure may leave open whether the reservation was made; asking again under its id tells.
fn answer(error: ReserveError) -> ProductError {
    match error {
        ReserveError::Refused(refusal) => refusal,
        ReserveError::Store(error) => {
            match &error {
                StoreError::Corrupt(_) => tracing::error!(%error, "stock cannot be read or written"),
                StoreError::Unavailable(_) | StoreError::Unknown(_) | StoreError::Full => {
                    tracing::warn!(%error, "stock cannot be read or written now");
                }
            }
            ProductError::Unavailable
        }
    }
}
