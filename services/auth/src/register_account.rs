//! Somebody registers.

use chassis::idempotency::Receipt;
use contracts::{Locale, Role, Violation, auth::AccountId};
use secrecy::SecretString;

use crate::{
    Auth,
    account::{Account, Email, PersonName},
    audit::{AuditType, Stamp},
    error::Error,
    password,
    store::NewAccount,
};

/// Who wants an account.
#[derive(Debug)]
pub struct RegisterAccount {
    /// As typed.
    pub email: String,
    /// As typed.
    pub password: SecretString,
    /// As typed.
    pub name: String,
    /// The language for mails.
    pub locale: Locale,
}

/// Makes an account for a customer.
///
/// A taken address is refused as such. That tells a stranger which addresses have accounts; hiding it
/// would need a mail round trip before anybody can buy. Shops of all sizes choose likewise, the gateway
/// limits how fast one client may ask, and signing in gives nothing away.
pub async fn register_account(
    auth: &Auth,
    request: RegisterAccount,
    receipt: Option<Receipt<Account>>,
) -> Result<Account, Error> {
    let (email, name) = check(&request)?;
    let turn = auth.passwords.turn().await?;
    let password_hash = auth.passwords.hash(turn, request.password).await?;
    let stamp = Stamp::new("anonymous", auth.env.now());
    let account = new_account(auth, email, name, request.locale, Role::Customer, &stamp);
    let record = receipt.map(|receipt| receipt.record(&account, stamp.at)).transpose()?;
    let audit = stamp.entry(AuditType::AccountCreated).target(account.id).detail("role", Role::Customer.as_str());
    let new = NewAccount { account: account.clone(), password_hash, event_id: auth.env.new_id(), audit };
    auth.store.register(new, record).await?;
    Ok(account)
}

fn check(request: &RegisterAccount) -> Result<(Email, PersonName), Error> {
    let email = Email::parse(&request.email);
    let name = PersonName::parse(&request.name);
    let password = match &email {
        Ok(email) => password::check_strength(&request.password, email, "/password"),
        Err(_) => Ok(()),
    };
    match (email, name, password) {
        (Ok(email), Ok(name), Ok(())) => Ok((email, name)),
        (email, name, password) => {
            let errors: [Option<Violation>; 3] = [email.err(), name.err(), password.err()];
            Err(Error::Invalid(errors.into_iter().flatten().collect()))
        }
    }
}

pub(crate) fn new_account(
    auth: &Auth,
    email: Email,
    name: PersonName,
    locale: Locale,
    role: Role,
    stamp: &Stamp,
) -> Account {
    Account {
        id: auth.env.new_id::<AccountId>(),
        email,
        name,
        locale,
        role,
        disabled: false,
        version: 1,
        created_at: stamp.at,
        updated_at: stamp.at,
    }
}
