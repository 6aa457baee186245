//! Drops custom sections: names, producers, relocations and debug information that no browser reads.

use anyhow::{Context, Result, ensure};
use std::{fs, path::Path};

const HEADER: &[u8] = b"\0asm\x01\0\0\0";
const CUSTOM: u8 = 0;

/// Rewrites a WebAssembly file without the custom sections that `keep` refuses.
///
/// # Errors
/// The file is not a WebAssembly module, or cannot be read or written.
pub fn slim_file(path: &Path, keep: impl Fn(&str) -> bool) -> Result<()> {
    let module = fs::read(path).with_context(|| path.display().to_string())?;
    let slim = slim(&module, keep).with_context(|| path.display().to_string())?;
    fs::write(path, slim).with_context(|| path.display().to_string())
}

/// A section is an id, a length and that many bytes (WebAssembly 2.0, 5.5.2); a custom one opens with its name.
fn slim(module: &[u8], keep: impl Fn(&str) -> bool) -> Result<Vec<u8>> {
    let mut rest = module.strip_prefix(HEADER).context("not a WebAssembly module")?;
    let mut slim = HEADER.to_vec();
    while let Some((&id, after_id)) = rest.split_first() {
        let (length, body) = leb128(after_id)?;
        let (body, after) = body.split_at_checked(length).context("a section is longer than the file")?;
        if id != CUSTOM || keep(custom_name(body)?) {
            slim.extend_from_slice(&rest[..rest.len() - after.len()]);
        }
        rest = after;
    }
    Ok(slim)
}

fn custom_name(body: &[u8]) -> Result<&str> {
    let (length, body) = leb128(body)?;
    let name = body.get(..length).context("a name is longer than its section")?;
    std::str::from_utf8(name).context("a section's name is not UTF-8")
}

/// An unsigned LEB128 number of at most 32 bits, and what follows it.
fn leb128(bytes: &[u8]) -> Result<(usize, &[u8])> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            ensure!(value <= u64::from(u32::MAX), "a length exceeds 32 bits");
            return Ok((usize::try_from(value)?, &bytes[index + 1..]));
        }
    }
    anyhow::bail!("a length does not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(id: u8, body: &[u8]) -> Vec<u8> {
        // Two bytes of length, as linkers write when they leave room to patch.
        let low = u8::try_from(body.len() & 0x7f).expect("seven bits");
        let high = u8::try_from(body.len() >> 7).expect("a short body");
        [&[id, low | 0x80, high], body].concat()
    }

    fn custom(name: &str, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(name.len()).expect("a short name");
        section(CUSTOM, &[&[length], name.as_bytes(), content].concat())
    }

    fn module(sections: &[Vec<u8>]) -> Vec<u8> {
        [HEADER, &sections.concat()].concat()
    }

    #[test]
    fn custom_sections_go_and_the_others_stay_byte_by_byte() {
        let (types, code) = (section(1, &[0]), section(10, &[7; 300]));
        let fat = module(&[custom("producers", b"x"), types.clone(), custom("name", &[9; 200]), code.clone()]);
        assert_eq!(slim(&fat, |_| false).expect("a module"), module(&[types.clone(), code.clone()]));
        let named = slim(&fat, |section| section == "name").expect("a module");
        assert_eq!(named, module(&[types, custom("name", &[9; 200]), code]));
    }

    #[test]
    fn broken_modules_are_errors() {
        assert!(slim(b"\0asm", |_| true).is_err());
        assert!(slim(&module(&[vec![1, 200, 1, 0]]), |_| true).is_err(), "a section past the end");
        assert!(slim(&module(&[vec![1, 0x80]]), |_| true).is_err(), "a length without end");
        assert!(slim(&module(&[section(CUSTOM, &[9, b'a'])]), |_| true).is_err(), "a name past its section");
        assert!(slim(&module(&[vec![1, 0xff, 0xff, 0xff, 0xff, 0x7f]]), |_| true).is_err(), "35 bits");
    }
}
