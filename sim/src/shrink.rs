//! Makes a failing run small: fewer people, fewer actions, fewer faults, as long as something still breaks.

use crate::{fault::Fault, plan::Plan, run::run};

/// Runs spent on making one failure small.
const RUNS_MAX: u32 = 80;

/// The smallest plan found that still breaks something.
pub fn shrink(plan: &Plan) -> Plan {
    let mut small = plan.clone();
    let mut left = RUNS_MAX;
    let mut fails = |plan: &Plan| {
        left = left.saturating_sub(1);
        left > 0 && !run(plan).wrongs.is_empty()
    };
    loop {
        let before = small.clone();
        for fault in Fault::ALL.iter().filter(|fault| before.faults.contains_key(fault)) {
            let mut less = small.clone();
            less.faults.remove(fault);
            keep_if(&mut small, less, &mut fails);
        }
        for shoppers in 1..small.shoppers {
            let less = Plan { shoppers, ..small.clone() };
            if keep_if(&mut small, less, &mut fails) {
                break;
            }
        }
        if small.account {
            let less = Plan { account: false, ..small.clone() };
            keep_if(&mut small, less, &mut fails);
        }
        // What a prefix shows, most longer ones show: halve the distance to the shortest.
        let mut too_few = 0;
        while too_few + 1 < small.actions {
            let actions = u32::midpoint(too_few, small.actions);
            let less = Plan { actions, ..small.clone() };
            if !keep_if(&mut small, less, &mut fails) {
                too_few = actions;
            }
        }
        if small == before {
            return small;
        }
    }
}

fn keep_if(small: &mut Plan, less: Plan, fails: &mut impl FnMut(&Plan) -> bool) -> bool {
    let keeps = fails(&less);
    if keeps {
        *small = less;
    }
    keeps
}
