//! Brute-force limits: how many attempts one e-mail address gets.
//!
//! Counted per address, whether it has an account or not, so that being locked out does not tell which
//! addresses have one. An attempt is counted before the password is looked at, in one atomic step of
//! the store: guesses sent in parallel cannot slip past the count. The price is that a stranger can lock
//! an address out for up to 15 minutes; sessions that exist go on.

use jiff::{SignedDuration, Timestamp};

/// Attempts before the first lock.
pub const ATTEMPTS_FREE: u32 = 5;
/// The first lock; it doubles with every further attempt.
pub const LOCK_FIRST: SignedDuration = SignedDuration::from_secs(30);
/// The longest lock.
pub const LOCK_MAX: SignedDuration = SignedDuration::from_secs(15 * 60);
/// After so long without an attempt everything is forgotten.
pub const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// What is remembered about the attempts for one address. Success forgets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    /// Attempts since the last success.
    pub attempts: u32,
    /// No attempt counts before this.
    pub locked_until: Timestamp,
    /// The last attempt that counted.
    pub attempted_at: Timestamp,
}

/// Too many attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockedOut {
    /// When the next attempt counts.
    pub retry_after_seconds: u32,
}

impl Throttle {
    /// Counts an attempt now, or refuses it. A refused attempt changes nothing, so that waiting helps.
    pub fn attempt(before: Option<Self>, now: Timestamp) -> Result<Self, LockedOut> {
        let remembered = before.filter(|throttle| now.duration_since(throttle.attempted_at) < FORGOTTEN_AFTER);
        if let Some(throttle) = remembered
            && now < throttle.locked_until
        {
            let wait = throttle.locked_until.duration_since(now);
            let seconds = wait.as_secs() + i64::from(wait.subsec_nanos() > 0);
            return Err(LockedOut { retry_after_seconds: u32::try_from(seconds).unwrap_or(u32::MAX) });
        }
        let attempts = remembered.map_or(0, |throttle| throttle.attempts).saturating_add(1);
        let locked_until = now.saturating_add(lock_after(attempts)).unwrap_or(now);
        Ok(Self { attempts, locked_until, attempted_at: now })
    }
}

fn lock_after(attempts: u32) -> SignedDuration {
    match attempts.checked_sub(ATTEMPTS_FREE) {
        None => SignedDuration::ZERO,
        // 2^5 times the first lock is beyond the longest.
        Some(further) => LOCK_MAX.min(LOCK_FIRST * 2_i32.pow(further.min(5))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_after_five_attempts_and_doubles_up_to_fifteen_minutes() {
        let mut now = Timestamp::UNIX_EPOCH;
        let mut throttle = None;
        let mut locks = Vec::new();
        for _ in 0..12 {
            let next = Throttle::attempt(throttle, now).unwrap();
            locks.push(next.locked_until.duration_since(now).as_secs());
            now = next.locked_until;
            throttle = Some(next);
        }
        assert_eq!(locks, [0, 0, 0, 0, 30, 60, 120, 240, 480, 900, 900, 900]);
    }

    #[test]
    fn refuses_while_locked_and_says_how_long() {
        let start = Timestamp::UNIX_EPOCH;
        let locked = Throttle { attempts: 5, locked_until: start + LOCK_FIRST, attempted_at: start };
        let later = start + SignedDuration::from_millis(500);
        assert_eq!(Throttle::attempt(Some(locked), later), Err(LockedOut { retry_after_seconds: 30 }));
        assert_eq!(Throttle::attempt(Some(locked), start + LOCK_FIRST).unwrap().attempts, 6);
    }

    #[test]
    fn forgets_after_a_day() {
        let start = Timestamp::UNIX_EPOCH;
        let old = Throttle { attempts: 50, locked_until: start, attempted_at: start };
        assert_eq!(Throttle::attempt(Some(old), start + FORGOTTEN_AFTER).unwrap().attempts, 1);
    }
}
