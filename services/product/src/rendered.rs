//! Responses that are kept ready to send until the catalogue changes.

use std::hash::{DefaultHasher, Hasher as _};

use bytes::Bytes;
use quick_cache::{Weighter, sync::Cache};

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
    pub etag: String,
}

impl Rendered {
    /// `body`, tagged by what it says.
    pub fn by_content(body: Vec<u8>) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(&body);
        Self { etag: format!("\"{:016x}\"", hasher.finish()), body: body.into() }
    }
}

#[derive(Clone)]
struct Entry {
    generation: u64,
    rendered: Rendered,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<String, Entry> for ByBytes {
    fn weight(&self, key: &String, entry: &Entry) -> u64 {
        (key.len() + entry.rendered.body.len() + 128) as u64
    }
}

/// Responses by what was asked, each good for one generation of the catalogue.
pub(crate) struct RenderedCache(Cache<String, Entry, ByBytes>);

impl Default for RenderedCache {
    fn default() -> Self {
        Self(Cache::with_weighter(CACHE_LEN_ESTIMATE, CACHE_BYTES_MAX, ByBytes))
    }
}

impl RenderedCache {
    /// The response to `key`, if the catalogue is still of `generation`.
    pub(crate) fn get(&self, key: &str, generation: u64) -> Option<Rendered> {
        self.0.get(key).filter(|entry| entry.generation == generation).map(|entry| entry.rendered)
    }

    /// Keeps a response that was made from data read after `generation` was.
    pub(crate) fn keep(&self, key: String, generation: u64, rendered: Rendered) {
        self.0.insert(key, Entry { generation, rendered });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_generation_or_too_many_bytes_are_forgotten() {
        let cache = RenderedCache::default();
        cache.keep("a".to_owned(), 1, Rendered::by_content(b"{}".to_vec()));
        assert_eq!(cache.get("a", 1).unwrap().body, "{}");
        assert_eq!(cache.get("a", 2), None);
        for index in 0..64 {
            cache.keep(index.to_string(), 1, Rendered::by_content(vec![b' '; 1024 * 1024]));
        }
        assert!(cache.0.weight() <= CACHE_BYTES_MAX);
    }

    #[test]
    fn the_same_body_has_the_same_tag() {
        assert_eq!(Rendered::by_content(b"x".to_vec()).etag, Rendered::by_content(b"x".to_vec()).etag);
        assert_ne!(Rendered::by_content(b"x".to_vec()).etag, Rendered::by_content(b"y".to_vec()).etag);
    }
}
