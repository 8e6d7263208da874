//! `jangteo api-key`: a key for programs, made on the data of a stopped shop.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use auth_service::{Actor, Auth, CreateApiKey, store::SqliteAuthStore};
use chassis::{Env, datadir, sqlite::Location};
use contracts::Permission;
use secrecy::ExposeSecret as _;

use crate::{config::Config, shop};

/// Makes a key with `permissions` and answers its secret, which is kept nowhere.
pub fn create(config: &Config, name: String, permissions: &[String]) -> Result<String> {
    let known = Permission::ALL.map(Permission::as_str).join(", ");
    let permissions = permissions
        .iter()
        .map(|text| Permission::find(text).with_context(|| format!("unknown permission `{text}`; known are {known}")))
        .collect::<Result<Vec<_>>>()?;
    let request = CreateApiKey { name, permissions, expires_at: None };
    let (_, secret) =
        with_accounts(config, async |auth| auth_service::create_api_key(auth, &Actor::system(), request).await)?;
    Ok(secret.expose_secret().to_owned())
}

/// Does something with the accounts of a stopped shop.
pub(crate) fn with_accounts<T>(
    config: &Config,
    work: impl AsyncFnOnce(&Auth) -> Result<T, auth_service::Error>,
) -> Result<T> {
    if !config.data_dir.is_dir() {
        bail!("there is no data folder {}; choose one with --data-dir", config.data_dir.display());
    }
    shop::block_on(async {
        let env = Env::system();
        let lock = datadir::lock(&config.data_dir)?;
        let store = Arc::new(SqliteAuthStore::open(&Location::in_folder(lock.path(), "auth.db"))?);
        let auth = Auth::open(&env, &config.auth, store).await?;
        let outcome = work(&auth).await;
        env.stop().await;
        Ok(outcome?)
    })
}
