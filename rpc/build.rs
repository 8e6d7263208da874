//! Compiles the protos of `contracts/proto`, without a `protoc` to install.

use std::path::Path;

const PROTOS: [&str; 2] = ["jangteo/auth/v1/auth.proto", "jangteo/product/v1/product.proto"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new("../contracts/proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let descriptors = protox::compile(PROTOS, [root])?;
    let folder = std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    let reflected = Path::new(&folder).join("descriptors.bin");
    std::fs::write(reflected, prost::Message::encode_to_vec(&descriptors))?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
