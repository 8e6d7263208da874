//! Product over gRPC.

use std::sync::Arc;

use async_trait::async_trait;
use chassis::Env;
use contracts::product::{
    ProductApi, ProductError, QuoteRequest, Reservation, ReservationId, ReserveLine, ReserveRequest, TaxClass,
    VariantQuote, VariantRef,
};
use tonic::{Request, Response, Status, transport::Channel};

use crate::{
    call::{self, CallPolicy},
    mapping::{Malformed, from_money, from_timestamp, parsed, required, to_timestamp},
    proto::product::v1::{self as wire, product_service_client, product_service_server, variant_ref::By},
    status,
};

/// Takes calls for a [`ProductApi`].
pub struct ProductServer {
    /// Clock and ids.
    pub env: Env,
    /// What does the work.
    pub api: Arc<dyn ProductApi>,
}

#[async_trait]
impl product_service_server::ProductService for ProductServer {
    async fn quote(&self, request: Request<wire::QuoteRequest>) -> Result<Response<wire::QuoteResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let quotes = call::take(&self.env, &metadata, self.api.quote(message.try_into()?)).await.map_err(refusal)?;
        Ok(Response::new(wire::QuoteResponse { quotes: quotes.into_iter().map(Into::into).collect() }))
    }

    async fn reserve(&self, request: Request<wire::ReserveRequest>) -> Result<Response<wire::ReserveResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let held = call::take(&self.env, &metadata, self.api.reserve(message.try_into()?)).await.map_err(refusal)?;
        Ok(Response::new(held.into()))
    }

    async fn release(&self, request: Request<wire::ReleaseRequest>) -> Result<Response<wire::ReleaseResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let id = parsed("reservation_id", &message.reservation_id)?;
        call::take(&self.env, &metadata, self.api.release(id)).await.map_err(refusal)?;
        Ok(Response::new(wire::ReleaseResponse {}))
    }
}

fn refusal(error: ProductError) -> Status {
    status::refusal(&error, error.code())
}

/// A product service somewhere else.
pub struct ProductClient {
    env: Env,
    policy: CallPolicy,
    client: product_service_client::ProductServiceClient<Channel>,
}

impl ProductClient {
    /// The service behind `channel`.
    pub fn new(env: Env, channel: Channel, policy: CallPolicy) -> Self {
        Self { env, policy, client: product_service_client::ProductServiceClient::new(channel) }
    }
}

#[async_trait]
impl ProductApi for ProductClient {
    async fn quote(&self, request: QuoteRequest) -> Result<Vec<VariantQuote>, ProductError> {
        let attempt = |request| {
            let mut client = self.client.clone();
            async move { client.quote(request).await }
        };
        let answer = call::make(&self.env, self.policy, wire::QuoteRequest::from(request), attempt).await;
        let quotes = answer.map_err(understand)?.quotes;
        quotes.into_iter().map(|quote| quote.try_into().map_err(strange)).collect()
    }

    async fn reserve(&self, request: ReserveRequest) -> Result<Reservation, ProductError> {
        let attempt = |request| {
            let mut client = self.client.clone();
            async move { client.reserve(request).await }
        };
        let answer = call::make(&self.env, self.policy, wire::ReserveRequest::from(request), attempt).await;
        answer.map_err(understand)?.try_into().map_err(strange)
    }

    async fn release(&self, reservation_id: ReservationId) -> Result<(), ProductError> {
        let attempt = |request| {
            let mut client = self.client.clone();
            async move { client.release(request).await }
        };
        let message = wire::ReleaseRequest { reservation_id: reservation_id.to_string() };
        call::make(&self.env, self.policy, message, attempt).await.map_err(understand)?;
        Ok(())
    }
}

/// What a status says of product. Without a refusal of its own the service did not answer, and nobody knows
/// more than that.
fn understand(status: Status) -> ProductError {
    match status::typed(&status) {
        Some(error) => error,
        None if status.code() == tonic::Code::InvalidArgument => ProductError::Invalid(status.message().to_owned()),
        None => {
            tracing::warn!(%status, "product does not answer");
            ProductError::Unavailable
        }
    }
}

fn strange(malformed: Malformed) -> ProductError {
    tracing::error!(%malformed, "product answered what its contract does not allow");
    ProductError::Unavailable
}

impl From<VariantRef> for wire::VariantRef {
    fn from(variant: VariantRef) -> Self {
        let by = match variant {
            VariantRef::Id(id) => By::Id(id.to_string()),
            VariantRef::Sku(sku) => By::Sku(sku),
        };
        Self { by: Some(by) }
    }
}

impl TryFrom<wire::VariantRef> for VariantRef {
    type Error = Malformed;
    fn try_from(variant: wire::VariantRef) -> Result<Self, Malformed> {
        Ok(match required("variants", variant.by)? {
            By::Id(id) => Self::Id(parsed("variants.id", &id)?),
            By::Sku(sku) => Self::Sku(sku),
        })
    }
}

impl From<QuoteRequest> for wire::QuoteRequest {
    fn from(QuoteRequest { currency, variants }: QuoteRequest) -> Self {
        Self { currency: currency.code().to_owned(), variants: variants.into_iter().map(Into::into).collect() }
    }
}

impl TryFrom<wire::QuoteRequest> for QuoteRequest {
    type Error = Malformed;
    fn try_from(wire::QuoteRequest { currency, variants }: wire::QuoteRequest) -> Result<Self, Malformed> {
        Ok(Self {
            currency: parsed("currency", &currency)?,
            variants: variants.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
        })
    }
}

impl From<VariantQuote> for wire::VariantQuote {
    fn from(quote: VariantQuote) -> Self {
        let tax_class = match quote.tax_class {
            TaxClass::Standard => wire::TaxClass::Standard,
            TaxClass::Exempt => wire::TaxClass::Exempt,
        };
        Self {
            variant_id: quote.variant_id.to_string(),
            product_id: quote.product_id.to_string(),
            sku: quote.sku,
            title: Some(quote.title.into()),
            option_values: quote.option_values,
            unit_price: Some(quote.unit_price.into()),
            tax_class: tax_class.into(),
            requires_shipping: quote.requires_shipping,
            available: quote.available,
        }
    }
}

impl TryFrom<wire::VariantQuote> for VariantQuote {
    type Error = Malformed;
    fn try_from(quote: wire::VariantQuote) -> Result<Self, Malformed> {
        let tax_class = match quote.tax_class() {
            wire::TaxClass::Standard => TaxClass::Standard,
            wire::TaxClass::Exempt => TaxClass::Exempt,
            wire::TaxClass::Unspecified => return Err(Malformed::new("tax_class", "is not one that we know")),
        };
        Ok(Self {
            variant_id: parsed("variant_id", &quote.variant_id)?,
            product_id: parsed("product_id", &quote.product_id)?,
            sku: quote.sku,
            title: required("title", quote.title)?.into(),
            option_values: quote.option_values,
            unit_price: from_money("unit_price", quote.unit_price)?,
            tax_class,
            requires_shipping: quote.requires_shipping,
            available: quote.available,
        })
    }
}

impl From<ReserveRequest> for wire::ReserveRequest {
    fn from(request: ReserveRequest) -> Self {
        let line =
            |line: ReserveLine| wire::ReserveLine { variant_id: line.variant_id.to_string(), quantity: line.quantity };
        Self {
            reservation_id: request.reservation_id.to_string(),
            currency: request.currency.code().to_owned(),
            lines: request.lines.into_iter().map(line).collect(),
            expires_at: Some(to_timestamp(request.expires_at)),
        }
    }
}

impl TryFrom<wire::ReserveRequest> for ReserveRequest {
    type Error = Malformed;
    fn try_from(request: wire::ReserveRequest) -> Result<Self, Malformed> {
        let line = |line: wire::ReserveLine| {
            let variant_id = parsed("lines.variant_id", &line.variant_id)?;
            Ok(ReserveLine { variant_id, quantity: line.quantity })
        };
        Ok(Self {
            reservation_id: parsed("reservation_id", &request.reservation_id)?,
            currency: parsed("currency", &request.currency)?,
            lines: request.lines.into_iter().map(line).collect::<Result<_, _>>()?,
            expires_at: from_timestamp("expires_at", request.expires_at)?,
        })
    }
}

impl From<Reservation> for wire::ReserveResponse {
    fn from(Reservation { id, expires_at, quotes }: Reservation) -> Self {
        Self {
            reservation_id: id.to_string(),
            expires_at: Some(to_timestamp(expires_at)),
            quotes: quotes.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<wire::ReserveResponse> for Reservation {
    type Error = Malformed;
    fn try_from(held: wire::ReserveResponse) -> Result<Self, Malformed> {
        Ok(Self {
            id: parsed("reservation_id", &held.reservation_id)?,
            expires_at: from_timestamp("expires_at", held.expires_at)?,
            quotes: held.quotes.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
        })
    }
}
