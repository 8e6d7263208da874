//! Somebody changes their own name or language.

use contracts::{Locale, auth::AccountId};

use crate::{
    Auth,
    account::{Account, AccountChange, PersonName},
    audit::Stamp,
    error::Error,
    store::ChangeAccount,
};

/// What is to become different; `None` leaves a thing as it is.
#[derive(Debug)]
pub struct UpdateProfile {
    /// Whose.
    pub account_id: AccountId,
    /// As typed.
    pub name: Option<String>,
    /// The language for mails.
    pub locale: Option<Locale>,
    /// The version that the caller has seen.
    pub expected_version: Option<u64>,
}

/// Changes the caller's own account.
pub async fn update_profile(auth: &Auth, request: UpdateProfile) -> Result<Account, Error> {
    let name = request.name.as_deref().map(PersonName::parse).transpose();
    let name = name.map_err(|violation| Error::Invalid(vec![violation]))?;
    let change = ChangeAccount {
        id: request.account_id,
        change: AccountChange { name, locale: request.locale, ..AccountChange::default() },
        expected_version: request.expected_version,
        authority: None,
        stamp: Stamp::new(request.account_id.to_string(), auth.env.now()),
    };
    auth.store.change_account(change).await
}
