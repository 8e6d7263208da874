//! Product's side of the contract, with stock in memory: holds all lines or none, and answers a repeated
//! request with the first reservation.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use contracts::{
    Currency, LocalizedText, Money,
    product::{
        ProductApi, ProductError, QuoteRequest, Reservation, ReservationId, ReserveRequest, Shortage, TaxClass,
        VariantId, VariantQuote, VariantRef,
    },
};

use super::fixtures::id;

#[derive(Clone)]
struct Shelf {
    quote: VariantQuote,
    on_hand: i64,
    on_sale: bool,
}

#[derive(Clone)]
struct Hold {
    reservation: Reservation,
    units: BTreeMap<VariantId, i64>,
    held: bool,
}

/// Whether questions wait for their answer.
#[derive(Clone, Copy, Default, PartialEq)]
enum Pause {
    #[default]
    No,
    Asked,
    Waiting,
}

/// Everything for sale, and who holds how much of it.
#[derive(Default)]
pub(crate) struct StockRoom {
    shelves: Mutex<BTreeMap<VariantId, Shelf>>,
    holds: Mutex<BTreeMap<ReservationId, Hold>>,
    down: AtomicBool,
    paused: tokio::sync::watch::Sender<Pause>,
    /// Questions asked so far.
    pub(crate) asked: AtomicUsize,
}

impl StockRoom {
    /// Puts a variant on sale in won.
    pub(crate) fn stock(&self, number: u128, sku: &str, price: i64, on_hand: i64) -> VariantId {
        self.stock_as(number, sku, price, on_hand, TaxClass::Standard, true)
    }

    pub(crate) fn stock_as(
        &self,
        number: u128,
        sku: &str,
        price: i64,
        on_hand: i64,
        tax_class: TaxClass,
        requires_shipping: bool,
    ) -> VariantId {
        let variant_id = id(number);
        let quote = VariantQuote {
            variant_id,
            product_id: id(number + 1000),
            sku: Some(sku.to_owned()),
            title: LocalizedText::both("컵", "Cup"),
            option_values: Vec::new(),
            unit_price: Money::new(price, Currency::KRW),
            tax_class,
            requires_shipping,
            available: None,
        };
        self.shelves.lock().unwrap().insert(variant_id, Shelf { quote, on_hand, on_sale: true });
        variant_id
    }

    pub(crate) fn take_off_sale(&self, variant_id: VariantId) {
        self.shelves.lock().unwrap().get_mut(&variant_id).unwrap().on_sale = false;
    }

    pub(crate) fn reprice(&self, variant_id: VariantId, price: i64) {
        self.shelves.lock().unwrap().get_mut(&variant_id).unwrap().quote.unit_price = Money::new(price, Currency::KRW);
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    pub(crate) fn questions(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Units of a variant that are held.
    pub(crate) fn held(&self, variant_id: VariantId) -> i64 {
        let holds = self.holds.lock().unwrap();
        holds.values().filter(|hold| hold.held).filter_map(|hold| hold.units.get(&variant_id)).sum()
    }

    fn quote_one(&self, variant: &VariantRef, currency: Currency) -> Result<VariantQuote, ProductError> {
        let shelves = self.shelves.lock().unwrap();
        let found = match variant {
            VariantRef::Id(id) => shelves.get(id),
            VariantRef::Sku(sku) => shelves.values().find(|shelf| shelf.quote.sku.as_ref() == Some(sku)),
        };
        let shelf =
            found.filter(|shelf| shelf.on_sale).ok_or_else(|| ProductError::NotOnSale(variant.clone()))?.clone();
        drop(shelves);
        if shelf.quote.unit_price.currency != currency {
            return Err(ProductError::NoPrice { variant: variant.clone(), currency });
        }
        let available = shelf.on_hand - self.held(shelf.quote.variant_id);
        Ok(VariantQuote { available: Some(available), ..shelf.quote })
    }

    /// Lets every question wait until [`StockRoom::resume`].
    pub(crate) fn pause(&self) {
        self.paused.send_replace(Pause::Asked);
    }

    /// Waits until a question waits.
    pub(crate) async fn until_paused(&self) {
        self.paused.subscribe().wait_for(|pause| *pause == Pause::Waiting).await.unwrap();
    }

    pub(crate) fn resume(&self) {
        self.paused.send_replace(Pause::No);
    }

    async fn answer(&self) -> Result<(), ProductError> {
        if *self.paused.borrow() != Pause::No {
            self.paused.send_replace(Pause::Waiting);
            self.paused.subscribe().wait_for(|pause| *pause == Pause::No).await.unwrap();
        }
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) { Err(ProductError::Unavailable) } else { Ok(()) }
    }
}

#[async_trait]
impl ProductApi for StockRoom {
    async fn quote(&self, request: QuoteRequest) -> Result<Vec<VariantQuote>, ProductError> {
        self.answer().await?;
        request.variants.iter().map(|variant| self.quote_one(variant, request.currency)).collect()
    }

    async fn reserve(&self, request: ReserveRequest) -> Result<Reservation, ProductError> {
        self.answer().await?;
        let mut units = BTreeMap::new();
        for line in &request.lines {
            *units.entry(line.variant_id).or_insert(0) += line.quantity;
        }
        if let Some(hold) = self.holds.lock().unwrap().get(&request.reservation_id) {
            return match hold {
                Hold { held: false, .. } => Err(ProductError::Invalid("the hold has ended".to_owned())),
                hold if hold.units != units => Err(ProductError::ReservationMismatch(request.reservation_id)),
                hold => Ok(hold.reservation.clone()),
            };
        }
        let quotes = request
            .lines
            .iter()
            .map(|line| self.quote_one(&VariantRef::Id(line.variant_id), request.currency))
            .collect::<Result<Vec<_>, _>>()?;
        let shortages: Vec<Shortage> = units
            .iter()
            .filter_map(|(variant_id, requested)| {
                let quote = quotes.iter().find(|quote| quote.variant_id == *variant_id)?;
                let available = quote.available.unwrap_or(i64::MAX);
                (available < *requested).then_some(Shortage {
                    variant_id: *variant_id,
                    requested: *requested,
                    available,
                })
            })
            .collect();
        if !shortages.is_empty() {
            return Err(ProductError::InsufficientStock(shortages));
        }
        let reservation = Reservation { id: request.reservation_id, expires_at: request.expires_at, quotes };
        let hold = Hold { reservation: reservation.clone(), units, held: true };
        self.holds.lock().unwrap().insert(request.reservation_id, hold);
        Ok(reservation)
    }

    async fn release(&self, reservation_id: ReservationId) -> Result<(), ProductError> {
        self.answer().await?;
        if let Some(hold) = self.holds.lock().unwrap().get_mut(&reservation_id) {
            hold.held = false;
        }
        Ok(())
    }
}

/// A stock room for the service and for the test.
pub(crate) fn stock_room() -> Arc<StockRoom> {
    Arc::default()
}
