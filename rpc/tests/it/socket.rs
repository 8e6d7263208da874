//! What a socket adds: a service that is away, slow or back again, and what travels with a call.

use std::sync::Mutex;

use async_trait::async_trait;
use chassis::trace::{self, TraceContext};
use contracts::product::{ProductError, QuoteRequest, Reservation, ReservationId, ReserveRequest, VariantQuote};
use tokio::{sync::Notify, time::Instant};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use super::*;

/// Notes what came with a call, and answers releases only when told.
#[derive(Default)]
struct Observed {
    traces: Mutex<Vec<Option<TraceContext>>>,
    may_answer: Notify,
}

#[async_trait]
impl ProductApi for Observed {
    async fn quote(&self, _: QuoteRequest) -> Result<Vec<VariantQuote>, ProductError> {
        self.traces.lock().unwrap().push(trace::current());
        Ok(Vec::new())
    }
    async fn reserve(&self, _: ReserveRequest) -> Result<Reservation, ProductError> {
        Err(ProductError::Invalid("nothing is held here".to_owned()))
    }
    async fn release(&self, _: ReservationId) -> Result<(), ProductError> {
        self.may_answer.notified().await;
        Ok(())
    }
}

fn nothing() -> QuoteRequest {
    QuoteRequest { currency: contracts::Currency::KRW, variants: Vec::new() }
}

#[tokio::test]
async fn the_trace_goes_with_the_call() {
    let env = Env::system();
    let observed = Arc::new(Observed::default());
    let address = served(&env, offer_product(Arc::clone(&observed) as _)).await;
    let client = product_at(&env, address, patient());
    let root = TraceContext::root(&env);
    trace::scope(root, client.quote(nothing())).await.unwrap();
    let seen = observed.traces.lock().unwrap()[0].unwrap();
    assert_eq!(seen.trace_id(), root.trace_id());
    assert_ne!(seen, root, "the callee has a span of its own");
    env.stop().await;
}

#[tokio::test]
async fn a_service_that_does_not_answer_in_time_is_unavailable() {
    let env = Env::system();
    let observed = Arc::new(Observed::default());
    let address = served(&env, offer_product(Arc::clone(&observed) as _)).await;
    let policy = CallPolicy { deadline: Duration::from_millis(300), ..CallPolicy::default() };
    let started = Instant::now();
    let refusal = product_at(&env, address, policy).release(env.new_id()).await;
    assert_eq!(refusal, Err(ProductError::Unavailable));
    assert!(started.elapsed() >= Duration::from_millis(300));

    // The deadline of whoever asked us counts if it is nearer.
    let client = product_at(&env, address, patient());
    let nearer = Instant::now() + Duration::from_millis(200);
    let refusal = rpc::call::within(nearer, client.release(env.new_id())).await;
    assert_eq!(refusal, Err(ProductError::Unavailable));
    observed.may_answer.notify_one();
    env.stop().await;
}

#[tokio::test]
async fn nobody_there_is_unavailable_and_coming_back_is_noticed() {
    let env = Env::system();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    drop(taken);
    let short = CallPolicy { deadline: Duration::from_millis(200), ..CallPolicy::default() };
    let channel = channel::open(&env, address.to_string());
    let hasty = ProductClient::new(env.clone(), channel.clone(), short);
    assert_eq!(hasty.quote(nothing()).await, Err(ProductError::Unavailable));

    // The same channel finds the service when it starts, without anybody asking twice.
    let client = ProductClient::new(env.clone(), channel, patient());
    let asked = async { client.quote(nothing()).await };
    let started = async {
        let first = Env::system();
        serve_on(&first, TcpListener::bind(address).await.unwrap(), offer_product(Arc::new(Observed::default())));
        first
    };
    let (answer, first) = tokio::join!(asked, started);
    assert_eq!(answer, Ok(Vec::new()));

    first.stop().await;
    let listener = TcpListener::bind(address).await.unwrap();
    serve_on(&env, listener, offer_product(Arc::new(Observed::default())));
    assert_eq!(client.quote(nothing()).await, Ok(Vec::new()));
    env.stop().await;
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_unavailable_within_the_deadline() {
    let env = Env::system();
    let policy = CallPolicy { deadline: Duration::from_millis(200), ..CallPolicy::default() };
    let channel = channel::open(&env, "no-such-service.invalid:9".to_owned());
    let client = ProductClient::new(env.clone(), channel, policy);
    assert_eq!(client.quote(nothing()).await, Err(ProductError::Unavailable));
    env.stop().await;
}

#[tokio::test]
async fn health_and_reflection_tell_what_is_served() {
    let env = Env::system();
    let address = served(&env, offer_product(Arc::new(Observed::default()))).await;
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    let mut health = HealthClient::new(channel.clone());
    for service in ["", "jangteo.product.v1.ProductService"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        assert_eq!(health.check(request).await.unwrap().into_inner().status(), ServingStatus::Serving, "{service}");
    }
    let request = HealthCheckRequest { service: "jangteo.auth.v1.AuthService".to_owned() };
    assert_eq!(health.check(request).await.unwrap_err().code(), tonic::Code::NotFound);

    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(tokio_stream::iter([request]))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    assert!(list.service.iter().any(|service| service.name == "jangteo.product.v1.ProductService"));
    drop(answers);
    env.stop().await;
}
