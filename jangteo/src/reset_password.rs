//! `jangteo reset-password`: a way back in for the owner of a stopped shop.

use anyhow::{Context as _, Result};
use secrecy::ExposeSecret as _;

use crate::{api_key::with_accounts, config::Config};

/// Gives the account a new password and answers it; without `email`, the administrator's account.
pub fn reset(config: &Config, email: Option<&str>) -> Result<String> {
    let email = email.unwrap_or(&config.admin.email);
    let password = with_accounts(config, async |auth| auth_service::reset_password(auth, email).await)
        .with_context(|| format!("cannot reset the password of {email}"))?;
    Ok(password.expose_secret().to_owned())
}
