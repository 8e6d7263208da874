//! The way of webhooks from the provider to the shop, with what goes wrong on it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::body::Body;
use chassis::transport::{Transport, TransportError};
use http::{HeaderMap, HeaderValue, Request, Response, Uri, header};
use http_body_util::BodyExt as _;
use serde_json::Value;

use crate::{
    fault::Fault,
    net::Wire,
    services::WEBHOOK_SECRET,
    world::{Place, World},
};

/// Toss was seen to say ABORTED so long after DONE.
const CONTRADICTED_AFTER: Duration = Duration::from_millis(46);

/// From the provider to the gateway.
#[derive(Clone)]
pub(crate) struct WebhookWire {
    wire: Wire,
}

/// A webhook that can be sent more than once.
#[derive(Clone)]
struct Webhook {
    uri: Uri,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Webhook {
    fn request(&self) -> Request<Body> {
        let mut request = Request::new(Body::from(self.body.clone()));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// The same event, saying that it was declined after all; `None` if it says nothing of the kind.
    fn contradiction(&self, now: i64) -> Option<Self> {
        let mut event: Value = serde_json::from_slice(&self.body).ok()?;
        if !matches!(event["data"]["status"].as_str(), Some("authorized" | "captured")) {
            return None;
        }
        let id = format!("{}-aborted", event["id"].as_str()?);
        event["id"] = id.clone().into();
        event["type"] = "authorization.declined".into();
        event["data"]["status"] = "declined".into();
        event["data"]["decline_code"] = "aborted".into();
        let body = event.to_string().into_bytes();
        let signature = sandbox_provider::signature::sign(WEBHOOK_SECRET, &id, now, &body);
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("webhook-id", HeaderValue::try_from(id).ok()?);
        headers.insert("webhook-timestamp", HeaderValue::from(now));
        headers.insert("webhook-signature", HeaderValue::try_from(signature).ok()?);
        Some(Self { uri: self.uri.clone(), headers, body })
    }
}

impl WebhookWire {
    pub(crate) fn new(world: &Arc<World>) -> Self {
        Self { wire: Wire { world: Arc::clone(world), from: Place::Provider, to: Place::Gateway } }
    }

    fn later(&self, after: Duration, webhook: Webhook) {
        let wire = self.wire.clone();
        self.wire.world.background(async move {
            tokio::time::sleep(after).await;
            // Whoever took it from the provider does not try again.
            let _ = wire.send(webhook.request()).await;
        });
    }

    fn millis(&self, fault: Fault, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.wire.world.faults.size(fault, from, to))
    }
}

fn taken() -> Response<Body> {
    Response::new(Body::empty())
}

#[async_trait]
impl Transport for WebhookWire {
    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, TransportError> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
        let webhook = Webhook { uri: head.uri, headers: head.headers, body };
        let world = &self.wire.world;
        if world.strikes(Fault::WebhookLost, &"webhook") {
            return Ok(taken());
        }
        if world.strikes(Fault::WebhookRepeated, &"webhook") {
            self.later(self.millis(Fault::WebhookRepeated, 0, 60_000), webhook.clone());
        }
        if world.strikes(Fault::WebhookLate, &"webhook") {
            self.later(self.millis(Fault::WebhookLate, 10_000, 400_000), webhook);
            return Ok(taken());
        }
        if world.strikes(Fault::WebhookReordered, &"webhook") {
            self.later(self.millis(Fault::WebhookReordered, 0, 5_000), webhook);
            return Ok(taken());
        }
        let answer = self.wire.send(webhook.request()).await;
        // DONE has been heard; ABORTED comes after it.
        if answer.as_ref().is_ok_and(|answer| answer.status().is_success())
            && let Some(env) = world.env(Place::Provider)
            && let Some(contradiction) = webhook.contradiction(env.now().as_second())
            && world.strikes(Fault::WebhookContradicted, &"webhook")
        {
            self.later(CONTRADICTED_AFTER, contradiction);
        }
        answer
    }
}
