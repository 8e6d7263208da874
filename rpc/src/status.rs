//! Refusals on the wire: the code that any gRPC client understands, and the typed refusal in the details, so
//! that ours loses nothing.

use std::fmt::Display;

use contracts::ErrorCode;
use serde::{Serialize, de::DeserializeOwned};
use tonic::{Code, Status};

use crate::mapping::Malformed;

/// The status of a typed refusal.
pub fn refusal<E: Serialize + Display>(error: &E, code: ErrorCode) -> Status {
    match serde_json::to_vec(error) {
        Ok(details) => Status::with_details(grpc_code(code), error.to_string(), details.into()),
        Err(_) => Status::new(grpc_code(code), error.to_string()),
    }
}

/// The typed refusal of a status, if this version knows it.
pub fn typed<E: DeserializeOwned>(status: &Status) -> Option<E> {
    serde_json::from_slice(status.details()).ok()
}

impl From<Malformed> for Status {
    fn from(malformed: Malformed) -> Self {
        Self::invalid_argument(malformed.to_string())
    }
}

/// The gRPC code for one of ours, after <https://grpc.io/docs/guides/status-codes/>.
fn grpc_code(code: ErrorCode) -> Code {
    match code {
        ErrorCode::InvalidRequest | ErrorCode::PayloadTooLarge => Code::InvalidArgument,
        ErrorCode::Unauthenticated => Code::Unauthenticated,
        ErrorCode::Forbidden => Code::PermissionDenied,
        ErrorCode::NotFound => Code::NotFound,
        ErrorCode::Conflict | ErrorCode::Unprocessable => Code::FailedPrecondition,
        ErrorCode::PreconditionFailed => Code::Aborted,
        ErrorCode::RateLimited => Code::ResourceExhausted,
        ErrorCode::Internal => Code::Internal,
        ErrorCode::Unavailable => Code::Unavailable,
        ErrorCode::Timeout => Code::DeadlineExceeded,
    }
}

#[cfg(test)]
mod tests {
    use contracts::product::{ProductError, ReservationId, Shortage, VariantId, VariantRef};
    use uuid::Uuid;

    use super::{refusal, typed};

    #[test]
    fn refusals_travel_without_loss() {
        let variant_id = VariantId::from_uuid(Uuid::from_u128(7));
        for error in [
            ProductError::InsufficientStock(vec![Shortage { variant_id, requested: 3, available: 1 }]),
            ProductError::NotOnSale(VariantRef::Sku("A-1".to_owned())),
            ProductError::NoPrice { variant: VariantRef::Id(variant_id), currency: contracts::Currency::USD },
            ProductError::ReservationMismatch(ReservationId::from_uuid(Uuid::from_u128(9))),
            ProductError::Invalid("no lines".to_owned()),
            ProductError::Unavailable,
        ] {
            let status = refusal(&error, error.code());
            assert_eq!(status.message(), error.to_string());
            assert_eq!(typed::<ProductError>(&status), Some(error));
        }
        assert_eq!(typed::<ProductError>(&tonic::Status::internal("a proxy says so")), None);
    }
}
