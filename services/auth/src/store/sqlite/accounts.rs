//! Accounts and their passwords in SQLite.

use chassis::{StoreError, idempotency, idempotency::Record, outbox};
use contracts::{
    Locale, Role,
    auth::{AccountCreated, AccountId, AuthEvent},
};
use rusqlite::{Connection, Row};
use secrecy::{ExposeSecret as _, SecretString};

use super::{audit, rows, sessions};
use crate::{
    account::{Account, Email, PersonName},
    audit::AuditType,
    error::Error,
    secret,
    session::sessions_revoked,
    store::{AccountFilter, ChangeAccount, ChangePassword, Login, NewAccount},
};

pub(super) fn register(tx: &Connection, new: &NewAccount, record: Option<&Record>) -> Result<(), Error> {
    let account = &new.account;
    let inserted = tx
        .prepare_cached(
            "INSERT INTO accounts (id, email, name, locale, role, disabled, version, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (email) DO NOTHING",
        )?
        .execute((
            account.id.to_string(),
            account.email.as_str(),
            account.name.as_str(),
            account.locale.tag(),
            account.role.as_str(),
            account.disabled,
            account.version.cast_signed(),
            account.created_at.as_microsecond(),
            account.updated_at.as_microsecond(),
        ))?;
    if inserted == 0 {
        return Err(Error::EmailTaken);
    }
    tx.prepare_cached(
        "INSERT INTO credentials (account_id, kind, secret, changed_at) VALUES (?1, 'password', ?2, ?3)",
    )?
    .execute((account.id.to_string(), new.password_hash.expose_secret(), account.created_at.as_microsecond()))?;
    let event = AuthEvent::AccountCreated(AccountCreated {
        account_id: account.id,
        email: account.email.as_str().to_owned(),
        name: account.name.as_str().to_owned(),
        locale: account.locale,
    });
    outbox::publish(tx, &event, new.event_id, &account.id.to_string(), account.created_at)?;
    audit::append(tx, &new.audit)?;
    if let Some(record) = record {
        idempotency::keep(tx, record)?;
    }
    Ok(())
}

pub(super) fn register_first_admin(tx: &Connection, new: &NewAccount) -> Result<bool, Error> {
    if enabled_admins(tx)? > 0 {
        return Ok(false);
    }
    register(tx, new, None)?;
    Ok(true)
}

pub(super) fn enabled_admins(connection: &Connection) -> Result<u64, StoreError> {
    rows::count(connection, "SELECT count(*) FROM accounts WHERE role = 'admin' AND disabled = 0")
}

pub(super) fn count(connection: &Connection) -> Result<u64, StoreError> {
    rows::count(connection, "SELECT count(*) FROM accounts")
}

pub(super) fn without_password(connection: &Connection) -> Result<Vec<AccountId>, StoreError> {
    rows::list(
        connection,
        "SELECT id FROM accounts WHERE id NOT IN (SELECT account_id FROM credentials) ORDER BY id LIMIT 100",
        [],
        |row| rows::parse(row, "id"),
    )
}

pub(super) fn find(connection: &Connection, id: AccountId) -> Result<Option<Account>, StoreError> {
    rows::find(connection, "SELECT * FROM accounts WHERE id = ?1", [id.to_string()], read)
}

pub(super) fn find_login(connection: &Connection, email: &Email) -> Result<Option<Login>, StoreError> {
    rows::find(
        connection,
        "SELECT accounts.*, credentials.secret FROM accounts
         JOIN credentials ON credentials.account_id = accounts.id AND credentials.kind = 'password'
         WHERE accounts.email = ?1",
        [email.as_str()],
        |row| {
            let secret: String = row.get("secret")?;
            Ok(Login { account: read(row)?, password_hash: SecretString::from(secret) })
        },
    )
}

pub(super) fn list(
    connection: &Connection,
    filter: &AccountFilter,
    after: Option<AccountId>,
    limit: u32,
) -> Result<Vec<Account>, StoreError> {
    rows::list(
        connection,
        "SELECT * FROM accounts
         WHERE (?1 IS NULL OR id < ?1) AND (?2 IS NULL OR role = ?2) AND (?3 IS NULL OR email = ?3)
         ORDER BY id DESC LIMIT ?4",
        (
            after.map(|id| id.to_string()),
            filter.role.map(Role::as_str),
            filter.email.as_ref().map(Email::as_str),
            limit,
        ),
        read,
    )
}

pub(super) fn change(tx: &Connection, change: &ChangeAccount) -> Result<Account, Error> {
    let before = find(tx, change.id)?.ok_or(Error::NotFound("account"))?;
    if change.expected_version.is_some_and(|expected| expected != before.version) {
        return Err(Error::Stale { current: before.version });
    }
    match &change.authority {
        Some(authority) => before.may_be_administered(&change.change, authority)?,
        // The owner's access token outlives the lock by minutes.
        None if before.disabled => return Err(Error::AccountDisabled),
        None => {}
    }
    let (after, entries) = before.change(&change.change, &change.stamp);
    if entries.is_empty() {
        return Ok(before);
    }
    update(tx, &after)?;
    if before.is_enabled_admin() && enabled_admins(tx)? == 0 {
        return Err(Error::LastAdmin);
    }
    if after.disabled && !before.disabled {
        sessions::revoke_all(tx, after.id, None, change.stamp.at)?;
    }
    for entry in &entries {
        audit::append(tx, entry)?;
    }
    Ok(after)
}

fn update(tx: &Connection, account: &Account) -> Result<(), StoreError> {
    tx.prepare_cached(
        "UPDATE accounts SET name = ?2, locale = ?3, role = ?4, disabled = ?5, version = ?6, updated_at = ?7
         WHERE id = ?1",
    )?
    .execute((
        account.id.to_string(),
        account.name.as_str(),
        account.locale.tag(),
        account.role.as_str(),
        account.disabled,
        account.version.cast_signed(),
        account.updated_at.as_microsecond(),
    ))?;
    Ok(())
}

pub(super) fn change_password(tx: &Connection, change: &ChangePassword) -> Result<(), Error> {
    let account = find(tx, change.account_id)?.filter(|account| !account.disabled).ok_or(Error::WrongCredentials)?;
    let now = change.stamp.at;
    let replaced = tx
        .prepare_cached(
            "UPDATE credentials SET secret = ?3, changed_at = ?4
             WHERE account_id = ?1 AND kind = 'password' AND secret = ?2",
        )?
        .execute((
            account.id.to_string(),
            change.seen_hash.expose_secret(),
            change.password_hash.expose_secret(),
            now.as_microsecond(),
        ))?;
    if replaced == 0 {
        return Err(Error::WrongCredentials);
    }
    let ended = sessions::revoke_all(tx, account.id, change.keep, now)?;
    sessions::forget_attempts(tx, secret::digest(account.email.as_str().as_bytes()))?;
    let entry = change.stamp.entry(AuditType::PasswordChanged).target(account.id);
    audit::append(tx, &entry.detail("sessions_ended", ended.to_string()))?;
    let event = sessions_revoked(&account, "password_changed");
    outbox::publish(tx, &event, change.event_id, &account.id.to_string(), now)?;
    Ok(())
}

/// True if the account may sign in and its password is still the one with this hash.
pub(super) fn credentials_hold(tx: &Connection, id: AccountId, seen_hash: &SecretString) -> Result<bool, StoreError> {
    Ok(tx
        .prepare_cached(
            "SELECT 1 FROM accounts JOIN credentials ON credentials.account_id = accounts.id
             WHERE accounts.id = ?1 AND accounts.disabled = 0 AND kind = 'password' AND secret = ?2",
        )?
        .exists((id.to_string(), seen_hash.expose_secret()))?)
}

pub(super) fn read(row: &Row<'_>) -> Result<Account, StoreError> {
    let email: String = row.get("email")?;
    let name: String = row.get("name")?;
    let role: String = row.get("role")?;
    Ok(Account {
        id: rows::parse(row, "id")?,
        email: Email::parse(&email).map_err(|error| StoreError::corrupt("accounts.email", error.detail))?,
        name: PersonName::parse(&name).map_err(|error| StoreError::corrupt("accounts.name", error.detail))?,
        locale: rows::parse::<Locale>(row, "locale")?,
        role: read_role(&role)?,
        disabled: row.get("disabled")?,
        version: row.get::<_, i64>("version")?.unsigned_abs(),
        created_at: rows::time(row, "created_at")?,
        updated_at: rows::time(row, "updated_at")?,
    })
}

fn read_role(text: &str) -> Result<Role, StoreError> {
    [Role::Customer, Role::Staff, Role::Admin]
        .into_iter()
        .find(|role| role.as_str() == text)
        .ok_or_else(|| StoreError::corrupt("accounts.role", text))
}
