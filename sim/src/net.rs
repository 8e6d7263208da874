//! The network: calls that are late, lost before or after they were done, or cut off by a death.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{Router, body::Body};
use chassis::transport::{Transport, TransportError};
use contracts::{
    auth::{AccessGrant, AuthApi, AuthError},
    product::{ProductApi, ProductError, QuoteRequest, Reservation, ReservationId, ReserveRequest, VariantQuote},
};
use futures::FutureExt as _;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;
use tower::ServiceExt as _;

use crate::{
    fault::Fault,
    world::{Errand, Place, World},
};

/// How long a caller waits for nothing before its connection breaks.
const SILENCE_MILLIS_MAX: u64 = 20_000;

impl World {
    /// Has `errand` done at `to`, through a network that may fail.
    pub async fn call<T: Send + 'static>(
        self: &Arc<Self>,
        to: Place,
        what: &str,
        errand: Errand<T>,
    ) -> Result<T, TransportError> {
        let mut millis = self.faults.latency(0, 3);
        if self.strikes(Fault::CallDelayed, &what) {
            millis += self.faults.size(Fault::CallDelayed, 10, 12_000);
        }
        pause(millis).await;
        if self.strikes(Fault::CallDropped, &what) {
            if self.faults.size(Fault::CallDropped, 0, 1) == 0 {
                return Err(TransportError::Unreachable("no route".to_owned()));
            }
            pause(self.faults.size(Fault::CallDropped, 0, SILENCE_MILLIS_MAX)).await;
            return Err(TransportError::Unknown("the connection broke".to_owned()));
        }
        let refused = || TransportError::Unreachable(format!("{} is down", to.name()));
        let env = self.env(to).ok_or_else(refused)?;
        let work = errand(self.parts(to)).ok_or_else(refused)?;
        let abandoned = self.faults.strikes(Fault::CallAbandoned);
        let (mut sender, receiver) = oneshot::channel();
        let (world, name) = (Arc::clone(self), what.to_owned());
        env.spawn("request", async move {
            tokio::select! {
                biased;
                () = sender.closed(), if abandoned => {
                    world.coverage.reached(Fault::CallAbandoned.name());
                    world.log(format_args!("** {name}: {}", Fault::CallAbandoned.name()));
                }
                done = work => {
                    // A caller that went away does not want to know.
                    let _ = sender.send(done);
                }
            }
        });
        let answer = receiver.await.map_err(|_| TransportError::Unknown(format!("{} died", to.name())))?;
        pause(self.faults.latency(0, 3)).await;
        if self.strikes(Fault::CallUnanswered, &what) {
            pause(self.faults.size(Fault::CallUnanswered, 0, SILENCE_MILLIS_MAX)).await;
            return Err(TransportError::Unknown("the answer was lost".to_owned()));
        }
        Ok(answer)
    }
}

async fn pause(millis: u64) {
    if millis > 0 {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}

/// HTTP from one place to another.
#[derive(Clone)]
pub struct Wire {
    /// Where it is.
    pub world: Arc<World>,
    /// Who calls.
    pub from: Place,
    /// Who is called.
    pub to: Place,
}

#[async_trait]
impl Transport for Wire {
    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, TransportError> {
        let (from, to) = (self.from.name(), self.to.name());
        let what = format!("{from} > {to}: {} {}", request.method(), request.uri());
        self.world.log(format_args!("{what}"));
        let errand: Errand<Response<Body>> =
            Box::new(move |parts| parts.router.map(|router| serve(router, request).boxed()));
        let answer = self.world.call(self.to, &what, errand).await;
        match &answer {
            Ok(response) => {
                self.world.log(format_args!("{what} = {}", response.status().as_u16()));
                // The provider has faults of its own, which answer so.
                if response.status() == StatusCode::INTERNAL_SERVER_ERROR && self.to != Place::Provider {
                    self.world.blame(format!("{to} answered 500 to {}", what.split('?').next().unwrap_or(&what)));
                }
            }
            Err(error) => self.world.log(format_args!("{what} = {error}")),
        }
        answer
    }
}

/// The whole answer of `router`.
async fn serve(router: Router, request: Request<Body>) -> Response<Body> {
    let response = match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    Response::from_parts(head, Body::from(bytes))
}

/// The product service, from elsewhere.
pub struct RemoteProduct(pub Arc<World>);

impl RemoteProduct {
    async fn call<T: Send + 'static>(
        &self,
        what: &'static str,
        ask: impl FnOnce(Arc<dyn ProductApi>) -> futures::future::BoxFuture<'static, Result<T, ProductError>>
        + Send
        + 'static,
    ) -> Result<T, ProductError> {
        self.0.log(format_args!("order > product: {what}"));
        let errand: Errand<Result<T, ProductError>> = Box::new(move |parts| parts.product.map(ask));
        let answer = self.0.call(Place::Product, what, errand).await.unwrap_or(Err(ProductError::Unavailable));
        let outcome = answer.as_ref().err().map_or_else(|| "done".to_owned(), ToString::to_string);
        self.0.log(format_args!("order > product: {what} = {outcome}"));
        answer
    }
}

#[async_trait]
impl ProductApi for RemoteProduct {
    async fn quote(&self, request: QuoteRequest) -> Result<Vec<VariantQuote>, ProductError> {
        self.call("quote", |product| async move { product.quote(request).await }.boxed()).await
    }

    async fn reserve(&self, request: ReserveRequest) -> Result<Reservation, ProductError> {
        self.call("reserve", |product| async move { product.reserve(request).await }.boxed()).await
    }

    async fn release(&self, reservation_id: ReservationId) -> Result<(), ProductError> {
        self.call("release", move |product| async move { product.release(reservation_id).await }.boxed()).await
    }
}

/// The auth service, from elsewhere.
pub struct RemoteAuth(pub Arc<World>);

#[async_trait]
impl AuthApi for RemoteAuth {
    async fn exchange_api_key(&self, key: &str) -> Result<AccessGrant, AuthError> {
        let key = key.to_owned();
        let errand: Errand<Result<AccessGrant, AuthError>> =
            Box::new(|parts| parts.auth.map(|auth| async move { auth.exchange_api_key(&key).await }.boxed()));
        self.0.call(Place::Auth, "exchange API key", errand).await.unwrap_or(Err(AuthError::Unavailable))
    }

    async fn jwks(&self) -> Result<String, AuthError> {
        let errand: Errand<Result<String, AuthError>> =
            Box::new(|parts| parts.auth.map(|auth| async move { auth.jwks().await }.boxed()));
        self.0.call(Place::Auth, "fetch keys", errand).await.unwrap_or(Err(AuthError::Unavailable))
    }
}
