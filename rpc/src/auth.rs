//! Auth over gRPC.

use std::sync::Arc;

use async_trait::async_trait;
use chassis::Env;
use contracts::auth::{AccessGrant, AuthApi, AuthError};
use tonic::{Request, Response, Status, transport::Channel};

use crate::{
    call::{self, CallPolicy},
    mapping::{from_timestamp, to_timestamp},
    proto::auth::v1::{self as wire, auth_service_client, auth_service_server},
    status,
};

/// Takes calls for an [`AuthApi`].
pub struct AuthServer {
    /// Clock and ids.
    pub env: Env,
    /// What does the work.
    pub api: Arc<dyn AuthApi>,
}

#[async_trait]
impl auth_service_server::AuthService for AuthServer {
    async fn exchange_api_key(
        &self,
        request: Request<wire::ExchangeApiKeyRequest>,
    ) -> Result<Response<wire::ExchangeApiKeyResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let exchange = self.api.exchange_api_key(&message.api_key);
        let AccessGrant { access_token, expires_at } =
            call::take(&self.env, &metadata, exchange).await.map_err(refusal)?;
        let expires_at = Some(to_timestamp(expires_at));
        Ok(Response::new(wire::ExchangeApiKeyResponse { access_token, expires_at }))
    }

    async fn get_jwks(
        &self,
        request: Request<wire::GetJwksRequest>,
    ) -> Result<Response<wire::GetJwksResponse>, Status> {
        let jwks = call::take(&self.env, request.metadata(), self.api.jwks()).await.map_err(refusal)?;
        Ok(Response::new(wire::GetJwksResponse { jwks }))
    }
}

fn refusal(error: AuthError) -> Status {
    status::refusal(&error, error.code())
}

/// An auth service somewhere else.
pub struct AuthClient {
    env: Env,
    policy: CallPolicy,
    client: auth_service_client::AuthServiceClient<Channel>,
}

impl AuthClient {
    /// The service behind `channel`.
    pub fn new(env: Env, channel: Channel, policy: CallPolicy) -> Self {
        Self { env, policy, client: auth_service_client::AuthServiceClient::new(channel) }
    }
}

#[async_trait]
impl AuthApi for AuthClient {
    async fn exchange_api_key(&self, key: &str) -> Result<AccessGrant, AuthError> {
        let attempt = |request| {
            let mut client = self.client.clone();
            async move { client.exchange_api_key(request).await }
        };
        let message = wire::ExchangeApiKeyRequest { api_key: key.to_owned() };
        let grant = call::make(&self.env, self.policy, message, attempt).await.map_err(|status| understand(&status))?;
        let expires_at = from_timestamp("expires_at", grant.expires_at).map_err(|malformed| {
            tracing::error!(%malformed, "auth answered what its contract does not allow");
            AuthError::Unavailable
        })?;
        Ok(AccessGrant { access_token: grant.access_token, expires_at })
    }

    async fn jwks(&self) -> Result<String, AuthError> {
        let attempt = |request| {
            let mut client = self.client.clone();
            async move { client.get_jwks(request).await }
        };
        let answer = call::make(&self.env, self.policy, wire::GetJwksRequest {}, attempt).await;
        Ok(answer.map_err(|status| understand(&status))?.jwks)
    }
}

fn understand(status: &Status) -> AuthError {
    status::typed(status).unwrap_or_else(|| {
        tracing::warn!(%status, "auth does not answer");
        AuthError::Unavailable
    })
}
