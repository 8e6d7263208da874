//! What a person reads when the shop is ready, in Korean or English by the terminal's language.

use std::fmt::Write as _;

/// What the banner tells.
pub struct Banner<'a> {
    /// Where the shop answers: `http://127.0.0.1:8080`.
    pub url: &'a str,
    /// Where health and metrics are.
    pub internal_url: &'a str,
    /// The administrator, and the password if it was just generated.
    pub admin: (&'a str, Option<&'a str>),
    /// The data folder.
    pub data_dir: &'a std::path::Path,
    /// True if mails can be read in the browser.
    pub mailbox: bool,
    /// True if payments go to the sandbox provider that was started with the shop.
    pub play_money: bool,
    /// True if the demo shop is there to buy from.
    pub demo: bool,
}

/// The language of the terminal, after POSIX: the first of LC_ALL, LC_MESSAGES and LANG that is set.
pub fn speaks_korean(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &&str| variable(name).filter(|value| !value.is_empty());
    ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(set).is_some_and(|value| value.starts_with("ko"))
}

impl Banner<'_> {
    /// The text, ready to print.
    pub fn render(&self, korean: bool) -> String {
        let say = |ko: &'static str, en: &'static str| if korean { ko } else { en };
        let mut text = String::new();
        let url = self.url;
        let mut row = |name: &str, value: &str| {
            let _ = writeln!(text, "  {name}{}{value}", " ".repeat(18_usize.saturating_sub(width(name))));
        };
        row(say("상점", "Shop"), url);
        row(say("API 문서", "API documents"), &format!("{url}/docs   {url}/openapi.json"));
        if self.mailbox {
            row(say("우편함", "Mailbox"), &format!("{url}/dev/mailbox"));
        }
        row(
            say("상태와 지표", "Health, metrics"),
            &format!("{}/readyz   {}/metrics", self.internal_url, self.internal_url),
        );
        let (email, password) = self.admin;
        let admin = match password {
            Some(password) => {
                format!("{email}   password: {password}   {}", say("(한 번만 보입니다)", "(shown this once)"))
            }
            None => format!(
                "{email}   {}",
                say("(비밀번호를 잃었다면: jangteo reset-password)", "(lost it? jangteo reset-password)")
            ),
        };
        row(say("관리자", "Administrator"), &admin);
        if self.play_money {
            let warning = say("샌드박스: 진짜 돈은 오가지 않습니다", "sandbox provider: no real money moves");
            row(say("결제", "Payments"), warning);
        }
        row(say("데이터", "Data"), &self.data_dir.display().to_string());
        let title = say("장터가 열렸습니다", "Jangteo is open");
        let buy = if self.demo {
            format!("\n{}\n\n{}", say("물건을 사 보세요:", "Buy something:"), self.curl_lines(korean))
        } else {
            String::new()
        };
        let stop = say("끝내려면 Ctrl-C를 누르세요.", "Press Ctrl-C to stop.");
        format!("\n{title} (Jangteo {})\n\n{text}{buy}\n{stop}\n", env!("CARGO_PKG_VERSION"))
    }

    /// Three lines for a shell: a cart, an order, the order again.
    fn curl_lines(&self, korean: bool) -> String {
        let url = self.url;
        let (locale, name, city, line1) = if korean {
            ("ko", "김하늘", "서울특별시 중구", "세종대로 110")
        } else {
            ("en", "Kim Haneul", "Seoul", "110 Sejong-daero")
        };
        format!(
            r#"CART=$(curl -s {url}/v1/carts -H 'content-type: application/json' -d '{{"currency":"KRW","email":"you@example.com","locale":"{locale}","lines":[{{"sku":"{sku}","quantity":2}}],"shipping_address":{{"name":"{name}","phone":"+821012345678","country":"KR","postal_code":"04524","city":"{city}","line1":"{line1}"}},"shipping_method":"standard"}}')
ORDER=$(curl -s {url}/v1/orders -H 'content-type: application/json' -H "guest-token: $(echo "$CART" | grep -o 'gst_[0-9a-f]*')" -H 'idempotency-key: my-first-order-0001' -d "{{\"cart_id\":\"$(echo "$CART" | grep -o 'crt_[0-9a-f]*' | head -1)\",\"payment_method\":{{\"provider\":\"sandbox\",\"token\":\"tok_approve\"}}}}")
curl -s {url}/v1/orders/$(echo "$ORDER" | grep -o 'ord_[0-9a-f]*' | head -1) -H "guest-token: $(echo "$CART" | grep -o 'gst_[0-9a-f]*')"
"#,
            sku = crate::demo::DEMO_SKU,
        )
    }
}

/// Columns that a text takes in a terminal: Hangul takes two.
fn width(text: &str) -> usize {
    text.chars().map(|c| if ('\u{1100}'..='\u{d7ff}').contains(&c) { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banner(password: Option<&'static str>) -> Banner<'static> {
        Banner {
            url: "http://127.0.0.1:8080",
            internal_url: "http://127.0.0.1:8081",
            admin: ("admin@jangteo.example", password),
            data_dir: std::path::Path::new("jangteo-data"),
            mailbox: true,
            play_money: true,
            demo: true,
        }
    }

    #[test]
    fn tells_the_password_once_and_the_readme_shows_the_same_lines() {
        let english = banner(Some("s3cret-words")).render(false);
        assert!(english.contains("s3cret-words") && english.contains("/dev/mailbox"));
        assert!(!banner(None).render(false).contains("password:"));
        for (readme, korean) in [("README.md", false), ("README.ko.md", true)] {
            let path = format!("{}/../{readme}", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).unwrap();
            assert!(text.contains(&banner(None).curl_lines(korean)), "{readme} shows other lines than the program");
        }
    }

    #[test]
    fn speaks_the_language_of_the_terminal() {
        let with = |pairs: &'static [(&str, &str)]| {
            move |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        assert!(speaks_korean(with(&[("LANG", "ko_KR.UTF-8")])));
        assert!(!speaks_korean(with(&[("LANG", "ko_KR.UTF-8"), ("LC_ALL", "C")])));
        assert!(!speaks_korean(with(&[])));
    }
}
