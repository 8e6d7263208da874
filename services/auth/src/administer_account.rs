//! An administrator gives a role, or locks an account.

use contracts::{Role, auth::AccountId};

use crate::{
    Auth,
    account::{Account, AccountChange},
    actor::Actor,
    audit::Stamp,
    error::Error,
    store::ChangeAccount,
};

/// What is to become different; `None` leaves a thing as it is.
#[derive(Debug)]
pub struct AdministerAccount {
    /// Whose account.
    pub id: AccountId,
    /// Another role.
    pub role: Option<Role>,
    /// Lock the account, or unlock it.
    pub disabled: Option<bool>,
    /// The version that the caller has seen.
    pub expected_version: Option<u64>,
}

/// Changes somebody's role or access, within what the actor holds. Access tokens that are out keep the
/// old role until they expire, minutes later.
pub async fn administer_account(auth: &Auth, by: &Actor, request: AdministerAccount) -> Result<Account, Error> {
    let change = ChangeAccount {
        id: request.id,
        change: AccountChange { role: request.role, disabled: request.disabled, ..AccountChange::default() },
        expected_version: request.expected_version,
        authority: Some(by.permissions.clone()),
        stamp: Stamp::new(by.name.clone(), auth.env.now()),
    };
    auth.store.change_account(change).await
}
