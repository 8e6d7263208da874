//! Shopify's product CSV: real files of several years, everything that can be wrong with one, and that a
//! file that was written reads back as the same products.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod files;
mod refusals;
mod round_trip;

use contracts::{Currency, Locale};
use jangteo::shopify_csv::{Columns, ParsedProduct, ReadError, ReadOptions, Writer, read};
use product_service::product::ProductInput;

const USD: ReadOptions = ReadOptions { currency: Currency::USD, locale: Locale::En };
const KRW: ReadOptions = ReadOptions { currency: Currency::KRW, locale: Locale::Ko };

fn products(file: &[u8], options: ReadOptions) -> Vec<Result<ParsedProduct, ReadError>> {
    read(file, options).unwrap().collect()
}

fn good(file: &[u8], options: ReadOptions) -> Vec<ProductInput> {
    products(file, options).into_iter().map(|product| product.unwrap().input).collect()
}

fn written(products: &[ProductInput], options: ReadOptions) -> Vec<u8> {
    let mut columns = Columns::new(options.currency, options.locale);
    products.iter().for_each(|product| columns.add(product));
    let mut writer = Writer::new(Vec::new(), columns).unwrap();
    products.iter().for_each(|product| writer.write(product).unwrap());
    writer.finish().unwrap()
}
