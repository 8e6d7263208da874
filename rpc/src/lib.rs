//! gRPC between the services: what serves an `XApi` on a socket, and the client that is one.
//!
//! Callers hold an `Arc<dyn ProductApi>` and cannot tell whether the service itself is behind it or
//! [`product::ProductClient`]. The messages stand in `contracts/proto`; how contracts map to them is decided in
//! `docs/adr/0001`. Every operation may be repeated, so a call that did not get through is made again within
//! its deadline ([`call::CallPolicy`]).

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

pub mod auth;
pub mod call;
pub mod channel;
mod mapping;
pub mod product;
pub mod server;
pub mod status;

/// The generated messages, clients and servers.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::too_many_lines, reason = "generated")]
pub mod proto {
    pub mod auth {
        pub mod v1 {
            tonic::include_proto!("jangteo.auth.v1");
        }
    }
    pub mod common {
        pub mod v1 {
            tonic::include_proto!("jangteo.common.v1");
        }
    }
    pub mod product {
        pub mod v1 {
            tonic::include_proto!("jangteo.product.v1");
        }
    }
    /// All of it, for reflection.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
}
