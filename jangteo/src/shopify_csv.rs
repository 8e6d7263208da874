//! Shopify's product CSV, the format merchants have their catalogues in: a reader that takes every
//! vintage of it product by product, and a writer whose files read back as exactly the same products.
//!
//! What the format cannot say stands in columns of our own that Shopify ignores: `Title / ko`,
//! `Variant Price / USD`, `Category Handle`. Columns that mean nothing to the shop are kept as attributes
//! of the product or variant and written back.
//!
//! **Stock.** Shopify leaves `Variant Inventory Tracker` empty for what it does not count, yet real files
//! leave it empty everywhere and fill in the quantity. Selling what is not there is the worse mistake:
//! a quantity counts, whatever the tracker says. Only what has neither tracker nor quantity, or needs no
//! shipping and has a quantity of 0, is not counted. A file without a tracker column leaves the
//! counting on.

mod columns;
mod header;
mod product;
mod read;
mod write;

pub use self::{
    header::FileError,
    product::{ParsedProduct, Rejection, RowError},
    read::{Products, ReadError, ReadOptions, check_encoding, read},
    write::{Columns, Writer},
};
