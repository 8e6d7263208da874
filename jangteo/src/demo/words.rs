//! The words that the demo shop's names are made of. All brands are invented.

use contracts::product::TaxClass;

/// A word in Korean and English.
pub(super) type Word = (&'static str, &'static str);

/// A thing that is sold: its name, price in hundreds of won, and weight in grams.
pub(super) struct Thing {
    pub(super) name: Word,
    pub(super) hundreds: i64,
    pub(super) grams: i64,
}

/// What a buyer chooses between: name and values of each option.
pub(super) type Choices = &'static [(Word, &'static [&'static str])];

/// A category of the lowest level, with what stands on it.
pub(super) struct Shelf {
    pub(super) handle: &'static str,
    pub(super) parent: &'static str,
    pub(super) name: Word,
    pub(super) code: &'static str,
    pub(super) tax_class: TaxClass,
    pub(super) choices: Choices,
    /// What the things are made of, or where they come from.
    pub(super) features: &'static [Word],
    pub(super) vendors: &'static [&'static str],
    pub(super) things: &'static [Thing],
}

pub(super) const fn thing(ko: &'static str, en: &'static str, hundreds: i64, grams: i64) -> Thing {
    Thing { name: (ko, en), hundreds, grams }
}

/// Categories that have shelves under them.
pub(super) const DEPARTMENTS: &[(&str, Word)] = &[
    ("fashion", ("패션", "Fashion")),
    ("electronics", ("전자제품", "Electronics")),
    ("home", ("홈·리빙", "Home & living")),
    ("beauty", ("뷰티", "Beauty")),
    ("food", ("식품", "Food")),
    ("books", ("도서", "Books")),
    ("stationery", ("문구", "Stationery")),
    ("outdoors", ("아웃도어", "Outdoors")),
];

/// The first word of a name.
pub(super) const STYLES: &[Word] = &[
    ("데일리", "Everyday"),
    ("클래식", "Classic"),
    ("프리미엄", "Premium"),
    ("미니멀", "Minimal"),
    ("빈티지", "Vintage"),
    ("모던", "Modern"),
    ("시그니처", "Signature"),
    ("소프트", "Soft"),
    ("어반", "Urban"),
    ("라이트", "Light"),
    ("한강", "Hangang"),
    ("서촌", "Seochon"),
    ("북촌", "Bukchon"),
    ("성수", "Seongsu"),
    ("을지로", "Euljiro"),
    ("연남", "Yeonnam"),
    ("해운대", "Haeundae"),
    ("경주", "Gyeongju"),
    ("달빛", "Moonlight"),
    ("새벽", "Daybreak"),
    ("봄날", "Springday"),
    ("노을", "Sunset"),
    ("바다", "Ocean"),
    ("숲속", "Forest"),
    ("별빛", "Starlight"),
    ("첫눈", "First Snow"),
    ("산들", "Breeze"),
    ("하루", "Haru"),
    ("고요", "Stillness"),
    ("여백", "Margin"),
    ("온기", "Warmth"),
    ("나루", "Naru"),
];

pub(super) const COLOR: Word = ("색상", "Color");
pub(super) const SIZE: Word = ("사이즈", "Size");
pub(super) const CLOTHES: Choices =
    &[(COLOR, &["Black", "White", "Grey", "Navy"]), (SIZE, &["S", "M", "L", "XL", "2XL"])];
pub(super) const SHOES: Choices =
    &[(COLOR, &["Black", "White"]), (SIZE, &["230", "240", "250", "260", "270", "280", "290"])];
pub(super) const BAGS: Choices = &[(COLOR, &["Black", "Ivory", "Brown", "Olive"]), (SIZE, &["Small", "Large"])];
pub(super) const DEVICES: Choices =
    &[(COLOR, &["Black", "White", "Silver"]), (("구성", "Set"), &["Basic", "Plus", "Max"])];
pub(super) const COMPUTERS: Choices = &[
    (COLOR, &["Silver", "Space Grey"]),
    (("메모리", "Memory"), &["16GB", "32GB"]),
    (("저장 용량", "Storage"), &["256GB", "512GB", "1TB"]),
];
pub(super) const FURNITURE: Choices = &[(COLOR, &["Oak", "Walnut", "White"]), (SIZE, &["Small", "Medium", "Large"])];
pub(super) const FABRICS: Choices = &[(COLOR, &["Ivory", "Grey", "Sage", "Terracotta"]), (SIZE, &["S", "Q", "K"])];
pub(super) const KITCHEN: Choices = &[(COLOR, &["White", "Black", "Mint"]), (SIZE, &["Small", "Medium", "Large"])];
pub(super) const SHADES: Choices = &[(
    ("컬러", "Shade"),
    &["01 Rose", "02 Coral", "03 Peach", "04 Plum", "05 Brick", "06 Nude", "07 Berry", "08 Mauve"],
)];
pub(super) const VOLUMES: Choices =
    &[(("용량", "Volume"), &["50ml", "100ml", "200ml", "400ml"]), (("구성", "Set"), &["1", "2", "3"])];
pub(super) const PORTIONS: Choices =
    &[(("중량", "Weight"), &["500g", "1kg", "3kg", "5kg"]), (("포장", "Packing"), &["Standard", "Gift box", "Saver"])];
pub(super) const PACKS: Choices =
    &[(("수량", "Quantity"), &["1", "3", "6", "12"]), (("포장", "Packing"), &["Standard", "Gift box"])];
pub(super) const EDITIONS: Choices = &[
    (("언어", "Language"), &["Korean", "English"]),
    (("판형", "Edition"), &["Paperback", "Hardcover", "Large print"]),
];
pub(super) const PAPERS: Choices =
    &[(COLOR, &["Navy", "Forest", "Burgundy", "Sand", "Black"]), (("내지", "Ruling"), &["Plain", "Ruled", "Grid"])];
pub(super) const PENS: Choices =
    &[(COLOR, &["Black", "Blue", "Red", "Green"]), (("굵기", "Tip"), &["0.3mm", "0.5mm", "0.7mm", "1.0mm"])];
pub(super) const GEAR: Choices = &[(COLOR, &["Khaki", "Sand", "Black"]), (SIZE, &["2P", "4P", "6P"])];
pub(super) const SPORTSWEAR: Choices = &[(COLOR, &["Black", "Navy", "Orange", "Lime"]), (SIZE, &["S", "M", "L", "XL"])];

pub(super) const CLOTHS: &[Word] = &[
    ("린넨", "Linen"),
    ("코튼", "Cotton"),
    ("오가닉 코튼", "Organic Cotton"),
    ("데님", "Denim"),
    ("울", "Wool"),
    ("캐시미어", "Cashmere"),
    ("코듀로이", "Corduroy"),
    ("플란넬", "Flannel"),
    ("모달", "Modal"),
    ("시어서커", "Seersucker"),
    ("옥스포드", "Oxford"),
    ("와플", "Waffle"),
];
pub(super) const LEATHERS: &[Word] = &[
    ("소가죽", "Leather"),
    ("스웨이드", "Suede"),
    ("캔버스", "Canvas"),
    ("나일론", "Nylon"),
    ("비건 레더", "Vegan Leather"),
    ("메쉬", "Mesh"),
    ("방수", "Waterproof"),
    ("니트", "Knit"),
];
pub(super) const TECH: &[Word] = &[
    ("무선", "Wireless"),
    ("블루투스", "Bluetooth"),
    ("고속충전", "Fast-charging"),
    ("저소음", "Low-noise"),
    ("초경량", "Ultralight"),
    ("휴대용", "Portable"),
    ("스마트", "Smart"),
    ("듀얼", "Dual"),
    ("4세대", "4th-gen"),
    ("노이즈캔슬링", "Noise-cancelling"),
];
pub(super) const WOODS: &[Word] = &[
    ("원목", "Solid Wood"),
    ("참나무", "Oak"),
    ("호두나무", "Walnut"),
    ("자작나무", "Birch"),
    ("라탄", "Rattan"),
    ("스틸", "Steel"),
    ("대나무", "Bamboo"),
    ("패브릭", "Fabric"),
];
pub(super) const WARES: &[Word] = &[
    ("도자기", "Ceramic"),
    ("스테인리스", "Stainless"),
    ("유리", "Glass"),
    ("무쇠", "Cast Iron"),
    ("옹기", "Onggi"),
    ("백자", "White Porcelain"),
    ("법랑", "Enamel"),
    ("티타늄", "Titanium"),
];
pub(super) const CARE: &[Word] = &[
    ("녹차", "Green Tea"),
    ("어성초", "Heartleaf"),
    ("병풀", "Centella"),
    ("쌀뜨물", "Rice Water"),
    ("동백", "Camellia"),
    ("히알루론", "Hyaluron"),
    ("비타민", "Vitamin"),
    ("약산성", "Mild"),
    ("무향", "Unscented"),
    ("쑥", "Mugwort"),
];
pub(super) const ORIGINS: &[Word] = &[
    ("이천", "Icheon"),
    ("강원도", "Gangwon"),
    ("제주", "Jeju"),
    ("남해", "Namhae"),
    ("보성", "Boseong"),
    ("안동", "Andong"),
    ("영주", "Yeongju"),
    ("해남", "Haenam"),
    ("횡성", "Hoengseong"),
    ("울릉도", "Ulleungdo"),
];
pub(super) const SUBJECTS: &[Word] = &[
    ("한국사", "Korean History"),
    ("요리", "Cooking"),
    ("여행", "Travel"),
    ("철학", "Philosophy"),
    ("과학", "Science"),
    ("건축", "Architecture"),
    ("식물", "Botany"),
    ("음악", "Music"),
    ("우주", "Space"),
    ("디자인", "Design"),
    ("심리", "Psychology"),
    ("경제", "Economics"),
];
pub(super) const PAPER_KINDS: &[Word] = &[
    ("양장", "Hardbound"),
    ("스프링", "Spiral"),
    ("한지", "Hanji"),
    ("재생지", "Recycled"),
    ("가죽", "Leather"),
    ("크라프트", "Kraft"),
];
pub(super) const FIELD: &[Word] = &[
    ("초경량", "Ultralight"),
    ("방수", "Waterproof"),
    ("사계절", "Four-season"),
    ("접이식", "Folding"),
    ("백패킹", "Backpacking"),
    ("오토캠핑", "Car-camping"),
    ("발열", "Heated"),
    ("통기성", "Breathable"),
];

pub(super) const FASHION_HOUSES: &[&str] = &["Onyu Studio", "Haneul Works", "Dalbit & Co", "Maru Tailor"];
pub(super) const MAKERS: &[&str] = &["Naru Electronics", "Byeolbit Labs", "Hanbit Audio", "Sori Works"];
pub(super) const HOMES: &[&str] = &["Maru Living", "Namu House", "Ondol Home", "Sodam"];
pub(super) const COSMETICS: &[&str] = &["Ihwa Botanic", "Dambi", "Seol Skin"];
pub(super) const FARMS: &[&str] = &["Sodam Farm", "Deulnyeok", "Bada Market"];
pub(super) const PRESSES: &[&str] = &["Noeul Books", "Yeobaek Press", "Saebyeok"];
pub(super) const OUTFITTERS: &[&str] = &["Sandeul Outdoor", "Baekdu Gear", "Gil Camp"];
