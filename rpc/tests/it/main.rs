//! One suite for every contract, run on the service itself and on the client over a real socket; and what a
//! socket adds: deadlines, traces, repeats, health and reflection.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use chassis::{Env, testing::TestAuth};
use contracts::{
    Caller, Permission,
    auth::{AuthApi, AuthError},
    product::ProductApi,
};
use rpc::{
    auth::AuthClient,
    call::CallPolicy,
    channel,
    product::ProductClient,
    server::{Offered, serve},
};
use tokio::net::TcpListener;

mod product;
mod socket;

/// Serves what is offered on a port of its own.
async fn served(env: &Env, offered: Offered) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    serve_on(env, listener, offered);
    address
}

fn serve_on(env: &Env, listener: TcpListener, offered: Offered) {
    let serving = serve(env.clone(), listener, offered);
    env.spawn("test.grpc", async move { serving.await.unwrap() });
}

fn offer_product(api: Arc<dyn ProductApi>) -> Offered {
    Offered { product: Some(api), ..Offered::default() }
}

fn product_at(env: &Env, address: SocketAddr, policy: CallPolicy) -> ProductClient {
    ProductClient::new(env.clone(), channel::open(env, address.to_string()), policy)
}

/// Machines that build are slow.
fn patient() -> CallPolicy {
    CallPolicy { deadline: Duration::from_secs(30), attempts_max: 100, ..CallPolicy::default() }
}

#[tokio::test]
async fn auth_is_the_same_here_and_over_a_socket() {
    let env = Env::system();
    let auth = TestAuth::new(&env);
    let address = served(&env, Offered { auth: Some(Arc::clone(&auth) as _), ..Offered::default() }).await;
    let remote = AuthClient::new(env.clone(), channel::open(&env, address.to_string()), patient());
    let here: Arc<dyn AuthApi> = Arc::clone(&auth) as _;
    for api in [&*here, &remote as &dyn AuthApi] {
        let caller = Caller::ApiKey { id: env.new_id(), permissions: vec![Permission::Operate] };
        let key = auth.add_api_key(caller.clone());
        let grant = api.exchange_api_key(&key).await.unwrap();
        assert_eq!(auth.verifier().verify(&grant.access_token).await.unwrap(), caller);
        assert!(grant.expires_at > env.now());
        assert_eq!(api.exchange_api_key("jgt_unknown").await.unwrap_err(), AuthError::InvalidApiKey);
        assert_eq!(api.jwks().await.unwrap(), here.jwks().await.unwrap());
    }
    env.stop().await;
}
