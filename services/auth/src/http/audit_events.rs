//! The audit trail.

use std::sync::Arc;

use axum::extract::State;
use chassis::{
    Problem,
    http::{Json, Problems, Query},
};
use contracts::Page;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{page, page_cursor, page_limit};
use crate::{
    Auth,
    audit::{AuditEvent, AuditType},
    store::AuditFilter,
};

/// Which events.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditParams {
    /// Only by this actor: `acc_…`, `key_…`, `anonymous` or `system`.
    actor: Option<String>,
    /// Only to this thing: an id.
    target: Option<String>,
    /// Only of this type.
    #[serde(rename = "type")]
    #[param(inline)]
    kind: Option<AuditType>,
    /// Not before this time.
    from: Option<Timestamp>,
    /// Before this time.
    until: Option<Timestamp>,
    /// Items at most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Who did what, newest first.
#[utoipa::path(
    get, path = "/v1/audit-events", tag = "Administration", operation_id = "list_audit_events",
    params(AuditParams),
    responses((status = 200, description = "Audit events", body = Page<AuditEvent>), Problems),
    security(("bearer" = ["audit:read"]))
)]
pub(super) async fn list(
    State(auth): State<Arc<Auth>>,
    Query(params): Query<AuditParams>,
) -> Result<Json<Page<AuditEvent>>, Problem> {
    let (limit, before) = (page_limit(params.limit)?, page_cursor(params.cursor.as_deref())?);
    let AuditParams { actor, target, kind, from, until, .. } = params;
    let items = auth.store.list_audit(AuditFilter { actor, target, kind, from, until }, before, limit + 1).await?;
    Ok(Json(page(items, limit, |last| last.sequence.to_string(), |event| event)))
}
