//! `jangteo api-key`: a key for programs, made on the data of a stopped shop.

use std::sync::Arc;

use anyhow::{Context as _, Result};
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
    shop::runtime()?.block_on(async {
        let env = Env::system();
        let lock = datadir::lock(&config.data_dir)?;
        let store = Arc::new(SqliteAuthStore::open(&Location::in_folder(lock.path(), "auth.db"))?);
        let auth = Auth::open(&env, &config.auth, store).await?;
        let request = CreateApiKey { name, permissions, expires_at: None };
        let (_, secret) = auth_service::create_api_key(&auth, &Actor::system(), request).await?;
        env.stop().await;
        Ok(secret.expose_secret().to_owned())
    })
}
