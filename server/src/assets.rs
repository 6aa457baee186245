//! The browser bundle: `dist/` from disk while developing, from inside the binary in a release (feature `embed`).

use crate::http::{
    error::{Kind, WebError},
    etag::{self, hex},
};
use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use headroom_app::Assets;
use sha2::{Digest, Sha256};
use std::{
    path::{Component, Path, PathBuf},
    sync::Arc,
};

const MANIFEST: &str = "assets.json";
const MISSING: &str = "The browser bundle is missing: no dist/assets.json. Build it with `make run`, or with \
    `cargo run -p headroom-bundle`.";

/// How long a browser may keep what carries its content in its address: forever.
pub const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// Encodings that the bundle tool writes beside each file, best first.
const ENCODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// Where the bundle lies.
#[derive(Clone, Debug)]
pub enum Dist {
    /// A folder; read at each request, so that a rebuild shows at once.
    Folder(Arc<Path>),
    /// Inside the binary.
    #[cfg(feature = "embed")]
    Embedded,
}

#[cfg(feature = "embed")]
#[derive(rust_embed::RustEmbed)]
#[folder = "../dist"]
struct Embedded;

impl Dist {
    /// The bundle of this build: embedded where there is one, else `HEADROOM_DIST`, else `dist` under the working
    /// folder.
    #[must_use]
    pub fn find(folder: Option<PathBuf>) -> Self {
        #[cfg(feature = "embed")]
        if folder.is_none() {
            return Dist::Embedded;
        }
        Dist::Folder(folder.unwrap_or_else(|| PathBuf::from("dist")).into())
    }

    /// The manifest of the bundle.
    ///
    /// # Errors
    /// There is no bundle, or its manifest cannot be read.
    pub async fn assets(&self) -> Result<Arc<Assets>, WebError> {
        let bytes = self.read(MANIFEST).await.ok_or_else(|| WebError::new(Kind::Unavailable, MISSING))?;
        let assets = serde_json::from_slice(&bytes).map_err(|error| WebError::unavailable(MISSING, error))?;
        Ok(Arc::new(assets))
    }

    /// A file of the bundle in the best encoding the client takes; none when there is no such file.
    pub async fn answer(&self, path: &str, headers: &HeaderMap) -> Option<Response> {
        let path = safe(path)?;
        let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("");
        for (encoding, suffix) in ENCODINGS {
            if accepts(accepted, encoding)
                && let Some(bytes) = self.read(&format!("{path}{suffix}")).await
            {
                return Some(file(path, Some(encoding), bytes, headers));
            }
        }
        let bytes = self.read(path).await?;
        Some(file(path, None, bytes, headers))
    }

    async fn read(&self, path: &str) -> Option<Bytes> {
        match self {
            Dist::Folder(folder) => tokio::fs::read(folder.join(path)).await.ok().map(Bytes::from),
            #[cfg(feature = "embed")]
            Dist::Embedded => Embedded::get(path).map(|file| match file.data {
                std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
            }),
        }
    }
}

/// The path inside the bundle: plain names only, nothing hidden, no way up.
fn safe(path: &str) -> Option<&str> {
    let path = path.strip_prefix('/')?;
    let is_plain = |part: Component<'_>| match part {
        Component::Normal(name) => name.to_str().is_some_and(|name| !name.starts_with('.') && !name.contains('\\')),
        _ => false,
    };
    (!path.is_empty() && Path::new(path).components().all(is_plain)).then_some(path)
}

/// Whether an Accept-Encoding list takes an encoding (`;q=0` refuses it).
fn accepts(list: &str, encoding: &str) -> bool {
    list.split(',').any(|entry| {
        let (name, parameters) = entry.split_once(';').unwrap_or((entry, ""));
        let quality = parameters.trim().strip_prefix("q=").and_then(|q| q.trim().parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case(encoding) && quality.is_none_or(|quality| quality > 0.0)
    })
}

fn file(path: &str, encoding: Option<&'static str>, bytes: Bytes, headers: &HeaderMap) -> Response {
    // The bundle tool puts a hash into every address below these two folders: it stands for the content.
    let is_hashed = path.starts_with("pkg/") || path.starts_with("assets/");
    let identity = match is_hashed {
        true => Sha256::digest([path, encoding.unwrap_or_default()].concat()),
        false => Sha256::digest(&bytes),
    };
    let tag = format!("\"{}\"", hex(&identity[..12]));
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response = if known.is_some_and(|list| etag::holds(list, &tag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Body::from(bytes).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(path)));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(if is_hashed { IMMUTABLE } else { "no-cache" }));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "wasm" => "application/wasm",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "woff2" => "font/woff2",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside_the_bundle() {
        assert_eq!(safe("/pkg/abc/main.js"), Some("pkg/abc/main.js"));
        for bad in ["/", "", "//etc/passwd", "/../secret", "/pkg/../../secret", "/.env", "/pkg/.git/config", "pkg/x"] {
            assert_eq!(safe(bad), None, "{bad}");
        }
    }

    #[test]
    fn quality_zero_refuses() {
        assert!(accepts("gzip, br;q=0.8", "br"));
        assert!(!accepts("gzip, br;q=0", "br"));
        assert!(!accepts("", "gzip"));
    }

    #[tokio::test]
    async fn picks_the_best_encoding_and_answers_304() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("assets")).unwrap();
        for (name, text) in [("a.css", "plain"), ("a.css.br", "brotli"), ("a.css.gz", "gzip")] {
            std::fs::write(folder.path().join("assets").join(name), text).unwrap();
        }
        let dist = Dist::Folder(folder.path().into());
        let ask = async |encoding: &'static str, tag: Option<HeaderValue>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(encoding));
            if let Some(tag) = tag {
                headers.insert(header::IF_NONE_MATCH, tag);
            }
            dist.answer("/assets/a.css", &headers).await.unwrap()
        };
        let response = ask("gzip, br", None).await;
        assert_eq!(response.headers()[header::CONTENT_ENCODING], "br");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/css; charset=utf-8");
        assert!(response.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        let tag = response.headers()[header::ETAG].clone();
        assert_eq!(ask("gzip, br", Some(tag)).await.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(ask("gzip", None).await.headers()[header::CONTENT_ENCODING], "gzip");
        assert!(!ask("", None).await.headers().contains_key(header::CONTENT_ENCODING));
        assert!(dist.answer("/assets/none.css", &HeaderMap::new()).await.is_none());
    }
}
