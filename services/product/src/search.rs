//! Full-text search in Korean and English over the catalogue: a read model kept from product events.
//!
//! The index can always be made again from the store, so a missing, damaged or differently laid out one
//! is replaced by an empty one that says so ([`SearchIndex::needs_rebuild`]).
//!
//! Everything here blocks, but not for long: a search takes some tens of microseconds, few enough to run
//! on an async thread; [`SearchIndex::apply`] waits for the disk and belongs on a blocking one. The
//! writer and its buffers exist only while there is something to write ([`SearchIndex::rest`]).

mod cursor;
mod hangul;
mod plan;
mod rank;
mod schema;
mod text;
mod write;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use contracts::{Currency, LocalizedText, Money, product::ProductId};
use jiff::Timestamp;
use tantivy::{
    Index, IndexReader, IndexSettings, ReloadPolicy, TantivyError,
    index::{IndexSortByField, Order},
};

pub use self::write::Rebuilding;
use self::{
    cursor::Position,
    plan::{Reader, Reading},
    rank::{Filter, Hit, Snapshot},
    schema::Fields,
    write::{Progress, Writer},
};

/// Hits in one page at most.
pub const HITS_MAX: usize = 100;

/// What the index knows of a product that is on sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedProduct {
    /// The product.
    pub id: ProductId,
    /// Its version; an older one than the index has is ignored.
    pub version: u64,
    /// When it last changed; see [`SearchIndex::last_applied`].
    pub changed_at: Timestamp,
    /// Its name.
    pub titles: LocalizedText,
    /// Its description.
    pub descriptions_html: LocalizedText,
    /// Vendor, type, tags, names of its category, option values, SKUs, barcodes.
    pub keywords: Vec<String>,
    /// Handles of its category and of all categories above.
    pub categories: Vec<String>,
    /// Prices of all variants.
    pub prices: Vec<Money>,
    /// True if any variant can be bought.
    pub in_stock: bool,
}

/// The order of hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// Best match first; without a text, newest first.
    #[default]
    Relevance,
    /// Lowest price first, by the cheapest variant.
    PriceAscending,
    /// Highest price first, by the cheapest variant.
    PriceDescending,
    /// Newest product first.
    Newest,
}

impl Sort {
    const ALL: [Self; 4] = [Self::Relevance, Self::PriceAscending, Self::PriceDescending, Self::Newest];
}

/// What to find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchQuery {
    /// Text; all its words must match. Empty finds everything.
    pub q: String,
    /// Handle of a category that the product is in or under.
    pub category: Option<String>,
    /// Prices are compared in this currency, by the cheapest variant.
    pub currency: Currency,
    /// At least this price, in minor units.
    pub min_price: Option<i64>,
    /// At most this price, in minor units.
    pub max_price: Option<i64>,
    /// Only what can be bought now.
    pub in_stock: bool,
    /// The order.
    pub sort: Sort,
    /// Hits in the page, 1 to [`HITS_MAX`].
    pub limit: usize,
    /// [`SearchPage::next_cursor`] of the page before, with the same query.
    pub cursor: Option<String>,
}

impl SearchQuery {
    /// Finds `q`, the best 20 matches, prices in `currency`.
    pub fn new(q: impl Into<String>, currency: Currency) -> Self {
        Self {
            q: q.into(),
            category: None,
            currency,
            min_price: None,
            max_price: None,
            in_stock: false,
            sort: Sort::Relevance,
            limit: 20,
            cursor: None,
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchPage {
    /// In the order asked for.
    pub ids: Vec<ProductId>,
    /// Absent on the last page. It stays good while the index changes; after a change, scores may shift
    /// so that a product near the border of two pages is shown on both or none.
    pub next_cursor: Option<String>,
}

/// Why a search or a change of the index failed.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The cursor is not from a page of this search.
    #[error("the cursor is not from a page of this search")]
    InvalidCursor,
    /// The folder of the index cannot be read or written.
    #[error("the search index in {path} is inaccessible: {reason}. Check that the folder is writable.")]
    Inaccessible {
        /// The folder.
        path: String,
        /// What the operating system says.
        reason: String,
    },
    /// The index failed; rebuild it.
    #[error("the search index failed: {0}")]
    Broken(String),
}

impl From<TantivyError> for SearchError {
    fn from(error: TantivyError) -> Self {
        Self::Broken(error.to_string())
    }
}

/// The index. Share it by `Arc`.
pub struct SearchIndex {
    index: Index,
    fields: Fields,
    reader: IndexReader,
    snapshot: RwLock<Arc<Snapshot>>,
    writer: Mutex<Writer>,
}

impl SearchIndex {
    /// Opens the index in the folder `path`, or makes one; `None` keeps it in memory. An index that
    /// cannot be used is replaced by an empty one.
    pub fn open(path: Option<&Path>) -> Result<Self, SearchError> {
        let fields = Fields::new();
        let Some(path) = path else {
            return Self::start(builder(&fields).create_in_ram()?, fields);
        };
        if path.join("meta.json").exists() {
            match Self::open_existing(path, &fields) {
                Ok(Some(index)) => return Ok(index),
                Ok(None) => tracing::info!("the search index has another layout; it is made again"),
                Err(error) => tracing::warn!(%error, "the search index cannot be used; it is made again"),
            }
        }
        let inaccessible = |error: io::Error| SearchError::Inaccessible {
            path: PathBuf::from(path).display().to_string(),
            reason: error.to_string(),
        };
        if path.exists() {
            fs::remove_dir_all(path).map_err(inaccessible)?;
        }
        fs::create_dir_all(path).map_err(inaccessible)?;
        Self::start(builder(&fields).create_in_dir(path)?, fields)
    }

    fn open_existing(path: &Path, fields: &Fields) -> Result<Option<Self>, TantivyError> {
        let index = Index::open_in_dir(path)?;
        let meta = index.load_metas()?;
        let readable = Progress::parse(meta.payload.as_deref()).is_some() || meta.segments.is_empty();
        if index.schema() != fields.schema || !readable {
            return Ok(None);
        }
        Self::start(index, fields.clone()).map(Some).map_err(|error| TantivyError::InternalError(error.to_string()))
    }

    fn start(index: Index, fields: Fields) -> Result<Self, SearchError> {
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let snapshot = RwLock::new(Arc::new(Snapshot::new(reader.searcher())?));
        let progress = Progress::parse(index.load_metas()?.payload.as_deref()).unwrap_or_default();
        let writer = Mutex::new(Writer::new(progress));
        Ok(Self { index, fields, reader, snapshot, writer })
    }

    /// True until [`Rebuilding::finish`]: the index is new, or was never made to its end.
    pub fn needs_rebuild(&self) -> bool {
        !self.writer().progress().complete
    }

    /// The latest [`IndexedProduct::changed_at`] among what was applied. After a restart, apply what
    /// changed since; what is there already is skipped.
    pub fn last_applied(&self) -> Option<Timestamp> {
        self.writer().progress().last_applied
    }

    /// How many products are indexed.
    pub fn len(&self) -> u64 {
        self.snapshot().searcher.num_docs()
    }

    /// True if nothing is indexed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Finds products. The text is first taken literally; if that finds nothing, as typed on the wrong
    /// keyboard, then without a stray space, then with a keystroke wrong.
    pub fn search(&self, query: &SearchQuery) -> Result<SearchPage, SearchError> {
        let after = match &query.cursor {
            Some(cursor) => Some(Position::from_cursor(cursor, query.sort).ok_or(SearchError::InvalidCursor)?),
            None => None,
        };
        let snapshot = self.snapshot();
        if query.q.trim().is_empty() {
            return page(&snapshot, &self.fields, query, &[], after, Reading::Literal);
        }
        let reader = Reader { fields: &self.fields, searcher: &snapshot.searcher };
        let readings = after.map_or(&Reading::ALL[..], |position| {
            let index = position.reading as usize;
            &Reading::ALL[index..=index]
        });
        for &reading in readings {
            let Some(clauses) = reader.read(&query.q, reading)? else { continue };
            if clauses.is_empty() {
                break;
            }
            let page = page(&snapshot, &self.fields, query, &clauses, after, reading)?;
            if !page.ids.is_empty() {
                return Ok(page);
            }
        }
        Ok(SearchPage::default())
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn writer(&self) -> std::sync::MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows what was committed.
    fn reload(&self) -> Result<(), SearchError> {
        self.reader.reload()?;
        let snapshot = Arc::new(Snapshot::new(self.reader.searcher())?);
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
        Ok(())
    }
}

fn builder(fields: &Fields) -> tantivy::IndexBuilder {
    let newest_first = IndexSortByField { field: schema::ID_HIGH.to_owned(), order: Order::Desc };
    let settings = IndexSettings { sort_by_field: Some(newest_first), ..IndexSettings::default() };
    Index::builder().schema(fields.schema.clone()).settings(settings)
}

/// Finds one page by `clauses`; one hit more than is shown tells whether there is another page.
fn page(
    snapshot: &Snapshot,
    fields: &Fields,
    query: &SearchQuery,
    clauses: &[plan::Clause],
    after: Option<Position>,
    reading: Reading,
) -> Result<SearchPage, SearchError> {
    let filter = Filter {
        currency: query.currency,
        min_price: query.min_price,
        max_price: query.max_price,
        in_stock: query.in_stock,
    };
    let category = query.category.as_deref().map(|handle| (fields.category, handle));
    let matching = plan::all_of(clauses, category);
    let limit = query.limit.clamp(1, HITS_MAX);
    let len = limit + 1;
    let by_price = |cheapest_first| rank::by_price(snapshot, matching.as_deref(), filter, cheapest_first, after, len);
    let mut hits: Vec<Hit> = match (query.sort, &matching) {
        (Sort::Relevance, Some(matching)) if !clauses.is_empty() => {
            rank::by_relevance(snapshot, matching.as_ref(), filter, after, len)?
        }
        (Sort::Relevance | Sort::Newest, matching) => rank::by_age(snapshot, matching.as_deref(), filter, after, len)?,
        (Sort::PriceAscending, _) => by_price(true)?,
        (Sort::PriceDescending, _) => by_price(false)?,
    };
    let more = hits.len() > limit;
    hits.truncate(limit);
    let last = hits.last().filter(|_| more);
    let next_cursor = last.map(|hit| Position { sort: query.sort, reading, hit: *hit }.to_cursor());
    Ok(SearchPage { ids: hits.into_iter().map(Hit::product_id).collect(), next_cursor })
}
