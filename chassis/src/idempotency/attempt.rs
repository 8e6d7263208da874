//! The keyed request under way. A handler that refuses says so after its key was found to be fresh, by
//! returning an error like any other; what surrounds all routes then keeps that answer under the key. So no
//! handler has to think of it, and none can forget it.

use std::{
    cell::RefCell,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    response::{IntoResponse as _, Response},
};
use futures::future::{BoxFuture, Either};
use http::{StatusCode, header};
use tower::{Layer, Service};

use super::{Answer, Idempotency, IdempotencyConfig, IdempotencyKey, InFlight, Record, keep};
use crate::{Problem, StoreError, http::IDEMPOTENCY_KEY, problem::Undecided};

/// No problem is larger.
const REFUSAL_BYTES_MAX: usize = 1024 * 1024;

tokio::task_local! {
    /// What the present request has begun.
    static ATTEMPT: RefCell<Option<Attempt>>;
}

/// A key whose work is being done for the first time.
struct Attempt {
    idempotency: Idempotency,
    key: IdempotencyKey,
    /// Until the refusal is kept, nobody else may begin.
    _hold: InFlight,
}

/// Notes what the present request has begun.
pub(super) fn begun(idempotency: &Idempotency, key: &IdempotencyKey, hold: &InFlight) {
    let attempt = || Attempt { idempotency: idempotency.clone(), key: key.clone(), _hold: hold.clone() };
    // Outside of a request there is no answer to keep.
    let _ = ATTEMPT.try_with(|slot| slot.replace(Some(attempt())));
}

/// How long the present request's answer is kept.
pub(super) fn kept() -> Duration {
    let kept = |slot: &RefCell<Option<Attempt>>| slot.borrow().as_ref().map(|attempt| attempt.idempotency.kept);
    ATTEMPT.try_with(kept).ok().flatten().unwrap_or_else(|| IdempotencyConfig::default().kept())
}

impl Attempt {
    /// Keeps a refusal and answers it.
    async fn keep(self, response: Response) -> Response {
        let (parts, body) = response.into_parts();
        let bytes = match to_bytes(body, REFUSAL_BYTES_MAX).await {
            Ok(bytes) => bytes,
            Err(error) => return Problem::internal(error).into_response(),
        };
        let Self { idempotency, key, _hold } = self;
        let answer = Answer { status: parts.status.as_u16(), location: None, etag: None, body: bytes.to_vec() };
        let record = Record::new(key, answer, idempotency.env.now(), idempotency.kept);
        let kept: Result<(), StoreError> = match record {
            Ok(record) => idempotency.database.write(move |transaction| keep(transaction, &record)).await,
            Err(error) => Err(error),
        };
        if let Err(error) = kept {
            // Nothing was done, so a repeat that is decided anew harms nobody.
            tracing::warn!(%error, "a refusal could not be kept under its idempotency key");
        }
        Response::from_parts(parts, Body::from(bytes))
    }
}

/// True for what a use case decided, and would decide again.
fn is_final(response: &Response) -> bool {
    matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY)
        && !response.headers().contains_key(header::RETRY_AFTER)
        && response.extensions().get::<Undecided>().is_none()
}

/// Keeps what keyed requests are refused with. Surrounds all routes of a service.
#[derive(Clone)]
pub(crate) struct KeepRefusals;

impl<S> Layer<S> for KeepRefusals {
    type Service = Keeping<S>;

    fn layer(&self, inner: S) -> Keeping<S> {
        Keeping(inner)
    }
}

#[derive(Clone)]
pub(crate) struct Keeping<S>(S);

impl<S> Service<Request> for Keeping<S>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let keyed = request.headers().contains_key(IDEMPOTENCY_KEY);
        let answer = self.0.call(request);
        if !keyed {
            return Either::Left(answer);
        }
        Either::Right(Box::pin(ATTEMPT.scope(RefCell::new(None), async move {
            let response = answer.await?;
            match ATTEMPT.with(RefCell::take) {
                Some(attempt) if is_final(&response) => Ok(attempt.keep(response).await),
                Some(_) | None => Ok(response),
            }
        })))
    }
}
