//! `/pages`: what the buyer sees when the provider wants to know who pays (3-D Secure, a payment window). The
//! address holds an id that cannot be guessed; nobody signs in.

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    response::{Html, IntoResponse as _, Redirect, Response},
    routing::get,
};
use http::{HeaderMap, StatusCode, header};

use crate::{
    authorization::{Authorization, Status},
    http::{Sandbox, perform_unasked, stored},
    operation::Order,
    store,
};

/// What the page says, in the buyer's language.
struct Words {
    lang: &'static str,
    title: &'static str,
    question: &'static str,
    approve: &'static str,
    refuse: &'static str,
    decided: &'static str,
    back: &'static str,
    nothing: &'static str,
    choose: &'static str,
}

const KO: Words = Words {
    lang: "ko",
    title: "샌드박스 결제",
    question: "아래 금액을 결제하시겠습니까? 연습용이며 실제로 청구되지 않습니다.",
    approve: "결제하기",
    refuse: "거절하기",
    decided: "이 결제는 처리되었습니다.",
    back: "상점으로 돌아가기",
    nothing: "결정할 결제가 없습니다.",
    choose: "결제하기와 거절하기 가운데 하나를 골라 주세요.",
};

const EN: Words = Words {
    lang: "en",
    title: "Sandbox payment",
    question: "Do you pay this sum? This is practice: nothing is charged.",
    approve: "Approve",
    refuse: "Refuse",
    decided: "This payment is decided.",
    back: "Back to the shop",
    nothing: "There is nothing to decide here.",
    choose: "Choose to approve or to refuse.",
};

/// The first language of the browser that is spoken here.
fn words(headers: &HeaderMap) -> &'static Words {
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let spoken = accepted.split(',').find_map(|range| match range.trim().get(..2) {
        Some("ko") => Some(&KO),
        Some("en") => Some(&EN),
        _ => None,
    });
    spoken.unwrap_or(&EN)
}

pub(crate) fn router() -> Router<Sandbox> {
    Router::new().route("/pages/{id}", get(show).post(decide))
}

async fn show(State(sandbox): State<Sandbox>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let words = words(&headers);
    match sandbox.database.read(move |connection| store::find(connection, &id)).await {
        Ok(Some(authorization)) if authorization.action_url.is_some() => {
            page(StatusCode::OK, words, &content(&authorization, words))
        }
        Ok(_) => page(StatusCode::NOT_FOUND, words, &format!("<p>{}</p>", words.nothing)),
        Err(error) => stored(&error),
    }
}

/// Takes the buyer's choice and sends the browser back to the shop. Choosing again changes nothing.
async fn decide(State(sandbox): State<Sandbox>, Path(id): Path<String>, headers: HeaderMap, form: Bytes) -> Response {
    let words = words(&headers);
    let approved = match &form[..] {
        b"decision=approve" => true,
        b"decision=refuse" => false,
        _ => return page(StatusCode::BAD_REQUEST, words, &format!("<p>{}</p>", words.choose)),
    };
    let order = Order::Decide { id: id.clone(), approved };
    if let Err(error) = perform_unasked(&sandbox, order).await {
        return stored(&error);
    }
    match sandbox.database.read(move |connection| store::find(connection, &id)).await {
        Ok(Some(authorization)) if authorization.action_url.is_some() => match way_back(&authorization) {
            Some(url) => Redirect::to(&url).into_response(),
            None => page(StatusCode::OK, words, &content(&authorization, words)),
        },
        Ok(_) => page(StatusCode::NOT_FOUND, words, &format!("<p>{}</p>", words.nothing)),
        Err(error) => stored(&error),
    }
}

/// The merchant's address with the authorization's id.
fn way_back(authorization: &Authorization) -> Option<String> {
    let mut url = url::Url::parse(authorization.return_url.as_deref()?).ok()?;
    url.query_pairs_mut().append_pair("authorization", &authorization.id);
    Some(url.into())
}

fn content(authorization: &Authorization, words: &Words) -> String {
    let sum = sum(&authorization.currency, authorization.amount_minor);
    let order = escaped(&authorization.reference);
    let about = format!("<p class=\"sum\">{}</p><p><code>{order}</code></p>", escaped(&sum));
    if authorization.status == Status::RequiresAction {
        let Words { question, approve, refuse, .. } = words;
        return format!(
            "<p>{question}</p>{about}
<form method=\"post\">
<button name=\"decision\" value=\"approve\">{approve}</button>
<button name=\"decision\" value=\"refuse\">{refuse}</button>
</form>"
        );
    }
    let back = way_back(authorization)
        .map_or_else(String::new, |url| format!("<p><a href=\"{}\">{}</a></p>", escaped(&url), words.back));
    format!("<p>{} ({})</p>{about}{back}", words.decided, authorization.status.as_str())
}

/// `KRW 42,800`, `USD 12.90`; three decimals where ISO 4217 has them.
fn sum(currency: &str, amount_minor: i64) -> String {
    let decimals = match currency {
        "KRW" | "JPY" | "VND" => 0,
        "KWD" | "BHD" | "JOD" => 3,
        _ => 2,
    };
    let digits = format!("{amount_minor:0>width$}", width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let mut text = format!("{currency} ");
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if decimals > 0 { format!("{text}.{fraction}") } else { text }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

const STYLE: &str = "body{margin:0;padding:48px 16px;background:#f4f5f7;color:#1f2933;font:16px/1.6 system-ui,sans-serif}\
main{max-width:420px;margin:auto;padding:32px;background:#fff;border-radius:12px}h1{margin:0 0 8px;font-size:20px}\
.sum{margin:16px 0 0;font-size:28px;font-weight:700}code{color:#7b8794;font-size:13px;overflow-wrap:anywhere}\
button{padding:12px 20px;border:1px solid #12372a;border-radius:8px;background:#fff;font:inherit}\
button:first-of-type{background:#12372a;color:#fff}";

fn page(status: StatusCode, words: &Words, content: &str) -> Response {
    let Words { lang, title, .. } = words;
    let html = format!(
        "<!doctype html><html lang=\"{lang}\"><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title><style>{STYLE}</style>
<main><h1>{title}</h1>{content}</main></html>"
    );
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    (status, [(header::CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, header};

    use super::{sum, words};

    #[test]
    fn sums_read_as_people_write_them() {
        for (currency, amount, text) in [
            ("KRW", 42_800, "KRW 42,800"),
            ("USD", 5, "USD 0.05"),
            ("USD", 123_456_789, "USD 1,234,567.89"),
            ("KWD", 1_234, "KWD 1.234"),
        ] {
            assert_eq!(sum(currency, amount), text);
        }
    }

    #[test]
    fn the_browser_chooses_the_language() {
        let lang = |accepted: &'static str| {
            words(&HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, accepted.parse().unwrap())])).lang
        };
        assert_eq!((lang("fr-FR, ko-KR;q=0.9, en"), lang("en-GB"), lang("fr")), ("ko", "en", "en"));
        assert_eq!(words(&HeaderMap::new()).lang, "en");
    }
}
