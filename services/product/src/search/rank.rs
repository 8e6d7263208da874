//! Finds the first few products in order, without looking at all that match.
//!
//! Within a segment documents lie by descending id, newest first. That gives three things: the newest
//! matches are the first ones met, so that reading stops early; among products of equal score the newer
//! one wins, which block-max pruning respects because it meets it first; and a page's last product is a
//! position that the next page starts from, whatever was merged meanwhile.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use contracts::{Currency, product::ProductId};
use tantivy::{
    DocId, DocSet, Searcher, SegmentReader, TERMINATED,
    columnar::{Column, ColumnValues},
    query::{AllQuery, EnableScoring, Query},
};

use super::{
    cursor::Position,
    schema::{ID_HIGH, ID_LOW, IN_STOCK, VERSION, price_column},
};

/// The index as of one commit, with the columns that every search reads.
pub(super) struct Snapshot {
    pub(super) searcher: Searcher,
    pub(super) segments: Vec<Columns>,
}

pub(super) struct Columns {
    id_high: Arc<dyn ColumnValues<u64>>,
    id_low: Arc<dyn ColumnValues<u64>>,
    pub(super) version: Arc<dyn ColumnValues<u64>>,
    in_stock: Column<bool>,
}

impl Snapshot {
    pub(super) fn new(searcher: Searcher) -> tantivy::Result<Self> {
        let segments = searcher.segment_readers().iter().map(Columns::open).collect::<tantivy::Result<_>>()?;
        Ok(Self { searcher, segments })
    }
}

impl Columns {
    fn open(reader: &SegmentReader) -> tantivy::Result<Self> {
        let columns = reader.fast_fields();
        Ok(Self {
            id_high: columns.column_first_or_default(ID_HIGH)?,
            id_low: columns.column_first_or_default(ID_LOW)?,
            version: columns.column_first_or_default(VERSION)?,
            in_stock: columns.bool(IN_STOCK)?,
        })
    }

    fn id(&self, doc: DocId) -> u128 {
        (u128::from(self.id_high.get_val(doc)) << 64) | u128::from(self.id_low.get_val(doc))
    }

    /// The first document whose id has this high half or a lower one.
    fn first_at_or_below(&self, id_high: u64) -> DocId {
        let (mut low, mut high) = (0, self.id_high.num_vals());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.id_high.get_val(middle) > id_high { low = middle + 1 } else { high = middle }
        }
        low
    }
}

/// Conditions that are checked document by document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filter {
    pub(super) currency: Currency,
    pub(super) min_price: Option<i64>,
    pub(super) max_price: Option<i64>,
    pub(super) in_stock: bool,
}

/// A match and its place: higher is earlier. The value is a score, a price turned round, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hit {
    pub(super) value: i64,
    pub(super) id: u128,
}

impl Hit {
    pub(super) fn product_id(self) -> ProductId {
        ProductId::from_uuid(uuid::Uuid::from_u128(self.id))
    }
}

/// One segment of a search.
struct Segment<'a> {
    reader: &'a SegmentReader,
    columns: &'a Columns,
    price: Option<Column<i64>>,
    filter: Filter,
}

impl<'a> Segment<'a> {
    fn open(reader: &'a SegmentReader, columns: &'a Columns, filter: Filter, sorts: bool) -> tantivy::Result<Self> {
        let wanted = sorts || filter.min_price.is_some() || filter.max_price.is_some();
        let price = if wanted { reader.fast_fields().column_opt(&price_column(filter.currency))? } else { None };
        Ok(Self { reader, columns, price, filter })
    }

    fn price(&self, doc: DocId) -> Option<i64> {
        self.price.as_ref().and_then(|prices| prices.first(doc))
    }

    fn passes(&self, doc: DocId) -> bool {
        let Filter { min_price, max_price, in_stock, .. } = self.filter;
        if self.reader.is_deleted(doc) || (in_stock && self.columns.in_stock.first(doc) != Some(true)) {
            return false;
        }
        if min_price.is_none() && max_price.is_none() {
            return true;
        }
        self.price(doc).is_some_and(|price| {
            min_price.is_none_or(|least| price >= least) && max_price.is_none_or(|most| price <= most)
        })
    }
}

/// The best so many hits after a position.
struct Top {
    hits: BinaryHeap<Reverse<Hit>>,
    len: usize,
    after: Option<Hit>,
}

impl Top {
    fn new(len: usize, after: Option<Position>) -> Self {
        Self { hits: BinaryHeap::with_capacity(len + 1), len, after: after.map(|position| position.hit) }
    }

    /// The hit that the next one has to beat.
    fn worst(&self) -> Option<Hit> {
        if self.hits.len() < self.len { None } else { self.hits.peek().map(|worst| worst.0) }
    }

    fn offer(&mut self, hit: Hit) {
        if self.after.is_some_and(|after| hit >= after) || self.worst().is_some_and(|worst| hit < worst) {
            return;
        }
        self.hits.push(Reverse(hit));
        if self.hits.len() > self.len {
            self.hits.pop();
        }
    }

    fn into_sorted(self) -> Vec<Hit> {
        self.hits.into_sorted_vec().into_iter().map(|hit| hit.0).collect()
    }
}

/// The order of scores as that of integers; scores are never negative.
fn score_value(score: f32) -> i64 {
    i64::from(score.max(0.0).to_bits())
}

/// The best matches first; among equals, the newest.
pub(super) fn by_relevance(
    snapshot: &Snapshot,
    query: &dyn Query,
    filter: Filter,
    after: Option<Position>,
    len: usize,
) -> tantivy::Result<Vec<Hit>> {
    let weight = query.weight(EnableScoring::enabled_from_searcher(&snapshot.searcher))?;
    let mut top = Top::new(len, after);
    for (reader, columns) in snapshot.searcher.segment_readers().iter().zip(&snapshot.segments) {
        let segment = Segment::open(reader, columns, filter, false)?;
        let before = top.worst().map_or(f32::MIN, |worst| score_to_beat(worst, u64::MAX));
        weight.for_each_pruning(before, reader, &mut |doc, score| {
            if segment.passes(doc) {
                top.offer(Hit { value: score_value(score), id: columns.id(doc) });
            }
            top.worst().map_or(f32::MIN, |worst| score_to_beat(worst, columns.id_high.get_val(doc)))
        })?;
    }
    Ok(top.into_sorted())
}

/// What documents from `id_high` on downwards must exceed. A score equal to the worst hit's still counts
/// as long as a newer product may have it.
fn score_to_beat(worst: Hit, id_high: u64) -> f32 {
    let score = f32::from_bits(u32::try_from(worst.value).unwrap_or(0));
    if id_high < high_half(worst.id) { score } else { score.next_down() }
}

/// The newest matches first. `None` matches everything.
pub(super) fn by_age(
    snapshot: &Snapshot,
    query: Option<&dyn Query>,
    filter: Filter,
    after: Option<Position>,
    len: usize,
) -> tantivy::Result<Vec<Hit>> {
    let weight = query.unwrap_or(&AllQuery).weight(EnableScoring::disabled_from_searcher(&snapshot.searcher))?;
    let mut top = Top::new(len, after);
    for (reader, columns) in snapshot.searcher.segment_readers().iter().zip(&snapshot.segments) {
        let segment = Segment::open(reader, columns, filter, false)?;
        let mut matches = weight.scorer(reader, 1.0)?;
        let start = after.map_or(0, |position| columns.first_at_or_below(high_half(position.hit.id)));
        let mut doc = if matches.doc() < start { matches.seek(start) } else { matches.doc() };
        while doc != TERMINATED {
            // From here on all are older than what is there already.
            if top.worst().is_some_and(|worst| columns.id_high.get_val(doc) < high_half(worst.id)) {
                break;
            }
            if segment.passes(doc) {
                top.offer(Hit { value: 0, id: columns.id(doc) });
            }
            doc = matches.advance();
        }
    }
    Ok(top.into_sorted())
}

/// The cheapest (or dearest) matches first; those without a price in the currency come last.
pub(super) fn by_price(
    snapshot: &Snapshot,
    query: Option<&dyn Query>,
    filter: Filter,
    cheapest_first: bool,
    after: Option<Position>,
    len: usize,
) -> tantivy::Result<Vec<Hit>> {
    let weight = query.unwrap_or(&AllQuery).weight(EnableScoring::disabled_from_searcher(&snapshot.searcher))?;
    let mut top = Top::new(len, after);
    for (reader, columns) in snapshot.searcher.segment_readers().iter().zip(&snapshot.segments) {
        let segment = Segment::open(reader, columns, filter, true)?;
        let value = |price: i64| if cheapest_first { price.saturating_neg() } else { price };
        weight.for_each_no_score(reader, &mut |docs| {
            for &doc in docs {
                let value = segment.price(doc).map_or(i64::MIN, value);
                let beaten = top.worst().is_some_and(|worst| value < worst.value);
                if !beaten && segment.passes(doc) {
                    top.offer(Hit { value, id: columns.id(doc) });
                }
            }
        })?;
    }
    Ok(top.into_sorted())
}

fn high_half(id: u128) -> u64 {
    (id >> 64) as u64
}
