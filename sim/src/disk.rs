//! Disks that are slow, fail, lie about commits, or take their process down with them.

use std::{future::pending, sync::Arc, time::Duration};

use async_trait::async_trait;
use chassis::sqlite::{Access, Disk, Fate};

use crate::{
    fault::Fault,
    world::{Place, World},
};

/// One file's way to its disk.
pub struct SimDisk {
    pub(crate) world: Arc<World>,
    pub(crate) place: Place,
    pub(crate) name: &'static str,
}

impl SimDisk {
    fn strikes(&self, fault: Fault) -> bool {
        // The provider's troubles are ordered from it.
        self.place != Place::Provider && self.world.strikes(fault, &self.name)
    }

    /// Notes which states were committed.
    fn cover(&self) {
        let columns: &[(&str, &str)] = match self.name {
            "order" => &[
                ("order", "SELECT DISTINCT status FROM orders"),
                ("order payment", "SELECT DISTINCT payment_status FROM orders"),
            ],
            "payment" => &[("payment", "SELECT DISTINCT state FROM payments")],
            _ => return,
        };
        let Ok(file) = self.world.file(self.place, self.name) else { return };
        let connection = file.connection();
        for (what, query) in columns {
            // A table that is no more shows as a state that is never reached.
            let Ok(mut statement) = connection.prepare_cached(query) else { continue };
            let Ok(states) = statement.query_map([], |row| row.get::<_, String>(0)) else { continue };
            for state in states.flatten() {
                self.world.coverage.reached(&format!("{what}: {state}"));
            }
        }
    }

    async fn die(&self) -> ! {
        self.world.crash(self.place);
        pending::<()>().await;
        unreachable!("a dead process goes no further")
    }
}

#[async_trait]
impl Disk for SimDisk {
    async fn before(&self, access: Access) -> Fate {
        if !self.world.faults.are_raging() {
            return Fate::Done;
        }
        // Most accesses are at once; the others let somebody else go first.
        let millis = match self.world.faults.latency(0, 7) {
            millis @ 1..=2 => millis,
            _ if self.strikes(Fault::StoreSlow) => self.world.faults.size(Fault::StoreSlow, 5, 3_000),
            _ => 0,
        };
        if millis > 0 {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
        if self.strikes(Fault::StoreUnavailable) {
            return Fate::Unavailable;
        }
        if access == Access::Read {
            return Fate::Done;
        }
        if self.strikes(Fault::CrashBeforeCommit) {
            self.die().await;
        }
        if self.strikes(Fault::StoreLost) {
            return Fate::Lost;
        }
        if self.strikes(Fault::StoreUnanswered) {
            return Fate::Unanswered;
        }
        Fate::Done
    }

    async fn after(&self, access: Access) {
        if access == Access::Write {
            self.cover();
        }
        if access == Access::Write && self.strikes(Fault::CrashAfterCommit) {
            self.die().await;
        }
    }
}
