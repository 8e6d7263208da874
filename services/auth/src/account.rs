//! Accounts: what one is, which e-mail addresses and names are taken, and who may change what.

use contracts::{Locale, Permission, Role, Violation, auth::AccountId};
use jiff::Timestamp;

use crate::{
    audit::{AuditEntry, AuditType, Stamp},
    error::Error,
};

/// Characters in a person's name at most.
pub const NAME_CHARS_MAX: usize = 100;
/// Bytes in an e-mail address at most (RFC 5321 §4.5.3.1.3 leaves 254 between the angle brackets).
pub const EMAIL_BYTES_MAX: usize = 254;
const LOCAL_PART_BYTES_MAX: usize = 64;
const LABEL_BYTES_MAX: usize = 63;

/// A normalised e-mail address: trimmed and in lower case. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(String);

impl Email {
    /// Normalises and checks `text`: the grammar of HTML's `input type=email`, and no misplaced dots.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let email = text.trim().to_ascii_lowercase();
        let well_formed = email.len() <= EMAIL_BYTES_MAX
            && email.split_once('@').is_some_and(|(local, domain)| is_local_part(local) && is_domain(domain));
        if well_formed {
            Ok(Self(email))
        } else {
            Err(Violation::new("/email", "must be an e-mail address such as mina@example.com"))
        }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`.
    pub fn local_part(&self) -> &str {
        self.0.split_once('@').map_or("", |(local, _)| local)
    }
}

impl std::fmt::Debug for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Email(…)")
    }
}

fn is_local_part(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&byte);
    text.len() <= LOCAL_PART_BYTES_MAX && text.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(allowed))
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        let edges_ok = !label.starts_with('-') && !label.ends_with('-');
        let bytes_ok = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (1..=LABEL_BYTES_MAX).contains(&label.len()) && edges_ok && bytes_ok
    };
    text.split('.').all(is_label)
}

/// How a person wants to be addressed. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonName(String);

impl PersonName {
    /// Trims and checks `text`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let name = text.trim();
        let chars = name.chars().count();
        if !(1..=NAME_CHARS_MAX).contains(&chars) {
            return Err(Violation::new("/name", format!("must have 1 to {NAME_CHARS_MAX} characters")));
        }
        // A line break in a name would let it add headers to a mail.
        if name.chars().any(char::is_control) {
            return Err(Violation::new("/name", "must not contain control characters"));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PersonName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PersonName(…)")
    }
}

/// A person's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Who.
    pub id: AccountId,
    /// Unique.
    pub email: Email,
    /// How to address the person.
    pub name: PersonName,
    /// In which language.
    pub locale: Locale,
    /// What the person may do.
    pub role: Role,
    /// A disabled account cannot sign in.
    pub disabled: bool,
    /// Grows by one with every change.
    pub version: u64,
    /// When the person registered.
    pub created_at: Timestamp,
    /// When anything above changed last.
    pub updated_at: Timestamp,
}

/// What is to become different about an account; `None` leaves a thing as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountChange {
    /// Another name.
    pub name: Option<PersonName>,
    /// Another language.
    pub locale: Option<Locale>,
    /// Another role.
    pub role: Option<Role>,
    /// Lock the account, or unlock it.
    pub disabled: Option<bool>,
}

impl Account {
    /// True for an administrator who can sign in.
    pub fn is_enabled_admin(&self) -> bool {
        self.role == Role::Admin && !self.disabled
    }

    /// The account after `change`, and what the audit trail says about it. No entry means nothing changed.
    pub fn change(&self, change: &AccountChange, stamp: &Stamp) -> (Self, Vec<AuditEntry>) {
        let mut next = self.clone();
        let mut entries = Vec::new();
        let entry = |kind| stamp.entry(kind).target(self.id);
        if let Some(name) = change.name.as_ref().filter(|name| **name != self.name) {
            next.name = name.clone();
            entries.push(entry(AuditType::AccountUpdated).detail("field", "name"));
        }
        if let Some(locale) = change.locale.filter(|locale| *locale != self.locale) {
            next.locale = locale;
            entries.push(entry(AuditType::AccountUpdated).detail("field", "locale"));
        }
        if let Some(role) = change.role.filter(|role| *role != self.role) {
            next.role = role;
            let changed = entry(AuditType::AccountRoleChanged);
            entries.push(changed.detail("from", self.role.as_str()).detail("to", role.as_str()));
        }
        if let Some(disabled) = change.disabled.filter(|disabled| *disabled != self.disabled) {
            next.disabled = disabled;
            entries.push(entry(if disabled { AuditType::AccountDisabled } else { AuditType::AccountEnabled }));
        }
        if !entries.is_empty() {
            next.version += 1;
            next.updated_at = stamp.at;
        }
        (next, entries)
    }

    /// Refuses a change of role or access that `authority` does not cover: nobody grants what they do not
    /// hold, and nobody acts on somebody who holds more than they do.
    pub fn may_be_administered(&self, change: &AccountChange, authority: &[Permission]) -> Result<(), Error> {
        let granted = change.role.map_or(&[][..], Role::permissions);
        covers(authority, self.role.permissions().iter().chain(granted))
    }
}

/// Refuses if `wanted` has a permission that `authority` has not, and names all of them.
pub fn covers<'a>(authority: &[Permission], wanted: impl IntoIterator<Item = &'a Permission>) -> Result<(), Error> {
    let mut lacking: Vec<_> = wanted.into_iter().copied().filter(|wanted| !authority.contains(wanted)).collect();
    lacking.sort_unstable();
    lacking.dedup();
    if lacking.is_empty() { Ok(()) } else { Err(Error::Exceeds(lacking)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalises_good_addresses_and_refuses_bad_ones() {
        for (text, normal) in [
            ("mina@example.com", "mina@example.com"),
            ("  Mina.Kim+shop@Example.CO.KR ", "mina.kim+shop@example.co.kr"),
            ("admin@localhost", "admin@localhost"),
        ] {
            assert_eq!(Email::parse(text).map(|email| email.as_str().to_owned()), Ok(normal.to_owned()));
        }
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long = format!("a@{}.com", vec!["b".repeat(60); 5].join("."));
        for bad in [
            "",
            "@",
            "a@",
            "@b",
            "a b@example.com",
            "a@b@c",
            ".a@example.com",
            "a.@example.com",
            "a..b@example.com",
            "a@-b.com",
            "a@b-.com",
            "a@b..com",
            "a@b.com\r\nBcc: c@d.com",
            "민아@example.com",
            "a@예시.com",
            &long_local,
            &long,
        ] {
            assert!(Email::parse(bad).is_err(), "{bad:?} must be refused");
        }
    }

    #[test]
    fn names_are_trimmed_and_bounded() {
        assert_eq!(PersonName::parse(" 김민아 ").map(|name| name.as_str().to_owned()), Ok("김민아".to_owned()));
        for bad in ["", "   ", "a\nb", &"x".repeat(101)] {
            assert!(PersonName::parse(bad).is_err(), "{bad:?} must be refused");
        }
    }

    #[test]
    fn personal_details_stay_out_of_debug_output() {
        let email = Email::parse("mina@example.com").unwrap();
        let name = PersonName::parse("Mina Kim").unwrap();
        assert_eq!(format!("{email:?} {name:?}"), "Email(…) PersonName(…)");
    }
}
