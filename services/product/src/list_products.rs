//! Lists of products, rendered and kept until the catalogue changes.
//!
//! Lists without a text come from the store's indexes. A text, or a price range in another order than by
//! price, is the search index's work.

use contracts::{Currency, Locale, Violation};

use crate::{
    cursor,
    error::CatalogueError,
    product::ProductStatus,
    rendered::{Asked, Rendered},
    search::{SearchQuery, Sort},
    service::ProductService,
    store::{ListAfter, ListQuery, ListSort},
    view::{Audience, ProductView},
};

const Q_CHARS_MAX: usize = 200;

/// The order of a list, as asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProductSort {
    /// Best match first if there is a text, else newest first.
    Default,
    /// Newest first.
    Newest,
    /// Cheapest first.
    Price,
    /// Dearest first.
    PriceDescending,
    /// By title.
    Title,
}

/// Which products to list, and how.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProductList {
    /// Only of this status; `None` for all.
    pub status: Option<ProductStatus>,
    /// Only of this category and those below it.
    pub category: Option<String>,
    /// Lowest price at least this, in minor units.
    pub min_price: Option<i64>,
    /// Lowest price at most this, in minor units.
    pub max_price: Option<i64>,
    /// Of the prices.
    pub currency: Currency,
    /// Only what can be bought, or only what cannot.
    pub in_stock: Option<bool>,
    /// Only what this text finds.
    pub q: Option<String>,
    /// In which order.
    pub sort: ProductSort,
    /// Of the titles to sort by.
    pub locale: Locale,
    /// How many at most.
    pub limit: u32,
    /// Where the last page ended.
    pub cursor: Option<String>,
    /// What is shown of each.
    pub audience: Audience,
}

impl ProductList {
    fn has_range(&self) -> bool {
        self.min_price.is_some() || self.max_price.is_some()
    }

    fn by_price(&self) -> bool {
        matches!(self.sort, ProductSort::Price | ProductSort::PriceDescending)
    }

    /// The search index answers, not the store.
    fn is_search(&self) -> bool {
        self.q.is_some() || (self.has_range() && !self.by_price())
    }

    /// Combinations that nothing answers quickly are refused rather than answered slowly.
    fn check(&self) -> Result<(), CatalogueError> {
        let mut violations = Vec::new();
        let mut refuse = |field: &str, detail: &str| violations.push(Violation::new(field, detail));
        if self.q.as_ref().is_some_and(|q| q.chars().count() > Q_CHARS_MAX) {
            refuse("q", "must be at most 200 characters");
        }
        for (field, bound) in [("min_price", self.min_price), ("max_price", self.max_price)] {
            if bound.is_some_and(|bound| bound < 0) {
                refuse(field, "must not be negative");
            }
        }
        if self.is_search() {
            if self.sort == ProductSort::Title {
                refuse("sort", "`title` goes with neither `q` nor a price range; use `price` or `newest`");
            }
            if self.status != Some(ProductStatus::Active) {
                refuse("status", "`q` and price ranges find active products only");
            }
            if self.in_stock == Some(false) {
                refuse("in_stock", "`false` goes with neither `q` nor a price range, unless sorted by price");
            }
        }
        let newest = matches!(self.sort, ProductSort::Default | ProductSort::Newest);
        if self.status.is_none() && (self.category.is_some() || self.in_stock.is_some() || !newest) {
            refuse("status", "`any` goes with no other filter and no other order than `newest`");
        }
        if violations.is_empty() { Ok(()) } else { Err(CatalogueError::Invalid(violations)) }
    }

    fn is_cacheable(&self) -> bool {
        self.audience == Audience::Public && self.status == Some(ProductStatus::Active)
    }
}

impl ProductService {
    /// One page of products as JSON.
    pub async fn list_products(&self, list: &ProductList) -> Result<Rendered, CatalogueError> {
        if !list.is_cacheable() {
            return self.render_list(list).await;
        }
        let asked = Asked::List(list.clone());
        // Before reading: what is read may be newer than this, never older.
        let generation = self.generation();
        if let Some(rendered) = self.rendered.get(&asked, generation) {
            return Ok(rendered);
        }
        let rendered = self.render_list(list).await?;
        self.rendered.keep(asked, generation, rendered.clone());
        Ok(rendered)
    }

    async fn render_list(&self, list: &ProductList) -> Result<Rendered, CatalogueError> {
        list.check()?;
        let (views, next_cursor) =
            if list.is_search() { self.search_views(list).await? } else { self.stored_views(list).await? };
        let mut body = Vec::with_capacity(views.iter().map(|view| view.len() + 1).sum::<usize>() + 96);
        body.extend_from_slice(b"{\"items\":[");
        for (index, view) in views.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            body.extend_from_slice(view.as_bytes());
        }
        body.push(b']');
        if let Some(cursor) = next_cursor {
            // Cursors are letters, digits, `-`, `_` and `.` only: nothing to escape.
            body.extend_from_slice(format!(",\"next_cursor\":\"{cursor}\"").as_bytes());
        }
        body.push(b'}');
        Ok(Rendered::by_content(body))
    }

    async fn search_views(&self, list: &ProductList) -> Result<(Vec<String>, Option<String>), CatalogueError> {
        let page = self.search.search(&SearchQuery {
            q: list.q.clone().unwrap_or_default(),
            category: list.category.clone(),
            currency: list.currency,
            min_price: list.min_price,
            max_price: list.max_price,
            in_stock: list.in_stock == Some(true),
            sort: match list.sort {
                ProductSort::Price => Sort::PriceAscending,
                ProductSort::PriceDescending => Sort::PriceDescending,
                ProductSort::Newest => Sort::Newest,
                ProductSort::Default | ProductSort::Title => Sort::Relevance,
            },
            limit: list.limit as usize,
            cursor: list.cursor.clone(),
        })?;
        let views = match list.audience {
            Audience::Public => self.store.views(page.ids).await?,
            Audience::Staff => self.full_views(page.ids).await?,
        };
        Ok((views, page.next_cursor))
    }

    async fn stored_views(&self, list: &ProductList) -> Result<(Vec<String>, Option<String>), CatalogueError> {
        let (name, sort) = match (list.sort, list.locale) {
            (ProductSort::Default | ProductSort::Newest, _) => ("newest", ListSort::Newest),
            (ProductSort::Price, _) => ("price", ListSort::Price(list.currency)),
            (ProductSort::PriceDescending, _) => ("-price", ListSort::PriceDescending(list.currency)),
            (ProductSort::Title, Locale::Ko) => ("title.ko", ListSort::TitleKo),
            (ProductSort::Title, Locale::En) => ("title.en", ListSort::TitleEn),
        };
        let after = match &list.cursor {
            None => None,
            Some(text) => match cursor::decode::<(String, ListAfter)>(text)? {
                (of, after) if of == name => Some(after),
                _ => return Err(cursor::invalid()),
            },
        };
        let query = ListQuery {
            status: list.status,
            category: list.category.clone(),
            in_stock: list.in_stock,
            min_price: list.min_price,
            max_price: list.max_price,
            sort,
            after,
            limit: list.limit + 1,
        };
        let mut listed = self.store.list(query).await?;
        let more = listed.len() > list.limit as usize;
        listed.truncate(list.limit as usize);
        let next_cursor = listed.last().filter(|_| more).map(|last| cursor::encode(&(name, &last.place)));
        let views = match list.audience {
            Audience::Public => listed.into_iter().map(|listed| listed.view).collect(),
            Audience::Staff => self.full_views(listed.iter().map(|listed| listed.id).collect()).await?,
        };
        Ok((views, next_cursor))
    }

    async fn full_views(&self, ids: Vec<contracts::product::ProductId>) -> Result<Vec<String>, CatalogueError> {
        let products = self.store.get_many(ids).await?;
        let views = products
            .iter()
            .map(|(product, levels)| serde_json::to_string(&ProductView::new(product, levels, Audience::Staff)))
            .collect::<Result<_, _>>();
        Ok(views.map_err(chassis::StoreError::from)?)
    }
}
