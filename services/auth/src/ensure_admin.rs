//! The first start makes an administrator.

use contracts::{Locale, Role};
use secrecy::SecretString;

use crate::{
    Auth,
    account::{Email, PersonName},
    audit::{AuditType, Stamp},
    error::Error,
    register_account::new_account,
    store::NewAccount,
};

/// No `0`/`o`, `1`/`l`/`i`: people type this from a terminal. 32 of them, so each gives five bits.
const ALPHABET: &[u8; 32] = b"23456789abcdefghjkmnpqrstuvwxyzA";
/// 120 bits.
const PASSWORD_CHARS: usize = 24;

/// Makes an administrator with this address and answers the password, which is kept nowhere; `None` if
/// there is an enabled administrator already. [`Error::EmailTaken`] if the address belongs to a customer:
/// nobody is promoted unasked.
pub async fn ensure_admin(auth: &Auth, email: &str) -> Result<Option<SecretString>, Error> {
    let email = Email::parse(email).map_err(|violation| Error::Invalid(vec![violation]))?;
    if auth.store.has_admin().await? {
        return Ok(None);
    }
    let name = PersonName::parse("Administrator").map_err(|violation| Error::Invalid(vec![violation]))?;
    let password = generate_password(auth);
    let password_hash = auth.passwords.hash(auth.passwords.turn().await?, password.clone()).await?;
    let stamp = Stamp::new("system", auth.env.now());
    let account = new_account(auth, email, name, Locale::default(), Role::Admin, &stamp);
    let audit = stamp.entry(AuditType::AccountCreated).target(account.id).detail("role", Role::Admin.as_str());
    let new = NewAccount { account, password_hash, event_id: auth.env.new_id(), audit };
    // Another replica may have been faster.
    let made = auth.store.register_first_admin(new).await?;
    Ok(made.then_some(password))
}

/// A password that a person can type: 24 characters, 120 bits.
pub(crate) fn generate_password(auth: &Auth) -> SecretString {
    let bytes: [u8; PASSWORD_CHARS] = auth.env.random_bytes();
    let chars = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    chars.collect::<String>().into()
}
