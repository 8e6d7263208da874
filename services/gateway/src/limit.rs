//! How often one client may ask: the generic cell rate algorithm, one number per client.
//!
//! Each request is worth `1 / rate` of time. A client's number is the time at which its bucket would be full
//! again; a request is refused when that lies more than a burst's worth ahead.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use contracts::Caller;
use jiff::Timestamp;
use uuid::Uuid;

use crate::config::Quota;

/// Locks are held for nanoseconds; as many shards as this keep clients from waiting for each other.
const SHARDS: usize = 64;
const NANOS_PER_MINUTE: u64 = 60_000_000_000;

/// Whose requests count together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// An address, or a /64 network of IPv6: that is what one customer of a provider has.
    Address(IpAddr),
    /// A signed-in account.
    Account(Uuid),
    /// An API key.
    ApiKey(Uuid),
}

impl Client {
    pub(crate) fn of(caller: &Caller, address: IpAddr) -> Self {
        match caller {
            Caller::Anonymous => Self::at(address),
            Caller::Account { id, .. } => Self::Account(id.as_uuid()),
            Caller::ApiKey { id, .. } => Self::ApiKey(id.as_uuid()),
        }
    }

    pub(crate) fn at(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6((u128::from(address) & (u128::MAX << 64)).into()),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// What a client may still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// The burst.
    pub(crate) limit: u32,
    /// Requests left at once.
    pub(crate) remaining: u32,
    /// Not now, but after this long.
    pub(crate) refused: Option<Duration>,
}

/// The rates of all clients in one class.
pub(crate) struct Limiter {
    burst: u32,
    /// What one request is worth, nanoseconds.
    interval: u64,
    shard_len_max: usize,
    hasher: RandomState,
    shards: Vec<Mutex<HashMap<Client, u64>>>,
}

impl Limiter {
    pub(crate) fn new(quota: Quota, clients_max: usize) -> Self {
        Self {
            burst: quota.burst.get(),
            interval: (NANOS_PER_MINUTE / u64::from(quota.per_minute.get())).max(1),
            shard_len_max: (clients_max / SHARDS).max(1),
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// Counts one request of `client`, if it is allowed.
    pub(crate) fn take(&self, client: Client, now: Timestamp) -> Allowance {
        self.allow(client, now, true)
    }

    /// What [`Self::take`] would answer.
    pub(crate) fn peek(&self, client: Client, now: Timestamp) -> Allowance {
        self.allow(client, now, false)
    }

    fn allow(&self, client: Client, now: Timestamp, count: bool) -> Allowance {
        let now = nanos(now);
        let capacity = self.interval.saturating_mul(u64::from(self.burst));
        let shard = usize::try_from(self.hasher.hash_one(client) % SHARDS as u64).unwrap_or(0);
        let Some(shard) = self.shards.get(shard) else { return self.allowance(0, None) };
        let mut clients = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = clients.get(&client).copied().unwrap_or(0).max(now);
        let next = full_at.saturating_add(self.interval);
        let ahead = next - now;
        if ahead > capacity {
            return self.allowance(0, Some(Duration::from_nanos(ahead - capacity)));
        }
        if count {
            if clients.len() >= self.shard_len_max && !clients.contains_key(&client) {
                make_room(&mut clients, now);
            }
            clients.insert(client, next);
        }
        self.allowance((capacity - ahead) / self.interval, None)
    }

    /// Forgets clients whose bucket is full.
    pub(crate) fn forget_idle(&self, now: Timestamp) {
        let now = nanos(now);
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, full_at| *full_at > now);
        }
    }

    fn allowance(&self, remaining: u64, refused: Option<Duration>) -> Allowance {
        Allowance { limit: self.burst, remaining: u32::try_from(remaining).unwrap_or(u32::MAX), refused }
    }
}

/// Memory is bounded even against somebody with a million addresses: the client that is nearest to a full
/// bucket loses least by being forgotten.
fn make_room(clients: &mut HashMap<Client, u64>, now: u64) {
    let before = clients.len();
    clients.retain(|_, full_at| *full_at > now);
    if clients.len() == before
        && let Some(least) = clients.iter().min_by_key(|(_, full_at)| **full_at).map(|(client, _)| *client)
    {
        clients.remove(&least);
    }
}

fn nanos(now: Timestamp) -> u64 {
    u64::try_from(now.as_nanosecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::{Client, Limiter};
    use crate::config::Quota;

    fn client(last: u8) -> Client {
        Client::at([10, 0, 0, last].into())
    }

    #[test]
    fn a_burst_then_the_rate_and_clients_do_not_share() {
        let limiter = Limiter::new(Quota::new(60, 3), 1000);
        let mut now = Timestamp::UNIX_EPOCH;
        let left: Vec<u32> = (0..3).map(|_| limiter.take(client(1), now).remaining).collect();
        assert_eq!(left, [2, 1, 0]);
        assert_eq!(limiter.take(client(1), now).refused, Some(Duration::from_secs(1)));
        assert_eq!(limiter.take(client(2), now).refused, None);
        now += Duration::from_secs(1);
        assert_eq!(limiter.take(client(1), now).refused, None);
        assert!(limiter.take(client(1), now).refused.is_some());
        now += Duration::from_secs(60);
        assert_eq!(limiter.take(client(1), now).remaining, 2, "never more than a burst");
    }

    #[test]
    fn memory_is_bounded_and_idle_clients_are_forgotten() {
        let limiter = Limiter::new(Quota::new(1, 1), 640);
        let now = Timestamp::UNIX_EPOCH + Duration::from_secs(1);
        for n in 0..10_000_u32 {
            limiter.take(Client::at(std::net::Ipv4Addr::from(n).into()), now);
        }
        let len = || limiter.shards.iter().map(|shard| shard.lock().unwrap().len()).sum::<usize>();
        assert!(len() <= 640, "{}", len());
        limiter.forget_idle(now + Duration::from_secs(61));
        assert_eq!(len(), 0);
    }

    #[test]
    fn a_network_of_one_customer_is_one_client() {
        let at = |text: &str| Client::at(text.parse().unwrap());
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::9"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
        assert_eq!(at("::ffff:10.0.0.1"), client(1));
    }
}
