//! The fields of the index, and how a product becomes a document.

use std::collections::BTreeMap;

use contracts::{Currency, Money, product::ProductId};
use tantivy::{
    TantivyDocument, Term,
    schema::{
        BytesOptions, FAST, Field, INDEXED, IndexRecordOption, JsonObjectOptions, OwnedValue, Schema,
        TextFieldIndexing, TextOptions,
    },
};

use super::{
    IndexedProduct,
    text::{Place, Terms, pretokenized},
};

/// Grows when fields or terms change; an index of another layout is rebuilt.
pub(super) const LAYOUT: u32 = 1;
/// Documents in a segment are in this order, descending: ids are UUIDv7, so the newest come first.
pub(super) const ID_HIGH: &str = "id_high";
pub(super) const ID_LOW: &str = "id_low";
pub(super) const VERSION: &str = "version";
pub(super) const IN_STOCK: &str = "in_stock";
const PRICES: &str = "prices";

/// Handles of the fields.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    pub(super) schema: Schema,
    pub(super) words: Field,
    pub(super) beginnings: Field,
    pub(super) initials: Field,
    pub(super) category: Field,
    id: Field,
    id_high: Field,
    id_low: Field,
    version: Field,
    in_stock: Field,
    prices: Field,
}

impl Fields {
    pub(super) fn new() -> Self {
        let mut builder = Schema::builder();
        // Nothing is stored: what a page shows is read from the store of products.
        let terms = |fieldnorms| {
            let indexing = TextFieldIndexing::default()
                .set_tokenizer("raw")
                .set_index_option(IndexRecordOption::WithFreqs)
                .set_fieldnorms(fieldnorms);
            TextOptions::default().set_indexing_options(indexing)
        };
        let words = builder.add_text_field("words", terms(true));
        let beginnings = builder.add_text_field("beginnings", terms(true));
        let initials = builder.add_text_field("initials", terms(true));
        let category = builder.add_text_field("category", terms(false));
        let id = builder.add_bytes_field("id", BytesOptions::from(INDEXED));
        let id_high = builder.add_u64_field(ID_HIGH, FAST);
        let id_low = builder.add_u64_field(ID_LOW, FAST);
        let version = builder.add_u64_field(VERSION, FAST);
        let in_stock = builder.add_bool_field(IN_STOCK, FAST);
        let prices = builder.add_json_field(PRICES, JsonObjectOptions::default().set_fast("raw"));
        let schema = builder.build();
        Self { schema, words, beginnings, initials, category, id, id_high, id_low, version, in_stock, prices }
    }

    /// The term that names one product.
    pub(super) fn id_term(&self, id: ProductId) -> Term {
        Term::from_field_bytes(self.id, id.as_uuid().as_bytes())
    }

    pub(super) fn document(&self, product: &IndexedProduct) -> TantivyDocument {
        let mut document = TantivyDocument::new();
        let (high, low) = product.id.as_uuid().as_u64_pair();
        document.add_bytes(self.id, product.id.as_uuid().as_bytes());
        document.add_u64(self.id_high, high);
        document.add_u64(self.id_low, low);
        document.add_u64(self.version, product.version);
        document.add_bool(self.in_stock, product.in_stock);
        let prices = lowest(&product.prices).into_iter();
        let prices = prices.map(|(currency, amount)| (currency.code().to_owned(), OwnedValue::I64(amount)));
        document.add_object(self.prices, prices.collect());
        for category in &product.categories {
            document.add_text(self.category, category);
        }
        let terms = terms(product);
        document.add_pre_tokenized_text(self.words, pretokenized(terms.words));
        document.add_pre_tokenized_text(self.beginnings, pretokenized(terms.beginnings));
        document.add_pre_tokenized_text(self.initials, pretokenized(terms.initials));
        document
    }
}

/// The column with the lowest price in a currency.
pub(super) fn price_column(currency: Currency) -> String {
    format!("{PRICES}.{currency}")
}

fn lowest(prices: &[Money]) -> BTreeMap<Currency, i64> {
    let mut lowest = BTreeMap::new();
    for price in prices {
        let least = lowest.entry(price.currency).or_insert(price.amount_minor);
        *least = price.amount_minor.min(*least);
    }
    lowest
}

fn terms(product: &IndexedProduct) -> Terms {
    let mut terms = Terms::default();
    for title in product.titles.0.values() {
        terms.add(title, Place::Title);
    }
    for keyword in &product.keywords {
        terms.add(keyword, Place::Keyword);
    }
    for description in product.descriptions_html.0.values() {
        terms.add_html(description);
    }
    terms
}
