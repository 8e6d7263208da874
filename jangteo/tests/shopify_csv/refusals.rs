//! What is wrong with a file, and how it is told.

use contracts::Violation;
use jangteo::shopify_csv::{FileError, ReadError, RowError, check_encoding, read};

use crate::{KRW, USD, good, products};

/// What is wrong with each product that cannot be taken.
fn errors(file: &str) -> Vec<String> {
    let refused = products(file.as_bytes(), KRW).into_iter().filter_map(Result::err);
    refused.map(|error| error.to_string()).collect()
}

#[test]
fn rows_are_refused_with_line_column_and_reason() {
    let file = "Handle,Title,Option1 Name,Option1 Value,Variant Price,Variant Compare At Price,Variant Inventory Policy,Variant Inventory Qty,Status\n\
        good,좋은 것,,,1000,,deny,1,active\n\
        a,가,,,abc,,,,\n\
        b,나,,,-5,,,,\n\
        c,다,,,9.99,,,,\n\
        d,라,,,\"1,000\",,,,\n\
        e,마,,,,500,,,\n\
        f,바,,,1,,maybe,1.5,sold\n\
        g,사,Size,S,1,,,,\n\
        g,,,,2,,,,\n\
        h,,,,1,,,,\n\
        i,자,,Red,1,,,,\n\
        good2,또 좋은 것,,,1000,,,,\n\
        good,다시,,,1,,,,\n";
    assert_eq!(
        errors(file),
        [
            "line 3, column Variant Price: `abc` is not an amount in KRW (0 digits after the point at most)",
            "line 4, column Variant Price: `-5` is negative; an amount is 0 or more",
            "line 5, column Variant Price: `9.99` is not an amount in KRW (0 digits after the point at most)",
            "line 6, column Variant Price: `1,000` must be written with a point for decimals and no commas",
            "line 7, column Variant Compare At Price: needs a Variant Price beside it",
            "line 8, column Status: `sold` is not active, draft or archived\n\
             line 8, column Variant Inventory Qty: `1.5` is not a whole number\n\
             line 8, column Variant Inventory Policy: `maybe` is not deny or continue",
            "line 10, column Option1 Value: is missing; the product has this option",
            "line 11, column Title: is missing; the first row of a product needs it",
            "line 12, column Option1 Value: there is a value, but the first row has no Option1 Name",
            "line 14, column Handle: `good` was there before, in line 2; all rows of a product must follow each other",
        ]
    );
    assert_eq!(products(file.as_bytes(), KRW).iter().filter(|product| product.is_ok()).count(), 2);
}

#[test]
fn violations_of_the_catalogue_are_located() {
    let file = "URL handle,Title,Option1 name,Option1 value,SKU,Price,Product image URL\n\
        tee,Tee,Size,S,A,1,https://x/1\n\
        tee,,,,,,not a url\n\
        tee,,,\"S\nor M\",A,1,\n\
        tee,,,S,B,1,\n";
    let parsed = read(file.as_bytes(), USD).unwrap().next().unwrap().unwrap();
    let violations = product_service::validation::check(&parsed.input);
    let located: Vec<String> = violations
        .iter()
        .map(|violation| {
            let RowError { line, column, .. } = parsed.locate(violation);
            format!("{line} {column}")
        })
        .collect();
    assert_eq!(located, ["3 Product image URL", "4 SKU", "6 Option1 value"]);
    let unknown = parsed.locate(&Violation::new("/nowhere", "odd"));
    assert_eq!((unknown.line, unknown.column.as_str()), (2, "/nowhere"));
}

#[test]
fn files_that_are_something_else_are_refused() {
    let refusal = |file: &[u8]| match read(file, KRW) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{file:?} was taken"),
    };
    assert!(refusal(b"").contains("empty"));
    assert!(refusal(b"\xEF\xBB\xBF\r\n\r\n").contains("empty"));
    assert!(refusal(b"Name,Price\nA,1\n").contains("no column Handle"));
    assert!(refusal(b"Handle,Price\nA,1\n").contains("no column Title"));
    assert!(refusal(b"\xFF\xFEH\0").contains("UTF-16"));
    assert!(refusal(b"Handle,Title,Price,Variant Price\n").contains("mean the same"));
    assert!(refusal(b"Handle,Title,Variant Price / KRW\n").contains("--currency"));
    assert!(refusal(b"Handle,Title,Title / ko\n").contains("--locale"));
}

#[test]
fn korean_text_in_another_encoding_is_refused_with_a_hint() {
    // "가방" in CP949.
    let file = b"Handle,Title\nbag,\xB0\xA1\xB9\xE6\n";
    let error = read(&file[..], KRW).unwrap().next().unwrap().unwrap_err();
    assert!(matches!(error, ReadError::File(FileError::NotUtf8 { line: 2 })));
    let error = check_encoding(&file[..]).unwrap_err();
    assert!(error.to_string().contains("CP949"), "{error}");
    check_encoding("Handle,Title\nbag,가방\n".as_bytes()).unwrap();
}

#[test]
fn a_quotation_mark_that_is_not_closed_is_noticed() {
    let found = errors("Handle,Title,Vendor\na,\"가,\nb,나,\nc,다,\n");
    assert!(found[0].contains("quotation mark"), "{found:?}");
}

#[test]
fn cells_beyond_the_header_are_not_lost_silently() {
    assert!(errors("Handle,Title\na,가,누구\n")[0].contains("beyond the 2 columns"));
    assert!(errors("Handle,Title,\na,가,누구\n")[0].contains("without a name"));
    assert!(errors("Handle,Title,,\na,가,,\n").is_empty());
}

#[test]
fn other_separators_and_missing_handles_are_understood() {
    for separator in [';', '\t'] {
        let file = "Handle,Title,Variant Price\na,A,1\n".replace(',', &separator.to_string());
        assert_eq!(good(file.as_bytes(), USD)[0].variants[0].prices[0].amount.amount_minor, 100);
    }
    let file = "Handle,Title,Option1 Name,Option1 Value\n,Big Red Cup!,Size,S\n,,,M\n,빨간 컵,Title,Default Title\n";
    let found = good(file.as_bytes(), USD);
    assert_eq!(found.iter().map(|product| product.handle.as_str()).collect::<Vec<_>>(), ["big-red-cup", "빨간-컵"]);
    assert_eq!(found[0].variants.len(), 2);
}

#[test]
fn a_file_is_read_product_by_product() {
    /// Ends in an error, which is not reached while the products before it are read.
    struct Endless(u64);
    impl std::io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let text = if self.0 == 0 { "Handle,Title\n".to_owned() } else { format!("p-{},Title\n", self.0) };
            self.0 += 1;
            buffer[..text.len()].copy_from_slice(text.as_bytes());
            Ok(text.len())
        }
    }
    assert_eq!(read(Endless(0), USD).unwrap().take(1000).filter(Result::is_ok).count(), 1000);
}
