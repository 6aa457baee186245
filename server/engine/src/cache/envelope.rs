//! The form of a value in Redis.
//!
//! ```text
//! "HRC" version:u8 codec:u8 flags:u8 tags:u16 raw_length:u32 load_micros:u32 id:u64 ttl_ms:u64 life_ms:u64 loaded_at_ms:u64
//! { name_length:u16 name version:u64 } × tags
//! payload
//! xxh3_64 of everything before:u64
//! ```
//! Integers are little-endian. `life_ms` is the PX it was written with: a reader subtracts Redis's PTTL and knows the
//! age without comparing clocks. `loaded_at_ms` is the writer's wall clock and only shown, never computed with.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::io::Read;
use xxhash_rust::xxh3::xxh3_64;

const MAGIC: &[u8; 3] = b"HRC";
/// Part of the key prefix too, so that two versions of the console never read each other's values.
pub(super) const VERSION: u8 = 1;
const HEADER: usize = 3 + 1 + 1 + 1 + 2 + 4 + 4 + 8 + 8 + 8 + 8;
const CHECKSUM: usize = 8;
/// More tags than this no entry has; a larger number is a damaged envelope.
pub(super) const TAGS_MAX: usize = 64;
const NEGATIVE: u8 = 1;
const CODEC_NONE: u8 = 0;
const CODEC_ZSTD: u8 = 1;
/// Speed over size: the network is near.
const ZSTD_LEVEL: i32 = 1;

/// A decoded envelope.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Envelope {
    pub id: u64,
    /// None is a negative entry.
    pub payload: Option<Bytes>,
    pub ttl_ms: u64,
    pub life_ms: u64,
    pub load_micros: u32,
    pub loaded_at_ms: u64,
    /// Counters by name, and the version each had before the load.
    pub versions: Vec<(String, u64)>,
}

/// Why bytes are no envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Damage {
    #[error("not an envelope of this version")]
    Foreign,
    #[error("shorter than it says")]
    Truncated,
    #[error("the checksum does not match")]
    Checksum,
    #[error("unknown compression")]
    Codec,
    #[error("larger than allowed")]
    TooLarge,
}

/// What compression made of a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Packed {
    pub raw: usize,
    pub stored: usize,
}

impl Envelope {
    /// The bytes for Redis. A payload above `compress_over` bytes is compressed where that makes it smaller.
    pub fn encode(&self, compress_over: usize) -> (Bytes, Packed) {
        let raw = self.payload.as_deref().unwrap_or_default();
        let packed = if raw.len() > compress_over {
            // Compressing into memory has no way to fail but a broken library; then it goes as it is.
            zstd::bulk::compress(raw, ZSTD_LEVEL).ok().filter(|packed| packed.len() < raw.len())
        } else {
            None
        };
        let (codec, payload) = match &packed {
            Some(packed) => (CODEC_ZSTD, packed.as_slice()),
            None => (CODEC_NONE, raw),
        };
        let names: usize = self.versions.iter().map(|(name, _)| name.len() + 10).sum();
        let mut out = BytesMut::with_capacity(HEADER + names + payload.len() + CHECKSUM);
        out.put_slice(MAGIC);
        out.put_u8(VERSION);
        out.put_u8(codec);
        out.put_u8(if self.payload.is_none() { NEGATIVE } else { 0 });
        out.put_u16_le(u16::try_from(self.versions.len()).unwrap_or(u16::MAX));
        out.put_u32_le(u32::try_from(raw.len()).unwrap_or(u32::MAX));
        out.put_u32_le(self.load_micros);
        out.put_u64_le(self.id);
        out.put_u64_le(self.ttl_ms);
        out.put_u64_le(self.life_ms);
        out.put_u64_le(self.loaded_at_ms);
        for (name, version) in &self.versions {
            out.put_u16_le(u16::try_from(name.len()).unwrap_or(u16::MAX));
            out.put_slice(name.as_bytes());
            out.put_u64_le(*version);
        }
        out.put_slice(payload);
        let checksum = xxh3_64(&out);
        out.put_u64_le(checksum);
        (out.freeze(), Packed { raw: raw.len(), stored: payload.len() })
    }

    /// Reads what [`Envelope::encode`] wrote; `value_max` bounds the payload after decompression.
    pub fn decode(mut bytes: Bytes, value_max: usize) -> Result<Self, Damage> {
        if bytes.len() < 4 || bytes[..3] != MAGIC[..] || bytes[3] != VERSION {
            return Err(Damage::Foreign);
        }
        if bytes.len() < HEADER + CHECKSUM {
            return Err(Damage::Truncated);
        }
        let mut checksum = bytes.split_off(bytes.len() - CHECKSUM);
        if checksum.get_u64_le() != xxh3_64(&bytes) {
            return Err(Damage::Checksum);
        }
        bytes.advance(4);
        let (codec, flags) = (bytes.get_u8(), bytes.get_u8());
        let count = usize::from(bytes.get_u16_le());
        let raw_length = bytes.get_u32_le() as usize;
        let load_micros = bytes.get_u32_le();
        let (id, ttl_ms, life_ms, loaded_at_ms) =
            (bytes.get_u64_le(), bytes.get_u64_le(), bytes.get_u64_le(), bytes.get_u64_le());
        if count > TAGS_MAX || raw_length > value_max {
            return Err(Damage::TooLarge);
        }
        let mut versions = Vec::with_capacity(count);
        for _ in 0..count {
            let length = usize::from(bytes.try_get_u16_le().map_err(|_| Damage::Truncated)?);
            if bytes.len() < length + 8 {
                return Err(Damage::Truncated);
            }
            let name = String::from_utf8(bytes.split_to(length).into()).map_err(|_| Damage::Foreign)?;
            versions.push((name, bytes.get_u64_le()));
        }
        let payload = match codec {
            CODEC_NONE => bytes,
            CODEC_ZSTD => inflate(&bytes, raw_length)?,
            _ => return Err(Damage::Codec),
        };
        if payload.len() != raw_length {
            return Err(Damage::Truncated);
        }
        let payload = (flags & NEGATIVE == 0).then_some(payload);
        Ok(Envelope { id, payload, ttl_ms, life_ms, load_micros, loaded_at_ms, versions })
    }
}

/// Never writes more than the header promised.
fn inflate(packed: &[u8], raw_length: usize) -> Result<Bytes, Damage> {
    let decoder = zstd::stream::read::Decoder::new(packed).map_err(|_| Damage::Codec)?;
    let mut raw = Vec::with_capacity(raw_length);
    decoder.take(raw_length as u64 + 1).read_to_end(&mut raw).map_err(|_| Damage::Codec)?;
    Ok(raw.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn envelope(payload: Option<Vec<u8>>) -> Envelope {
        Envelope {
            id: 7,
            payload: payload.map(Bytes::from),
            ttl_ms: 60_000,
            life_ms: 660_000,
            load_micros: 1_500,
            loaded_at_ms: 1_795_077_120_000,
            versions: vec![("*".into(), 1), ("t:price:eu".into(), 1_795_077_120_000_000)],
        }
    }

    #[test]
    fn large_payloads_are_compressed() {
        let sent = envelope(Some(br#"{"sku":"A-1","stock":12},"#.repeat(10_000)));
        let (bytes, packed) = sent.encode(100 << 10);
        assert!(packed.stored * 10 < packed.raw, "{packed:?}");
        assert_eq!(Envelope::decode(bytes, 1 << 20), Ok(sent.clone()));
        let (bytes, _) = sent.encode(usize::MAX);
        assert_eq!(Envelope::decode(bytes, 1000), Err(Damage::TooLarge));
    }

    #[test]
    fn a_bomb_is_refused() {
        // Says 10 bytes, unpacks to a megabyte.
        let bomb = zstd::bulk::compress(&vec![0; 1 << 20], 1).unwrap();
        assert_eq!(inflate(&bomb, 10).unwrap().len(), 11);
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(payload in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..2000)), over in 0usize..2000) {
            let sent = envelope(payload);
            let (bytes, _) = sent.encode(over);
            prop_assert_eq!(Envelope::decode(bytes, 1 << 20), Ok(sent));
        }

        #[test]
        fn damage_is_noticed(payload in proptest::collection::vec(any::<u8>(), 1..500), at in any::<proptest::sample::Index>(), bit in 0u8..8) {
            let (bytes, _) = envelope(Some(payload)).encode(100);
            let mut damaged = bytes.to_vec();
            let at = at.index(damaged.len());
            damaged[at] ^= 1 << bit;
            prop_assert!(Envelope::decode(damaged.into(), 1 << 20).is_err());
            prop_assert!(Envelope::decode(bytes.slice(..at), 1 << 20).is_err());
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Envelope::decode(bytes.into(), 1 << 20);
        }
    }
}
