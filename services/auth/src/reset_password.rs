//! The machine's owner gives an account a new password, when the old one is lost.

use secrecy::SecretString;

use crate::{Auth, account::Email, audit::Stamp, ensure_admin::generate_password, error::Error, store};

/// Replaces the password of the account with this address by a generated one, ends its sessions, and answers
/// the password, which is kept nowhere. For the command line only: whoever may read the data folder may do everything.
pub async fn reset_password(auth: &Auth, email: &str) -> Result<SecretString, Error> {
    let email = Email::parse(email).map_err(|violation| Error::Invalid(vec![violation]))?;
    let login = auth.store.find_login(&email).await?.ok_or(Error::NotFound("account"))?;
    let password = generate_password(auth);
    let password_hash = auth.passwords.hash(auth.passwords.turn().await?, password.clone()).await?;
    let change = store::ChangePassword {
        account_id: login.account.id,
        seen_hash: login.password_hash,
        password_hash,
        keep: None,
        event_id: auth.env.new_id(),
        stamp: Stamp::new("system", auth.env.now()),
    };
    auth.store.change_password(change).await?;
    Ok(password)
}
