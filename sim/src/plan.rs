//! What a run consists of. All of it follows from the seed; a shrinker takes parts away.

use std::collections::BTreeMap;

use crate::{fault::Fault, rng::Rng};

/// The run of one seed, whole or with parts taken away.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Where all randomness comes from.
    pub seed: u64,
    /// What people do in all.
    pub actions: u32,
    /// How many people shop.
    pub shoppers: u32,
    /// True if one of them has an account.
    pub account: bool,
    /// What goes wrong, and at which share of occasions.
    pub faults: BTreeMap<Fault, f64>,
    /// How long an order waits for its payment.
    pub pay_within_seconds: u32,
    /// How much longer its stock is held.
    pub hold_margin_seconds: u32,
    /// Keeps the lines of the trace, not only their hash.
    pub recorded: bool,
}

impl Plan {
    /// The whole run of `seed`. Each run has only some of the faults, some often and some seldom: what all of
    /// them together hide, a few of them show.
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::of(seed, "plan");
        let share = rng.share();
        let faults = Fault::ALL.iter().filter_map(|fault| {
            let (there, rate) = (rng.chance(share), rng.share());
            there.then_some((*fault, fault.rate_max() * rate * rate))
        });
        let faults = faults.collect();
        Self {
            seed,
            actions: u32::try_from(rng.between(10, 120)).unwrap_or(10),
            shoppers: u32::try_from(rng.between(1, 8)).unwrap_or(1),
            account: rng.chance(0.2),
            faults,
            pay_within_seconds: *rng.pick(&[10, 20, 60, 900]).unwrap_or(&300),
            hold_margin_seconds: *rng.pick(&[1, 5, 300]).unwrap_or(&300),
            recorded: false,
        }
    }

    /// The same without faults.
    pub fn calm(self) -> Self {
        Self { faults: BTreeMap::new(), ..self }
    }
}
