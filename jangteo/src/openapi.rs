//! `jangteo openapi`: the document of the whole public API, from the code, without a shop.

use anyhow::Result;
use chassis::Env;

use crate::{
    cli::RunArguments,
    config,
    shop::{self, Shop},
};

/// The document as indented JSON.
pub fn document() -> Result<String> {
    let config = config::load(&RunArguments::default())?;
    shop::block_on(async {
        let env = Env::system();
        let folder = std::env::temp_dir().join(format!("jangteo-openapi-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let shop = Shop::open(&config, &env, &folder, "http://127.0.0.1:8080").await?;
        let document = shop.openapi().await?;
        env.stop().await;
        drop(shop);
        std::fs::remove_dir_all(&folder)?;
        Ok(serde_json::to_string_pretty(&document)?)
    })
}
