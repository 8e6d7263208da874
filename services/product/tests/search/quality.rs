//! Does a shopper find what they mean? Every query names what must be among the first five hits, and the
//! first of these must lead.

use contracts::Currency;
use product_service::search::{SearchIndex, SearchQuery};

use crate::shop::{handle, shop};

const FIRST: usize = 5;

/// Query, and the handles that must be found.
const CASES: &[(&str, &[&str])] = &[
    // Words as they stand
    ("이어폰", &["earphones-wired", "earbuds", "galaxy-buds"]),
    ("소파", &["cream-sofa", "grey-sofa"]),
    ("노트북", &["laptop", "laptop-stand", "backpack"]),
    ("노트북 거치대", &["laptop-stand"]),
    ("headphones", &["headphones"]),
    ("wireless mouse", &["mouse"]),
    ("samsung", &["galaxy-buds", "galaxy-s24"]),
    ("카메라", &[]),
    ("quantum entanglement", &[]),
    // Spaces that are not in the name, and the other way round
    ("무선이어폰", &["earbuds"]),
    ("유선 이어폰", &["earphones-wired"]),
    ("고속 충전", &["usb-c-cable"]),
    ("반팔티셔츠", &["tee-black"]),
    ("헤드 폰", &["headphones"]),
    ("head phones", &["headphones"]),
    ("back pack", &["backpack"]),
    // Letters and digits together
    ("갤럭시 s24", &["galaxy-s24"]),
    ("galaxys24", &["galaxy-s24"]),
    ("s24", &["galaxy-s24"]),
    ("usb c", &["usb-c-cable"]),
    ("USB-C케이블", &["usb-c-cable"]),
    ("spf 50", &["sunscreen"]),
    ("tee-blk-m", &["tee-black"]),
    ("500 ml", &["bottle"]),
    // Beginnings, as one types
    ("head", &["headphones"]),
    ("wireless mo", &["mouse"]),
    ("갤럭", &["galaxy-buds", "galaxy-s24"]),
    ("소", &["cream-sofa", "grey-sofa"]),
    ("컵", &["cup-paper", "mug"]),
    // Plurals, hyphens, accents, width, case
    ("sofas", &["cream-sofa", "grey-sofa"]),
    ("battery", &["batteries"]),
    ("t shirt", &["tee-black"]),
    ("tshirt", &["tee-black"]),
    ("creme", &["lipstick"]),
    ("ＵＳＢ", &["usb-c-cable"]),
    ("KEYBOARD", &["keyboard"]),
    ("a rack for the dresses", &["dresses-rack"]),
    // Initial consonants
    ("ㄱㄹㅅ", &["galaxy-s24", "galaxy-buds"]),
    ("ㄱㄽ", &["galaxy-s24", "galaxy-buds"]),
    ("ㅁㅅㅇㅇㅍ", &["earbuds"]),
    ("ㅋㅂㄷ", &["keyboard"]),
    ("ㅅㅍ", &["cream-sofa", "grey-sofa", "shampoo"]),
    ("ㅊㄴ", &["sleeping-bag"]),
    ("무선 ㅁㅇㅅ", &["mouse"]),
    // The keyboard on the wrong language
    ("dldjvhs", &["earphones-wired", "earbuds"]),
    ("antjs dldjvhs", &["earbuds"]),
    ("rlaclz", &[]),
    ("rlacl", &["kimchi"]),
    ("shxmqnr", &["laptop"]),
    ("ㅣ메새ㅔ", &["laptop", "laptop-stand"]),
    ("ㅡㅐㅕㄴㄷ", &["mouse"]),
    ("wireless akdntm", &["mouse"]),
    // One keystroke wrong
    ("keybord", &["keyboard"]),
    ("hedphones", &["headphones"]),
    ("samsnug", &["galaxy-buds", "galaxy-s24"]),
    ("vanila candel", &["candle"]),
    ("wireles mouse", &["mouse"]),
    ("이어펀", &["earphones-wired", "earbuds"]),
    ("키보드우", &[]),
    ("키버드", &["keyboard"]),
    ("이어포", &["earphones-wired", "earbuds"]),
    ("갤럭사", &["galaxy-s24", "galaxy-buds"]),
    ("무선 마우수", &["mouse"]),
    // From the description
    ("햅쌀", &["rice"]),
    ("aluminium", &["laptop-stand"]),
    ("여름 셔츠", &["shirt-linen"]),
];

#[test]
fn shoppers_find_what_they_mean() {
    let index = SearchIndex::open(None).unwrap();
    index.apply(shop()).unwrap();
    let mut wrong = Vec::new();
    let (mut expected_count, mut found_count) = (0, 0);
    for (q, expected) in CASES {
        let page = index.search(&SearchQuery::new(*q, Currency::KRW)).unwrap();
        let found: Vec<_> = page.ids.iter().take(FIRST).map(|id| handle(*id)).collect();
        let hits = expected.iter().filter(|handle| found.contains(handle)).count();
        expected_count += expected.len();
        found_count += hits;
        let leads = found.first().is_none_or(|first| expected.contains(first));
        if hits < expected.len() || !leads || (expected.is_empty() && !found.is_empty()) {
            wrong.push(format!("{q}: expected {expected:?}, found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "recall {found_count}/{expected_count}\n{}", wrong.join("\n"));
}
