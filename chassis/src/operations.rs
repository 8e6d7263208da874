//! What the people who run the shop can do to a service while it serves: see what it gave up, have that handled
//! again or drop it, read what it said, make a read model again. Every service mounts the same routes, under
//! `/v1/operations/<service>`.

pub mod dead_letters;
pub mod events;
pub mod rebuild;

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use contracts::{
    Caller, ErrorCode, Page, Violation,
    page::{PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX},
};
use http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, openapi::PathItem};
use utoipa_axum::{router::OpenApiRouter, routes};

use self::{
    dead_letters::{DeadLetter, DeadLetters, Owner},
    events::{EventQuery, ToldEvent},
    rebuild::{Rebuild, RebuildState, Rebuilds},
};
use crate::{
    Env, Problem,
    bus::Bus,
    http::{CurrentCaller, Json, Path, Problems, Query},
    queue::Queue,
};

/// What there is to operate in a service.
pub struct Operations {
    /// Clock and tasks.
    pub env: Env,
    /// `order`.
    pub service: &'static str,
    /// Where its events come from and go.
    pub bus: Arc<dyn Bus>,
    /// Where its work is.
    pub queue: Arc<dyn Queue>,
    /// The consumer groups and queues whose dead letters are its own.
    pub owner: Owner,
    /// The topic that it publishes.
    pub topic: Option<&'static str>,
    /// What can be made again from its facts.
    pub rebuild: Option<Arc<dyn Rebuild>>,
}

/// The store of dead letters, or the bus, cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// Try later.
    #[error("{0}")]
    Unavailable(String),
    /// It is not from a page of this list.
    #[error("the cursor is not from a page of this list")]
    InvalidCursor,
}

impl From<crate::bus::BusError> for OperationError {
    fn from(error: crate::bus::BusError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<crate::queue::QueueError> for OperationError {
    fn from(error: crate::queue::QueueError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<OperationError> for Problem {
    fn from(error: OperationError) -> Self {
        match error {
            OperationError::Unavailable(_) => {
                Self::new(ErrorCode::Unavailable, "Bus or queue cannot answer now; nothing was changed. Try again.")
                    .source(error)
            }
            OperationError::InvalidCursor => Self::invalid(vec![Violation::new("cursor", error.to_string())]),
        }
    }
}

#[derive(Clone)]
struct Desk {
    service: &'static str,
    bus: Arc<dyn Bus>,
    letters: Arc<DeadLetters>,
    topic: &'static str,
    rebuilds: Option<Rebuilds>,
}

impl Operations {
    /// The routes, to be merged into the service's own.
    pub fn router(self) -> OpenApiRouter {
        let Self { env, service, bus, queue, owner, topic, rebuild } = self;
        let mut router = OpenApiRouter::new()
            .routes(routes!(list_dead_letters))
            .routes(routes!(show_dead_letter, drop_dead_letter))
            .routes(routes!(replay_dead_letter));
        if topic.is_some() {
            router = router.routes(routes!(list_events));
        }
        if rebuild.is_some() {
            router = router.routes(routes!(show_rebuild, start_rebuild));
        }
        // Every service has these; in the document of the whole API their names must differ.
        for operation in router.get_openapi_mut().paths.paths.values_mut().flat_map(operations_of) {
            let id = operation.operation_id.take().unwrap_or_default();
            operation.operation_id = Some(format!("{id}_of_{service}"));
        }
        let letters = Arc::new(DeadLetters::new(Arc::clone(&bus), queue, Some(owner)));
        let rebuilds = rebuild.map(|work| Rebuilds::new(&env, work));
        let desk = Desk { service, bus, letters, topic: topic.unwrap_or_default(), rebuilds };
        OpenApiRouter::new().nest(&format!("/v1/operations/{service}"), router).with_state(desk)
    }
}

fn operations_of(item: &mut PathItem) -> impl Iterator<Item = &mut utoipa::openapi::path::Operation> {
    [&mut item.get, &mut item.post, &mut item.delete].into_iter().filter_map(Option::as_mut)
}

impl Desk {
    fn log(&self, caller: &Caller, what: &'static str, id: &str) {
        tracing::info!(target: "jangteo::audit", service = self.service, actor = caller.actor(), id, "{what}");
    }
}

fn page_limit(limit: Option<u32>) -> Result<u32, Problem> {
    match limit.unwrap_or(PAGE_ITEMS_DEFAULT) {
        limit @ 1..=PAGE_ITEMS_MAX => Ok(limit),
        _ => Err(Problem::invalid(vec![Violation::new("limit", format!("must be between 1 and {PAGE_ITEMS_MAX}"))])),
    }
}

/// Which part of a list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Items at most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List what the service gave up.
///
/// Events that a consumer could not handle, then jobs that a worker could not do; the oldest of each first.
#[utoipa::path(
    get, path = "/dead-letters", tag = "Operations", operation_id = "list_dead_letters", params(ListParams),
    responses((status = 200, description = "Dead letters, without their payload", body = Page<DeadLetter>), Problems),
    security(("bearer" = ["system:operate"]))
)]
async fn list_dead_letters(
    State(desk): State<Desk>,
    Query(params): Query<ListParams>,
) -> Result<Json<Page<DeadLetter>>, Problem> {
    let limit = page_limit(params.limit)?;
    Ok(Json(desk.letters.page(params.cursor.as_deref(), limit).await?))
}

/// Show a dead letter with its payload.
///
/// Secrets in it are hidden.
#[utoipa::path(
    get, path = "/dead-letters/{id}", tag = "Operations", operation_id = "show_dead_letter",
    params(("id" = String, Path, description = "Which one", example = "1")),
    responses((status = 200, description = "The dead letter", body = DeadLetter), Problems),
    security(("bearer" = ["system:operate"]))
)]
async fn show_dead_letter(
    State(desk): State<Desk>,
    CurrentCaller(caller): CurrentCaller,
    Path(id): Path<String>,
) -> Result<Json<DeadLetter>, Problem> {
    let found = desk.letters.find(&id).await?.ok_or_else(unknown)?;
    // Payloads name people: who looked is on record.
    desk.log(&caller, "a dead letter was shown", &id);
    Ok(Json(found))
}

/// Have a dead letter handled again.
///
/// Only by the service that gave it up. If it fails again, it is a dead letter again.
#[utoipa::path(
    post, path = "/dead-letters/{id}/replay", tag = "Operations", operation_id = "replay_dead_letter",
    params(("id" = String, Path, description = "Which one", example = "1")),
    responses((status = 202, description = "It will be handled again"), Problems),
    security(("bearer" = ["system:operate"]))
)]
async fn replay_dead_letter(
    State(desk): State<Desk>,
    CurrentCaller(caller): CurrentCaller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    if !desk.letters.replay(&id).await? {
        return Err(unknown());
    }
    desk.log(&caller, "a dead letter is handled again", &id);
    Ok(StatusCode::ACCEPTED)
}

/// Drop a dead letter for good.
#[utoipa::path(
    delete, path = "/dead-letters/{id}", tag = "Operations", operation_id = "drop_dead_letter",
    params(("id" = String, Path, description = "Which one", example = "1")),
    responses((status = 204, description = "It is gone"), Problems),
    security(("bearer" = ["system:operate"]))
)]
async fn drop_dead_letter(
    State(desk): State<Desk>,
    CurrentCaller(caller): CurrentCaller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    if !desk.letters.discard(&id).await? {
        return Err(unknown());
    }
    desk.log(&caller, "a dead letter was dropped", &id);
    Ok(StatusCode::NO_CONTENT)
}

fn unknown() -> Problem {
    Problem::not_found("dead letter of this service")
}

/// Which events.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EventParams {
    /// The offset to begin with; later pages begin with `next_cursor`.
    #[param(minimum = 0, default = 0)]
    from: Option<u64>,
    /// Items at most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// Only of this type.
    #[serde(rename = "type")]
    #[param(example = "order.placed")]
    event_type: Option<String>,
    /// Only about this one: the `subject`.
    key: Option<String>,
}

/// List what the service said.
///
/// CloudEvents as the bus keeps them, oldest first, secrets hidden. A page may be short or empty although more
/// follows, if few events match: `next_cursor` tells.
#[utoipa::path(
    get, path = "/events", tag = "Operations", operation_id = "list_events", params(EventParams),
    responses((status = 200, description = "Events", body = Page<ToldEvent>), Problems),
    security(("bearer" = ["system:operate"]))
)]
async fn list_events(
    State(desk): State<Desk>,
    CurrentCaller(caller): CurrentCaller,
    Query(params): Query<EventParams>,
) -> Result<Json<Page<ToldEvent>>, Problem> {
    let limit = page_limit(params.limit)?;
    let EventParams { from, event_type, key, .. } = params;
    let query = EventQuery { from: from.unwrap_or(0), limit: limit as usize, event_type, key };
    let (items, next) = events::read(&*desk.bus, desk.topic, &query).await.map_err(OperationError::from)?;
    desk.log(&caller, "events were read", desk.topic);
    Ok(Json(Page { items, next_cursor: next.map(|offset| offset.to_string()) }))
}

/// Show how far the rebuild is.
#[utoipa::path(
    get, path = "/rebuild", tag = "Operations", operation_id = "show_rebuild",
    responses((status = 200, description = "The last rebuild since the service started", body = RebuildState), Problems),
    security(("bearer" = ["system:operate"]))
)]
async fn show_rebuild(State(desk): State<Desk>) -> Result<Json<RebuildState>, Problem> {
    Ok(Json(desk.rebuilds.as_ref().ok_or_else(|| Problem::not_found("rebuild"))?.state()))
}

/// Make the service's read model again from its facts.
///
/// In the background, while the service serves from what it has. Starting it while it runs changes nothing.
#[utoipa::path(
    post, path = "/rebuild", tag = "Operations", operation_id = "start_rebuild",
    responses((status = 202, description = "It runs", body = RebuildState), Problems),
    security(("bearer" = ["system:operate"]))
)]
async fn start_rebuild(State(desk): State<Desk>, CurrentCaller(caller): CurrentCaller) -> Result<Response, Problem> {
    let rebuilds = desk.rebuilds.as_ref().ok_or_else(|| Problem::not_found("rebuild"))?;
    let state = rebuilds.start();
    desk.log(&caller, "a read model is made again", &state.name);
    Ok((StatusCode::ACCEPTED, Json(state)).into_response())
}

#[cfg(test)]
mod tests;
