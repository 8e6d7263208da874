//! Passwords: which are taken, and how they are hashed without drowning the machine.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _},
};
use chassis::{Env, StoreError};
use contracts::Violation;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{account::Email, error::Error};

/// Characters in a password at least.
pub const CHARS_MIN: usize = 10;
/// Characters in a password at most; more would only make hashing a long job.
pub const CHARS_MAX: usize = 128;

/// OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const SALT_BYTES: usize = 16;
/// A local part this short occurs in too many good passwords by chance.
const LOCAL_PART_CHARS_MIN: usize = 4;

/// A hash with our parameters that no password has: verifying against it costs what a real one costs.
const DUMMY_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$amFuZ3Rlb2R1bW15c2FsdA$q5Kcj1m0yYQ9Qy3u0m7T9bqXq3v0oX2m1yq4sN5tE9E";

/// The passwords of ten or more characters in Django's list of common passwords (BSD-3-Clause), which
/// goes back to Royce Williams' list of the most common ones in breaches.
const COMMON: &str = include_str!("common_passwords.txt");

/// What people put digits and marks around.
const COMMON_STEMS: [&str; 20] = [
    "password",
    "passw0rd",
    "qwerty",
    "qwertyuiop",
    "asdfghjkl",
    "welcome",
    "administrator",
    "admin",
    "letmein",
    "iloveyou",
    "changeme",
    "jangteo",
    "secret",
    "default",
    "football",
    "baseball",
    "sunshine",
    "princess",
    "dragon",
    "dkssud",
];

/// Refuses passwords that are too short, too long, too common, or made of the address.
pub fn check_strength(password: &SecretString, email: &Email, field: &str) -> Result<(), Violation> {
    let password = password.expose_secret();
    let chars = password.chars().count();
    if !(CHARS_MIN..=CHARS_MAX).contains(&chars) {
        return Err(Violation::new(field, format!("must have {CHARS_MIN} to {CHARS_MAX} characters")));
    }
    let lower = password.to_lowercase();
    if is_common(&lower) {
        return Err(Violation::new(field, "is one of the most common passwords; choose another"));
    }
    let local_part = email.local_part();
    if local_part.len() >= LOCAL_PART_CHARS_MIN && lower.contains(local_part) || lower.contains(email.as_str()) {
        return Err(Violation::new(field, "must not contain your e-mail address"));
    }
    Ok(())
}

fn is_common(lower: &str) -> bool {
    let stem = lower.trim_matches(|c: char| !c.is_alphabetic());
    COMMON.lines().any(|common| common == lower)
        || COMMON_STEMS.contains(&stem)
        || is_repetition(lower)
        || is_run(lower)
}

/// One to three characters over and over: `aaaaaaaaaa`, `abcabcabcabc`.
fn is_repetition(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    (1..=3).any(|period| chars.iter().zip(chars.iter().skip(period)).all(|(one, other)| one == other))
}

/// Characters in code order, up or down: `0123456789`, `zyxwvutsrq`.
fn is_run(text: &str) -> bool {
    let codes: Vec<u32> = text.chars().map(u32::from).collect();
    let steps_all = |step: i64| codes.windows(2).all(|pair| i64::from(pair[1]) - i64::from(pair[0]) == step);
    steps_all(1) || steps_all(-1)
}

/// Hashes and verifies passwords: as many at once as there are cores, as each takes 20 ms of a core and
/// 19 MiB, with a bounded number of callers waiting for their turn.
#[derive(Clone)]
pub struct Passwords {
    env: Env,
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

/// A turn at hashing. Taken before anything is counted or written, so that an overload leaves no trace.
pub struct Turn {
    _admitted: OwnedSemaphorePermit,
    _running: OwnedSemaphorePermit,
}

impl Passwords {
    /// Hashes `concurrent` passwords at once while `waiting_max` more callers wait.
    pub fn new(env: &Env, concurrent: usize, waiting_max: usize) -> Self {
        let concurrent = concurrent.max(1);
        Self {
            env: env.clone(),
            running: Arc::new(Semaphore::new(concurrent)),
            admitted: Arc::new(Semaphore::new(concurrent + waiting_max)),
        }
    }

    /// Waits for a turn; refuses at once if too many wait already.
    pub async fn turn(&self) -> Result<Turn, Error> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| Error::Busy)?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| Error::Busy)?;
        Ok(Turn { _admitted: admitted, _running: running })
    }

    /// The PHC string of `password` with a fresh salt.
    pub async fn hash(&self, turn: Turn, password: SecretString) -> Result<SecretString, Error> {
        let salt: [u8; SALT_BYTES] = self.env.random_bytes();
        let hashed = self.env.blocking(move || {
            let hashed = argon2()?.hash_password_with_salt(password.expose_secret().as_bytes(), &salt);
            drop(turn);
            hashed.map(|phc| SecretString::from(phc.to_string()))
        });
        hashed.await?.map_err(|error| Error::Store(StoreError::Corrupt(format!("argon2: {error}"))))
    }

    /// True if `password` has this hash. With no hash it takes as long and is false.
    pub async fn verify(&self, turn: Turn, password: SecretString, hash: Option<SecretString>) -> Result<bool, Error> {
        let verified = self.env.blocking(move || {
            let known = hash.is_some();
            let hash = hash.unwrap_or_else(|| SecretString::from(DUMMY_HASH));
            let verified = argon2()?.verify_password(password.expose_secret().as_bytes(), hash.expose_secret());
            drop(turn);
            match verified {
                Ok(()) => Ok(known),
                Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(error),
            }
        });
        verified.await?.map_err(|error| Error::Store(StoreError::Corrupt(format!("credentials.secret: {error}"))))
    }
}

fn argon2() -> Result<Argon2<'static>, argon2::password_hash::Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strength(password: &str) -> Result<(), Violation> {
        let email = Email::parse("mina.kim@example.com").unwrap();
        check_strength(&SecretString::from(password), &email, "/password")
    }

    #[test]
    fn refuses_weak_passwords() {
        for weak in [
            "",
            "short",
            "ninechars",
            &"x".repeat(129),
            "password123",
            "Password2026!",
            "1234567890",
            "0987654321",
            "qwertyuiop",
            "aaaaaaaaaaaa",
            "abcabcabcabc",
            "abcdefghijkl",
            "WELCOME!!!!",
            "Jangteo2026",
            "my-mina.kim-secret",
            "MINA.KIM@example.com",
        ] {
            assert!(strength(weak).is_err(), "{weak:?} must be refused");
        }
    }

    #[test]
    fn takes_good_passwords_of_any_script() {
        for good in ["correct horse battery", "열글자가넘는비밀번호입니다", "x7#kQ9!vTz"] {
            assert_eq!(strength(good), Ok(()), "{good:?} must be taken");
        }
    }

    #[tokio::test]
    async fn verifies_what_it_hashed_and_nothing_else() {
        let passwords = Passwords::new(&Env::simulated(1).0, 2, 2);
        let secret = |text: &str| SecretString::from(text);
        let hash = passwords.hash(passwords.turn().await.unwrap(), secret("correct horse")).await.unwrap();
        assert!(hash.expose_secret().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "PHC string with our parameters");
        for (password, hash, expected) in [
            ("correct horse", Some(hash.clone()), true),
            ("Correct horse", Some(hash), false),
            ("correct horse", None, false),
        ] {
            let turn = passwords.turn().await.unwrap();
            assert_eq!(passwords.verify(turn, secret(password), hash).await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn refuses_callers_beyond_the_bound_and_recovers() {
        let passwords = Passwords::new(&Env::simulated(1).0, 1, 0);
        let turn = passwords.turn().await.unwrap();
        assert!(matches!(passwords.turn().await, Err(Error::Busy)));
        drop(turn);
        assert!(passwords.turn().await.is_ok());
    }

    #[test]
    fn the_dummy_costs_what_a_real_hash_costs() {
        let dummy = argon2::password_hash::phc::PasswordHash::new(DUMMY_HASH).unwrap();
        let params = Params::try_from(&dummy).unwrap();
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (MEMORY_KIB, PASSES, LANES));
    }
}
