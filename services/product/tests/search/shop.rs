//! A small shop to search in.

use contracts::{LocalizedText, Money, product::ProductId};
use jiff::Timestamp;
use product_service::search::IndexedProduct;

/// Handle, Korean name, English name, keywords, description.
type Row = (&'static str, &'static str, &'static str, &'static [&'static str], &'static str);

pub(crate) const SHOP: &[Row] = &[
    ("galaxy-s24", "갤럭시S24 울트라 자급제", "Galaxy S24 Ultra", &["삼성", "Samsung", "스마트폰", "smartphone"], ""),
    ("galaxy-buds", "갤럭시 버즈3 프로", "Galaxy Buds3 Pro", &["삼성", "Samsung", "이어폰", "earbuds"], ""),
    (
        "earbuds",
        "무선 이어폰 노이즈캔슬링",
        "Wireless earbuds",
        &["음향", "audio"],
        "<p>통화 품질이 좋은 블루투스 이어폰</p>",
    ),
    ("earphones-wired", "유선이어폰 3.5mm", "Wired earphones", &["음향"], "<p>Classic in-ear earphones</p>"),
    ("headphones", "블루투스 헤드폰", "Bluetooth headphones", &["음향", "audio"], "<p>Over-ear, 30 hours</p>"),
    ("keyboard", "기계식 키보드", "Mechanical keyboard", &["컴퓨터", "computer"], ""),
    ("mouse", "무선 마우스", "Wireless mouse", &["컴퓨터"], ""),
    ("usb-c-cable", "USB-C 고속충전 케이블 1.5m", "USB-C fast charging cable", &["충전"], ""),
    ("laptop", "노트북 14인치", "Laptop 14\"", &["컴퓨터", "computer"], "<p>가벼운 노트북</p>"),
    ("laptop-stand", "노트북 거치대", "Laptop stand", &["컴퓨터"], "<p>Aluminium</p>"),
    ("monitor", "27인치 모니터", "27-inch monitor", &["컴퓨터"], ""),
    ("tee-black", "오버핏 반팔 티셔츠", "Oversized T-shirt", &["의류", "블랙", "black", "TEE-BLK-M"], ""),
    ("shirt-linen", "린넨 셔츠", "Linen shirt", &["의류"], "<p>시원한 여름 셔츠</p>"),
    ("jeans", "와이드 청바지", "Wide jeans", &["의류", "데님"], ""),
    ("dress", "플라워 원피스", "Floral dress", &["의류"], ""),
    ("dresses-rack", "행거 옷걸이", "Rack for dresses", &["수납"], ""),
    ("socks", "기모 양말 5켤레", "Brushed socks, 5 pairs", &["의류"], ""),
    ("backpack", "방수 백팩", "Waterproof backpack", &["가방", "bag"], "<p>15인치 노트북 수납</p>"),
    ("tote", "캔버스 에코백", "Canvas tote bag", &["가방"], ""),
    ("sneakers", "런닝화 스니커즈", "Running sneakers", &["신발", "shoes"], ""),
    ("cream-sofa", "크림색 3인용 소파", "Cream sofa", &["가구", "furniture"], ""),
    ("grey-sofa", "패브릭 소파 그레이", "Grey fabric sofa", &["가구"], ""),
    ("chair", "원목 의자", "Solid wood chair", &["가구"], ""),
    ("candle", "바닐라 캔들", "Vanilla candle", &["홈데코"], "<p>Scented candle in a jar</p>"),
    ("mug", "머그컵 350ml", "Mug 350 ml", &["주방", "kitchen"], ""),
    ("cup-paper", "종이 컵 100개", "Paper cups, 100", &["주방"], ""),
    ("frypan", "인덕션 프라이팬 28cm", "Induction frying pan 28 cm", &["주방"], ""),
    ("towel", "호텔 수건 10장", "Hotel towels, set of 10", &["욕실"], ""),
    ("shampoo", "약산성 샴푸", "Mild shampoo", &["뷰티"], ""),
    ("sunscreen", "무기자차 선크림 SPF50", "Mineral sunscreen SPF50", &["뷰티", "sun"], ""),
    ("lipstick", "벨벳 립스틱", "Velvet lipstick", &["뷰티", "crème"], ""),
    ("rice", "이천쌀 10kg", "Icheon rice 10 kg", &["식품", "food"], "<p>갓 도정한 햅쌀</p>"),
    ("kimchi", "포기김치 3kg", "Whole cabbage kimchi", &["식품"], ""),
    ("coffee", "에티오피아 원두커피 1kg", "Ethiopia coffee beans", &["식품"], ""),
    ("green-tea", "보성 녹차 티백", "Boseong green tea bags", &["식품"], ""),
    ("novel", "한국 단편 소설집", "Korean short stories", &["도서", "book"], ""),
    ("notebook-paper", "줄노트 A5 공책", "Ruled notebook A5", &["문구", "stationery"], ""),
    ("pen", "만년필 세트", "Fountain pen set", &["문구"], ""),
    ("tent", "4인용 원터치 텐트", "Pop-up tent for 4", &["캠핑", "camping"], ""),
    ("sleeping-bag", "구스다운 침낭", "Goose down sleeping bag", &["캠핑"], ""),
    ("bottle", "스테인리스 텀블러 500ml", "Stainless tumbler 500 ml", &["캠핑", "kitchen"], ""),
    ("watering-can", "빈티지 물조리개", "Vintage watering can", &["원예"], "<p>For plants and pots</p>"),
    ("plant-pot", "테라코타 화분", "Clay plant pot", &["원예", "plants"], ""),
    ("batteries", "알카라인 건전지 AA 20개", "Alkaline batteries AA", &["생활"], ""),
];

pub(crate) fn id(number: usize) -> ProductId {
    // The upper half carries the time, as in a UUIDv7.
    ProductId::from_uuid(uuid::Uuid::from_u64_pair(0x0190_0000_0000_7000 + ((number as u64) << 16), number as u64))
}

pub(crate) fn product(number: usize, ko: &str, en: &str) -> IndexedProduct {
    IndexedProduct {
        id: id(number),
        version: 1,
        changed_at: Timestamp::from_second(1_700_000_000 + number as i64).unwrap(),
        titles: LocalizedText::both(ko, en),
        descriptions_html: LocalizedText::default(),
        keywords: Vec::new(),
        categories: vec!["all".to_owned()],
        prices: vec![Money::new(1000 * (number as i64 % 7 + 1), contracts::Currency::KRW)],
        in_stock: true,
    }
}

pub(crate) fn shop() -> Vec<IndexedProduct> {
    let rows = SHOP.iter().enumerate();
    rows.map(|(number, (_, ko, en, keywords, description))| IndexedProduct {
        keywords: keywords.iter().map(|keyword| (*keyword).to_owned()).collect(),
        descriptions_html: LocalizedText::one(contracts::Locale::Ko, *description),
        ..product(number, ko, en)
    })
    .collect()
}

pub(crate) fn handle(id: ProductId) -> &'static str {
    SHOP[(id.as_uuid().as_u64_pair().1) as usize].0
}
