//! Order, filters, pages, versions, and what happens to an index that cannot be used.

use std::{collections::BTreeSet, fs, sync::Arc};

use contracts::{Currency, Money};
use product_service::search::{IndexedProduct, SearchError, SearchIndex, SearchQuery, Sort};

use crate::shop::{id, product};

fn numbers(index: &SearchIndex, query: &SearchQuery) -> Vec<u64> {
    index.search(query).unwrap().ids.iter().map(|id| id.as_uuid().as_u64_pair().1).collect()
}

/// All pages of a search, one after the other.
fn all_pages(index: &SearchIndex, query: &SearchQuery) -> Vec<u64> {
    let mut query = query.clone();
    let mut found = Vec::new();
    loop {
        let page = index.search(&query).unwrap();
        assert!(page.ids.len() <= query.limit);
        found.extend(page.ids.iter().map(|id| id.as_uuid().as_u64_pair().1));
        match page.next_cursor {
            Some(cursor) => query.cursor = Some(cursor),
            None => return found,
        }
    }
}

/// 300 products in several segments, many of them alike so that scores are equal.
fn varied() -> SearchIndex {
    let index = SearchIndex::open(None).unwrap();
    for chunk in (0..300).collect::<Vec<usize>>().chunks(37) {
        let products = chunk.iter().map(|&number| IndexedProduct {
            categories: vec!["all".to_owned(), format!("third-{}", number % 3)],
            in_stock: number % 4 != 0,
            prices: match number % 10 {
                0 => vec![Money::new(number as i64, Currency::USD)],
                _ => vec![
                    Money::new(number as i64 % 50 * 100 + 5, Currency::KRW),
                    Money::new(number as i64 % 50 * 100, Currency::KRW),
                ],
            },
            ..product(number, ["빨간 컵", "빨간 컵 컵 세트", "파란 접시"][number % 3], "")
        });
        index.apply(products.collect()).unwrap();
    }
    index
}

#[test]
fn pages_show_everything_once_in_every_order() {
    let index = varied();
    for (q, matching) in [("", 300), ("빨간", 200), ("빨간 컵", 200)] {
        for sort in [Sort::Relevance, Sort::Newest, Sort::PriceAscending, Sort::PriceDescending] {
            for limit in [1, 7, 100] {
                let query = SearchQuery { sort, limit, ..SearchQuery::new(q, Currency::KRW) };
                let found = all_pages(&index, &query);
                assert_eq!(found.len(), matching, "{q} {sort:?} {limit}");
                assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), matching, "{q} {sort:?} {limit}");
                let whole = SearchQuery { limit: 100, ..query };
                assert_eq!(found, all_pages(&index, &whole), "{q} {sort:?} {limit}: pages of any length agree");
            }
        }
    }
}

#[test]
fn every_order_is_as_named() {
    let index = varied();
    let find = |sort| all_pages(&index, &SearchQuery { sort, limit: 100, ..SearchQuery::new("", Currency::KRW) });
    let newest: Vec<u64> = (0..300).rev().collect();
    assert_eq!(find(Sort::Newest), newest);
    assert_eq!(find(Sort::Relevance), newest, "without a text the newest lead");
    let price = |number: &u64| if number.is_multiple_of(10) { None } else { Some(number % 50 * 100) };
    let ascending = find(Sort::PriceAscending);
    assert!(ascending.is_sorted_by_key(|number| (price(number).is_none(), price(number), u64::MAX - number)));
    let descending = find(Sort::PriceDescending);
    assert!(descending.is_sorted_by_key(|number| (u64::MAX - price(number).unwrap_or(0), u64::MAX - number)));
    // Twice the word counts more; among equals the newer.
    let relevant = all_pages(&index, &SearchQuery::new("컵", Currency::KRW));
    assert!(relevant[..100].iter().all(|number| number % 3 == 1));
    assert!(relevant[..100].is_sorted_by_key(|number| u64::MAX - number));
}

#[test]
fn filters_apply_in_every_order() {
    let index = varied();
    for sort in [Sort::Relevance, Sort::Newest, Sort::PriceAscending, Sort::PriceDescending] {
        for q in ["", "빨간"] {
            let query = SearchQuery {
                category: Some("third-1".to_owned()),
                min_price: Some(1000),
                max_price: Some(3000),
                in_stock: true,
                sort,
                limit: 7,
                ..SearchQuery::new(q, Currency::KRW)
            };
            let expected: BTreeSet<u64> =
                (0..300).filter(|n| n % 3 == 1 && n % 4 != 0 && n % 10 != 0 && (10..=30).contains(&(n % 50))).collect();
            let found = all_pages(&index, &query);
            assert_eq!(found.len(), expected.len(), "{sort:?} {q}");
            assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected, "{sort:?} {q}");
            let usd = SearchQuery { currency: Currency::USD, category: None, in_stock: false, ..query.clone() };
            let dear = SearchQuery { min_price: Some(280), max_price: Some(280), ..usd };
            assert_eq!(numbers(&index, &dear), [280]);
            let nowhere = SearchQuery { category: Some("nowhere".to_owned()), ..query };
            assert!(numbers(&index, &nowhere).is_empty());
        }
    }
}

#[test]
fn a_page_stays_where_it_was_while_products_are_added() {
    let index = varied();
    let query = SearchQuery { sort: Sort::Newest, limit: 10, ..SearchQuery::new("", Currency::KRW) };
    let first = index.search(&query).unwrap();
    index.apply((300..400).map(|number| product(number, "새것", "new")).collect()).unwrap();
    let second = numbers(&index, &SearchQuery { cursor: first.next_cursor, ..query });
    assert_eq!(second, (280..290).rev().collect::<Vec<_>>());
}

#[test]
fn ids_of_one_instant_are_all_shown() {
    let index = SearchIndex::open(None).unwrap();
    let same_instant = |low: u64| IndexedProduct {
        id: uuid::Uuid::from_u64_pair(7, low.wrapping_mul(0x9E37_79B9_7F4A_7C15)).into(),
        ..product(0, "똑같은 컵", "same cup")
    };
    for chunk in 0..5 {
        index.apply((chunk * 9..chunk * 9 + 9).map(same_instant).collect()).unwrap();
    }
    for sort in [Sort::Relevance, Sort::Newest, Sort::PriceAscending] {
        let query = SearchQuery { sort, limit: 4, ..SearchQuery::new("컵", Currency::KRW) };
        let found = all_pages(&index, &query);
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 45, "{sort:?}");
        assert_eq!(found.len(), 45, "{sort:?}");
    }
}

#[test]
fn older_versions_are_ignored_and_newer_ones_replace() {
    let index = SearchIndex::open(None).unwrap();
    let version = |version, title: &str| IndexedProduct { version, ..product(1, title, "") };
    index.apply(vec![version(3, "연필"), version(2, "지우개"), version(2, "지우개")]).unwrap();
    index.apply(vec![version(1, "공책")]).unwrap();
    assert_eq!(index.len(), 1);
    assert_eq!(numbers(&index, &SearchQuery::new("연필", Currency::KRW)), [1]);
    index.apply(vec![version(4, "텐트")]).unwrap();
    assert!(numbers(&index, &SearchQuery::new("연필", Currency::KRW)).is_empty());
    assert_eq!(numbers(&index, &SearchQuery::new("텐트", Currency::KRW)), [1]);
    index.remove(&[id(1), id(2)]).unwrap();
    assert!(index.is_empty());
}

#[test]
fn a_cursor_of_another_search_is_refused() {
    let index = varied();
    let query = SearchQuery { sort: Sort::Newest, ..SearchQuery::new("", Currency::KRW) };
    let cursor = index.search(&query).unwrap().next_cursor;
    assert!(cursor.is_some());
    for (sort, cursor) in [(Sort::PriceAscending, cursor), (Sort::Newest, Some("x".to_owned()))] {
        let refused = index.search(&SearchQuery { sort, cursor, ..query.clone() });
        assert!(matches!(refused, Err(SearchError::InvalidCursor)));
    }
}

#[test]
fn any_text_is_answered() {
    let index = varied();
    let long = "가나다라마바사아자차카타파하".repeat(1000);
    let words = "word ".repeat(10_000);
    for q in ["\"", "*", "a:b", "컵 AND", "\u{0}", "ㅏ", "ㅏㅏㅏ", "🫖", "  ", "-", "ﷺ", &long, &words] {
        let page = index.search(&SearchQuery::new(q, Currency::KRW)).unwrap();
        assert!(page.ids.len() <= 20, "{q}");
    }
}

#[test]
fn a_folder_is_opened_again_with_everything_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("search");
    let index = Arc::new(SearchIndex::open(Some(&path)).unwrap());
    assert!(index.needs_rebuild(), "a new index is empty");
    rebuild(&index, 0..20);
    assert!(index.is_awake());
    index.rest().unwrap();
    assert!(index.is_awake(), "it was used just now");
    index.rest().unwrap();
    assert!(!index.is_awake());
    drop(index);

    let index = SearchIndex::open(Some(&path)).unwrap();
    assert!(!index.needs_rebuild());
    assert_eq!(index.last_applied(), Some(product(19, "", "").changed_at));
    assert_eq!(numbers(&index, &SearchQuery::new("컵", Currency::KRW)).len(), 20);
    index.apply(vec![product(20, "컵", "")]).unwrap();
    assert_eq!(index.len(), 21);
}

fn rebuild(index: &Arc<SearchIndex>, numbers: std::ops::Range<usize>) {
    let mut rebuilding = index.begin_rebuild().unwrap();
    for number in numbers {
        rebuilding.add(&[product(number, "컵", "")]).unwrap();
    }
    rebuilding.finish().unwrap();
}

#[test]
fn searches_find_the_old_index_until_the_new_one_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let query = SearchQuery { limit: 100, ..SearchQuery::new("컵", Currency::KRW) };
    let index = Arc::new(SearchIndex::open(Some(folder.path())).unwrap());
    rebuild(&index, 0..30);
    index.remove(&[id(29)]).unwrap();
    let old: Vec<u64> = (0..29).rev().collect();
    let mut rebuilding = index.begin_rebuild().unwrap();
    for number in 10..50 {
        rebuilding.add(&[product(number, "컵", "")]).unwrap();
        assert_eq!(numbers(&index, &query), old);
    }
    assert!(index.apply(vec![product(99, "컵", "")]).is_err(), "nobody else writes meanwhile");
    rebuilding.finish().unwrap();
    let new: Vec<u64> = (10..50).rev().collect();
    assert_eq!(numbers(&index, &query), new);
    index.apply(vec![product(50, "컵", "")]).unwrap();
    drop(index);
    let index = SearchIndex::open(Some(folder.path())).unwrap();
    assert!(!index.needs_rebuild());
    assert_eq!(numbers(&index, &query), (10..51).rev().collect::<Vec<u64>>());
}

#[test]
fn an_interrupted_rebuild_leaves_the_old_index() {
    let folder = tempfile::tempdir().unwrap();
    let query = SearchQuery::new("컵", Currency::KRW);
    let index = Arc::new(SearchIndex::open(Some(folder.path())).unwrap());
    let mut first = index.begin_rebuild().unwrap();
    first.add(&[product(1, "컵", ""), product(2, "컵", "")]).unwrap();
    assert_eq!(numbers(&index, &query), [2, 1], "where nothing was, it shows at once");
    drop(first);
    assert!(index.needs_rebuild(), "the first one was not made to its end");
    rebuild(&index, 1..3);

    let mut second = index.begin_rebuild().unwrap();
    second.add(&[product(3, "컵", "")]).unwrap();
    drop(second);
    assert!(!index.needs_rebuild());
    assert_eq!(numbers(&index, &query), [2, 1]);
    index.apply(vec![product(4, "컵", "")]).unwrap();
    assert_eq!(numbers(&index, &query), [4, 2, 1], "what was dropped does not come along later");
    drop(index);
    assert!(!SearchIndex::open(Some(folder.path())).unwrap().needs_rebuild());
}

#[test]
fn a_damaged_index_is_replaced_by_an_empty_one() {
    for damage in ["meta.json", "segment", "cut"] {
        let folder = tempfile::tempdir().unwrap();
        let index = Arc::new(SearchIndex::open(Some(folder.path())).unwrap());
        rebuild(&index, 1..2);
        drop(index);
        for entry in fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            match damage {
                "meta.json" if name == "meta.json" => fs::write(&path, "{").unwrap(),
                "segment" if name.ends_with(".fast") => fs::remove_file(&path).unwrap(),
                "cut" if name.ends_with(".term") => fs::write(&path, "").unwrap(),
                _ => {}
            }
        }
        let index = SearchIndex::open(Some(folder.path())).unwrap();
        assert!(index.needs_rebuild(), "{damage}");
        assert!(index.is_empty(), "{damage}");
        index.apply(vec![product(1, "컵", "")]).unwrap();
        assert_eq!(index.len(), 1, "{damage}");
    }
}

#[test]
fn merges_change_nothing_that_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let index = SearchIndex::open(Some(folder.path())).unwrap();
    for round in 0..3 {
        for chunk in 0..12 {
            let products = (chunk * 5..chunk * 5 + 5).rev();
            let products = products.map(|number| IndexedProduct { version: round + 1, ..product(number, "컵", "") });
            index.apply(products.collect()).unwrap();
        }
    }
    let query = SearchQuery { limit: 9, ..SearchQuery::new("컵", Currency::KRW) };
    let newest: Vec<u64> = (0..60).rev().collect();
    assert_eq!(all_pages(&index, &query), newest);
    index.rest().unwrap();
    index.rest().unwrap();
    assert_eq!(index.len(), 60);
    assert_eq!(all_pages(&index, &query), newest);
}
