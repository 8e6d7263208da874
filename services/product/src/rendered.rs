//! Responses that are kept ready to send until the catalogue changes.

use std::{
    hash::{DefaultHasher, Hasher as _},
    sync::Arc,
};

use bytes::Bytes;
use quick_cache::{Weighter, sync::Cache};

use crate::list_products::ProductList;

/// All kept responses together.
const CACHE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Responses at most; room for the smallest ones.
const CACHE_LEN_ESTIMATE: usize = 4096;

/// A body in JSON with its `ETag`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The body.
    pub body: Bytes,
    /// Quoted.
    pub etag: Arc<str>,
}

impl Rendered {
    /// `body`, tagged by what it says.
    pub fn by_content(body: Vec<u8>) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(&body);
        Self { etag: format!("\"{:016x}\"", hasher.finish()).into(), body: body.into() }
    }
}

#[derive(Clone)]
struct Entry {
    generation: u64,
    rendered: Rendered,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Asked, Entry> for ByBytes {
    fn weight(&self, asked: &Asked, entry: &Entry) -> u64 {
        (asked.len() + entry.rendered.body.len() + size_of::<Asked>() + 128) as u64
    }
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Asked {
    /// A list of products.
    List(ProductList),
    /// One product, by id or handle.
    Product(String),
}

impl Asked {
    /// Bytes of its texts.
    fn len(&self) -> usize {
        match self {
            Self::List(list) => [&list.category, &list.q, &list.cursor].into_iter().flatten().map(String::len).sum(),
            Self::Product(id_or_handle) => id_or_handle.len(),
        }
    }
}

/// Responses by what was asked, each good for one generation of the catalogue.
pub(crate) struct RenderedCache(Cache<Asked, Entry, ByBytes>);

impl Default for RenderedCache {
    fn default() -> Self {
        Self(Cache::with_weighter(CACHE_LEN_ESTIMATE, CACHE_BYTES_MAX, ByBytes))
    }
}

impl RenderedCache {
    /// The response to what was `asked`, if the catalogue is still of `generation`.
    pub(crate) fn get(&self, asked: &Asked, generation: u64) -> Option<Rendered> {
        self.0.get(asked).filter(|entry| entry.generation == generation).map(|entry| entry.rendered)
    }

    /// Keeps a response that was made from data read after `generation` was.
    pub(crate) fn keep(&self, asked: Asked, generation: u64, rendered: Rendered) {
        self.0.insert(asked, Entry { generation, rendered });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_generation_or_too_many_bytes_are_forgotten() {
        let cache = RenderedCache::default();
        let asked = |name: &str| Asked::Product(name.to_owned());
        cache.keep(asked("a"), 1, Rendered::by_content(b"{}".to_vec()));
        assert_eq!(cache.get(&asked("a"), 1).unwrap().body, "{}");
        assert_eq!(cache.get(&asked("a"), 2), None);
        for index in 0..64 {
            cache.keep(asked(&index.to_string()), 1, Rendered::by_content(vec![b' '; 1024 * 1024]));
        }
        assert!(cache.0.weight() <= CACHE_BYTES_MAX);
    }

    #[test]
    fn the_same_body_has_the_same_tag() {
        assert_eq!(Rendered::by_content(b"x".to_vec()).etag, Rendered::by_content(b"x".to_vec()).etag);
        assert_ne!(Rendered::by_content(b"x".to_vec()).etag, Rendered::by_content(b"y".to_vec()).etag);
    }
}
