//! One crash: at which point, in which step, and what has to be true afterwards.

use std::{collections::BTreeSet, os::unix::process::ExitStatusExt as _, path::Path, process::Command, time::Duration};

use tokio::time::Instant;

use crate::{
    client::{Client, Stop},
    process::{PATIENCE, Process},
    stage::{Stage, Template},
    tale::{Heard, Tale},
};

/// After the tale is told, points are still reached by what happens every now and then.
const AFTERWARDS: Duration = Duration::from_secs(5);
/// Nothing is reached for so long once everything is done.
const QUIET: Duration = Duration::from_millis(1500);
const SIGABRT: i32 = 6;

pub struct Case {
    tale: &'static Tale,
    pub step: &'static str,
    pub point: String,
    /// For `JANGTEO_FAILPOINT`.
    pub route: String,
}

pub enum Verdict {
    Survived,
    /// The tale came to its end first.
    NotReached,
}

impl Case {
    pub fn name(&self) -> String {
        format!("{}@{}", self.step, self.point)
    }
}

/// Every point of every step, as the trace of a rehearsal tells them.
pub fn plan(tale: &'static Tale, trace: &[String]) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut steps = tale.steps.iter().peekable();
    let (mut step, mut route, mut seen) = ("", String::new(), BTreeSet::new());
    for point in trace {
        let here = format!("{route}{point}");
        if let Some(next) = steps.next_if(|next| next.begins == point) {
            step = next.name;
            seen.clear();
            route = format!("{here},");
        }
        if !step.is_empty() && seen.insert(point) {
            cases.push(Case { tale, step, point: point.clone(), route: here });
        }
    }
    let left: Vec<&str> = steps.map(|step| step.name).collect();
    assert!(left.is_empty(), "`{}` did not come to {left:?}: {trace:#?}", tale.name);
    cases
}

/// Plays the tale without a crash; answers the points that were reached, in order.
pub async fn rehearse(tale: &'static Tale, template: &Template) -> Result<Vec<String>, String> {
    let stage = Stage::open().await;
    let folder = template.copy();
    let file = folder.path().join("trace");
    let shop = stage.start_shop(folder.path(), &[("JANGTEO_FAILPOINT_TRACE", file.to_str().unwrap())]).await?;
    let client = Client::new(stage.shop);
    let mut heard = Heard::default();
    let before = stage.totals().await.map_err(|stop| said(stop, &shop))?;
    tale.tell(&client, template, &mut heard).await.map_err(|stop| said(stop, &shop))?;
    let after = stage.settled_totals().await.map_err(|stop| said(stop, &shop))?;
    tale.check(&client, template, &mut heard, [before, after]).await.map_err(|stop| said(stop, &shop))?;
    let read = || std::fs::read_to_string(&file).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>();
    let (mut trace, mut since) = (read(), Instant::now());
    while since.elapsed() < QUIET {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let longer = read();
        if longer.len() > trace.len() {
            (trace, since) = (longer, Instant::now());
        }
    }
    shop.stop().await?;
    verify(folder.path())?;
    Ok(trace)
}

/// Lets the process die at the point and start again; says what is wrong then.
pub async fn run(case: &Case, stage: &Stage, template: &Template) -> Result<Verdict, String> {
    let folder = template.copy();
    let verdict = crash_and_recover(case, stage, template, folder.path()).await;
    verdict.map_err(|error| {
        let kept = folder.keep();
        format!("{error}\n    data: {}", kept.display())
    })
}

async fn crash_and_recover(case: &Case, stage: &Stage, template: &Template, folder: &Path) -> Result<Verdict, String> {
    let tale = case.tale;
    let before = stage.totals().await.map_err(|stop| format!("{stop:?}"))?;
    let mut heard = Heard::default();
    let mut shop = stage.start_shop(folder, &[("JANGTEO_FAILPOINT", &case.route)]).await?;
    let patience = match tale.tell(&Client::new(stage.shop), template, &mut heard).await {
        Ok(()) => AFTERWARDS,
        Err(Stop::Gone) => PATIENCE,
        Err(stop) => return Err(format!("before the crash: {}", said(stop, &shop))),
    };
    let reached = match shop.end(patience).await {
        Some(status) if status.signal() == Some(SIGABRT) => true,
        Some(status) => return Err(format!("the process ended with {status}; {}", shop.said())),
        None => false,
    };
    if reached {
        shop = stage.start_shop(folder, &[]).await?;
    }
    let again = |stop| format!("after the crash: {}", said(stop, &shop));
    let client = Client::new(stage.shop);
    tale.tell(&client, template, &mut heard).await.map_err(again)?;
    let after = stage.settled_totals().await.map_err(again)?;
    tale.check(&client, template, &mut heard, [before, after]).await.map_err(again)?;
    shop.stop().await?;
    verify(folder)?;
    Ok(if reached { Verdict::Survived } else { Verdict::NotReached })
}

fn said(stop: Stop, shop: &Process) -> String {
    match stop {
        Stop::Gone => format!("the shop is gone; {}", shop.said()),
        Stop::Wrong(what) => format!("{what}; {}", shop.said()),
    }
}

/// `jangteo verify`: all invariants of all services, and no dead letters.
fn verify(folder: &Path) -> Result<(), String> {
    let mut verify = Command::new(env!("CARGO_BIN_EXE_jangteo"));
    let output = verify.arg("verify").arg("--data-dir").arg(folder.join("data")).output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    if output.status.success() { Ok(()) } else { Err(format!("jangteo verify: {said}")) }
}
