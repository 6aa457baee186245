//! One page of a dataset as it is cached: the bytes of its answer.

use crate::cache::Cacheable;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::{
    io::Write,
    sync::{Arc, OnceLock},
};
use xxhash_rust::xxh3::xxh3_128;

/// Bodies below this are sent as they are.
const COMPRESS_FROM: usize = 1024;

/// How an answer is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// RFC 8878.
    Zstd,
    /// RFC 7932.
    Brotli,
    /// RFC 1952.
    Gzip,
}

impl Encoding {
    /// As `Content-Encoding` names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Encoding::Identity => "identity",
            Encoding::Zstd => "zstd",
            Encoding::Brotli => "br",
            Encoding::Gzip => "gzip",
        }
    }
}

/// One page.
#[derive(Clone, Debug)]
pub struct Page {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    body: Bytes,
    facts: Facts,
    etag: String,
    /// zstd, br, gzip: made when first asked for, kept with the page.
    compressed: [OnceLock<Bytes>; 3],
}

/// What headers tell of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Rows of all pages, where they were counted.
    pub total: Option<u64>,
    /// Whether another page follows.
    pub has_next: bool,
    /// The cursor of the next page, where pages are asked for by cursor.
    pub next_cursor: Option<String>,
    /// Rows of this page.
    pub rows: u32,
}

impl Page {
    pub(super) fn new(body: Bytes, facts: Facts) -> Self {
        let etag = format!("W/\"{:032x}\"", xxh3_128(&body));
        Page { inner: Arc::new(Inner { body, facts, etag, compressed: Default::default() }) }
    }

    /// The answer, uncompressed.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.inner.body
    }

    /// What headers tell.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.inner.facts
    }

    /// Names these bytes; weak, because compression changes them and not their meaning.
    #[must_use]
    pub fn etag(&self) -> &str {
        &self.inner.etag
    }

    /// The answer, compressed where that is worth it, and how. The compressed form is made once.
    #[must_use]
    pub fn encoded(&self, encoding: Encoding) -> (Bytes, Encoding) {
        let place = match encoding {
            Encoding::Identity => None,
            _ if self.inner.body.len() < COMPRESS_FROM => None,
            Encoding::Zstd => Some(0),
            Encoding::Brotli => Some(1),
            Encoding::Gzip => Some(2),
        };
        let Some(place) = place else { return (self.inner.body.clone(), Encoding::Identity) };
        let bytes = self.inner.compressed[place].get_or_init(|| compress(&self.inner.body, encoding));
        (bytes.clone(), encoding)
    }
}

/// Levels between speed and size: a page is compressed once and sent many times.
fn compress(body: &[u8], encoding: Encoding) -> Bytes {
    let packed = match encoding {
        Encoding::Identity => None,
        Encoding::Zstd => zstd::bulk::compress(body, 6).ok(),
        Encoding::Brotli => {
            let mut out = Vec::new();
            let parameters = brotli::enc::BrotliEncoderParams { quality: 5, ..Default::default() };
            brotli::BrotliCompress(&mut &*body, &mut out, &parameters).ok().map(|_| out)
        }
        Encoding::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
            encoder.write_all(body).and_then(|()| encoder.finish()).ok()
        }
    };
    packed.expect("compressing into memory does not fail").into()
}

impl Cacheable for Page {
    /// Twice the body: compressed forms come later and must be counted now.
    fn weight(&self) -> usize {
        let body = self.inner.body.len();
        if body < COMPRESS_FROM { body } else { body * 2 }
    }

    /// `flags:u8 total:u64 rows:u32 cursor_length:u16 cursor body`, little-endian.
    fn encode(&self) -> Bytes {
        let Facts { total, has_next, next_cursor, rows } = self.facts();
        let cursor = next_cursor.as_deref().unwrap_or_default();
        let mut out = BytesMut::with_capacity(15 + cursor.len() + self.inner.body.len());
        out.put_u8(u8::from(total.is_some()) | u8::from(*has_next) << 1 | u8::from(next_cursor.is_some()) << 2);
        out.put_u64_le(total.unwrap_or(0));
        out.put_u32_le(*rows);
        out.put_u16_le(u16::try_from(cursor.len()).unwrap_or(u16::MAX));
        out.put_slice(cursor.as_bytes());
        out.put_slice(&self.inner.body);
        out.freeze()
    }

    fn decode(mut bytes: Bytes) -> Option<Self> {
        let flags = bytes.try_get_u8().ok()?;
        let total = bytes.try_get_u64_le().ok()?;
        let rows = bytes.try_get_u32_le().ok()?;
        let length = usize::from(bytes.try_get_u16_le().ok()?);
        if bytes.len() < length {
            return None;
        }
        let cursor = String::from_utf8(bytes.split_to(length).into()).ok()?;
        let facts = Facts {
            total: (flags & 1 != 0).then_some(total),
            has_next: flags & 2 != 0,
            next_cursor: (flags & 4 != 0).then_some(cursor),
            rows,
        };
        Some(Page::new(bytes, facts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn what_goes_to_redis_comes_back() {
        for facts in
            [Facts::default(), Facts { total: Some(12), has_next: true, next_cursor: Some("abc".into()), rows: 3 }]
        {
            let page = Page::new(Bytes::from_static(b"[1,2]"), facts);
            let back = Page::decode(page.encode()).unwrap();
            assert_eq!((back.body(), back.facts(), back.etag()), (page.body(), page.facts(), page.etag()));
        }
        assert!(Page::decode(Bytes::from_static(b"short")).is_none());
    }

    #[test]
    fn every_encoding_unpacks_to_the_body() {
        let page = Page::new(Bytes::from("a row, ".repeat(1000)), Facts::default());
        let unpack = |encoding| -> Vec<u8> {
            let (bytes, used) = page.encoded(encoding);
            assert!(used == encoding && (encoding == Encoding::Identity || bytes.len() < 500));
            let mut out = Vec::new();
            match encoding {
                Encoding::Identity => out.extend_from_slice(&bytes),
                Encoding::Zstd => out = zstd::bulk::decompress(&bytes, 10_000).unwrap(),
                Encoding::Brotli => brotli::BrotliDecompress(&mut &*bytes, &mut out).unwrap(),
                Encoding::Gzip => drop(flate2::read::GzDecoder::new(&*bytes).read_to_end(&mut out).unwrap()),
            }
            out
        };
        for encoding in [Encoding::Identity, Encoding::Zstd, Encoding::Brotli, Encoding::Gzip] {
            assert_eq!(unpack(encoding), **page.body(), "{encoding:?}");
        }
        let small = Page::new(Bytes::from_static(b"[]"), Facts::default());
        assert_eq!(small.encoded(Encoding::Gzip).1, Encoding::Identity);
    }
}
