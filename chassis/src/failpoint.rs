//! Points at which a test ends the process as a power cut would. Compiled in with the feature `failpoints` only;
//! without it [`fail_point!`](crate::fail_point) expands to nothing.
//!
//! `JANGTEO_FAILPOINT` says where: a route of points, `idempotency.begun,payment.commit.after:2`. Each has to be
//! reached (so many times) before the next one counts; at the last the process dies. `JANGTEO_FAILPOINT_TRACE`
//! names a file to which every point is appended that is reached, in order. See `docs/crash-tests.md`.

use std::{
    fs::File,
    io::Write as _,
    sync::{Mutex, OnceLock, PoisonError},
};

/// The route to the point of death.
const ROUTE: &str = "JANGTEO_FAILPOINT";
/// The file that tells which points were reached.
const TRACE: &str = "JANGTEO_FAILPOINT_TRACE";

/// Ends the process here if a test says so. The parts of the name are joined by dots.
#[macro_export]
macro_rules! fail_point {
    ($($part:expr),+ $(,)?) => {
        $crate::failpoint::reach(&[$($part),+])
    };
}

static PLAN: OnceLock<Option<Mutex<Plan>>> = OnceLock::new();

/// What this process was told.
struct Plan {
    route: Route,
    trace: Option<File>,
}

/// The points still to be reached, each so many times; the next one first.
#[derive(Debug, PartialEq, Eq)]
struct Route(Vec<(String, u32)>);

/// Notes that the point was reached; does not return from the last of the route.
pub fn reach(parts: &[&str]) {
    let Some(plan) = PLAN.get_or_init(Plan::from_environment) else { return };
    let mut plan = plan.lock().unwrap_or_else(PoisonError::into_inner);
    let point = parts.join(".");
    if let Some(trace) = &mut plan.trace {
        // One write, so that lines of several threads do not mix. A trace that cannot be written is missed by
        // the test that asked for it.
        let _ = trace.write_all(format!("{point}\n").as_bytes());
    }
    if plan.route.is_last(&point) {
        die(&format!("reached the fail point {point}"));
    }
}

impl Plan {
    fn from_environment() -> Option<Mutex<Self>> {
        let route = std::env::var(ROUTE).ok().map(|text| {
            Route::parse(&text).unwrap_or_else(|| die(&format!("{ROUTE}={text} is no list like `name,name:2`")))
        });
        let trace = std::env::var_os(TRACE).map(|path| {
            let opened = File::options().create(true).append(true).open(path);
            opened.unwrap_or_else(|error| die(&format!("{TRACE} cannot be written: {error}")))
        });
        let plan = Self { route: route.unwrap_or(Route(Vec::new())), trace };
        (plan.trace.is_some() || !plan.route.0.is_empty()).then(|| Mutex::new(plan))
    }
}

impl Route {
    fn parse(text: &str) -> Option<Self> {
        let stop = |stop: &str| {
            let (name, count) = stop.trim().split_once(':').unwrap_or((stop.trim(), "1"));
            let count = count.parse().ok().filter(|count| *count > 0)?;
            (!name.is_empty()).then(|| (name.to_owned(), count))
        };
        text.split(',').map(stop).collect::<Option<Vec<_>>>().map(Self)
    }

    /// Goes on to the next point if this is the one that counts; true at the end of the route.
    fn is_last(&mut self, point: &str) -> bool {
        let Some((next, count)) = self.0.first_mut() else { return false };
        if next != point {
            return false;
        }
        *count -= 1;
        if *count > 0 {
            return false;
        }
        self.0.remove(0);
        self.0.is_empty()
    }
}

/// Ends the process at once: no destructor runs, no buffer is written, no other thread goes on. For the files that
/// is `kill -9`, at a place that can be chosen; the signal tells it from a process that was killed from outside.
fn die(why: &str) -> ! {
    tracing::error!("{why}");
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::Route;

    #[test]
    fn each_point_counts_only_after_the_one_before() {
        let mut route = Route::parse("a, b:2").unwrap();
        let died: Vec<bool> = ["b", "a", "c", "b", "a", "b", "b"].iter().map(|point| route.is_last(point)).collect();
        assert_eq!(died, [false, false, false, false, false, true, false]);
    }

    #[test]
    fn what_is_no_route_is_refused() {
        for text in ["", "a,,b", "a:0", "a:x", ":1"] {
            assert_eq!(Route::parse(text), None, "{text}");
        }
    }
}
