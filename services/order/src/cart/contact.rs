//! Whether an e-mail address or a postal address can be right. Only the post knows for sure.

use contracts::{Violation, order::Address};

const EMAIL_CHARS_MAX: usize = 254;

/// Trims an e-mail address and refuses what cannot be one.
pub(crate) fn check_email(email: &str) -> Result<String, &'static str> {
    let email = email.trim();
    let wrong = "is not an e-mail address";
    let (local, domain) = email.rsplit_once('@').ok_or(wrong)?;
    let clean = !email.chars().any(|char| char.is_whitespace() || char.is_control() || "<>(),;:\\\"[]".contains(char));
    let labels_ok = domain.contains('.')
        && domain.split('.').all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'));
    let local_ok = !local.is_empty()
        && local.len() <= 64
        && !local.contains('@')
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..");
    if clean && labels_ok && local_ok && email.len() <= EMAIL_CHARS_MAX { Ok(email.to_owned()) } else { Err(wrong) }
}

/// Trims an address and names everything in it that cannot be right, below `at`.
pub(crate) fn check_address(at: &str, address: Address) -> Result<Address, Vec<Violation>> {
    let trim = |text: String| text.trim().to_owned();
    let address = Address {
        name: trim(address.name),
        phone: trim(address.phone),
        country: trim(address.country),
        postal_code: trim(address.postal_code),
        city: trim(address.city),
        line1: trim(address.line1),
        line2: trim(address.line2),
    };
    let mut wrong = Vec::new();
    for (field, text, chars_min, chars_max) in [
        ("name", &address.name, 1, 100),
        ("phone", &address.phone, 0, 32),
        ("postal_code", &address.postal_code, 0, 16),
        ("city", &address.city, 0, 100),
        ("line1", &address.line1, 1, 200),
        ("line2", &address.line2, 0, 200),
    ] {
        let chars = text.chars().count();
        if chars < chars_min || chars > chars_max {
            wrong.push(Violation::new(
                format!("{at}/{field}"),
                format!("must have {chars_min} to {chars_max} characters"),
            ));
        } else if text.chars().any(char::is_control) {
            wrong.push(Violation::new(format!("{at}/{field}"), "must not contain control characters"));
        }
    }
    let digits = address.phone.strip_prefix('+').unwrap_or(&address.phone);
    if !digits.chars().all(|char| char.is_ascii_digit() || "- ()".contains(char)) {
        wrong.push(Violation::new(format!("{at}/phone"), "must be digits, such as +821012345678"));
    }
    if address.country.len() != 2 || !address.country.bytes().all(|byte| byte.is_ascii_uppercase()) {
        wrong.push(Violation::new(format!("{at}/country"), "must be an ISO 3166-1 alpha-2 code, such as KR"));
    }
    let five_digits = address.postal_code.len() == 5 && address.postal_code.bytes().all(|byte| byte.is_ascii_digit());
    if address.country == "KR" && !five_digits {
        wrong.push(Violation::new(format!("{at}/postal_code"), "must be five digits in Korea, such as 04524"));
    }
    if wrong.is_empty() { Ok(address) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_addresses_that_can_be_mailed_to() {
        for good in ["a@b.co", " haneul.kim+shop@example.co.kr ", "한울@예시.한국"] {
            assert_eq!(check_email(good), Ok(good.trim().to_owned()));
        }
        for bad in ["", "@", "a@", "@b.co", "a@b", "a b@c.co", "a@b@c.co", "a@-b.co", ".a@b.co", "a@b..co", "<a@b.co>"]
        {
            assert!(check_email(bad).is_err(), "{bad:?}");
        }
        assert!(check_email("a@b.co\r\nBcc: c@d.co").is_err());
    }

    #[test]
    fn names_everything_that_is_wrong_with_an_address() {
        let address = Address {
            name: " 김하늘 ".into(),
            phone: "+82 10-1234-5678".into(),
            country: "KR".into(),
            postal_code: "04524".into(),
            city: "서울특별시 중구".into(),
            line1: "세종대로 110".into(),
            line2: String::new(),
        };
        assert_eq!(check_address("/a", address.clone()).unwrap().name, "김하늘");
        let bad = Address { name: " ".into(), phone: "call me".into(), country: "kr".into(), ..address.clone() };
        let fields: Vec<String> =
            check_address("/a", bad).unwrap_err().into_iter().map(|violation| violation.field).collect();
        assert_eq!(fields, ["/a/name", "/a/phone", "/a/country"]);
        let bad = Address { postal_code: "110-110".into(), ..address };
        assert_eq!(check_address("/a", bad).unwrap_err()[0].field, "/a/postal_code");
    }
}
