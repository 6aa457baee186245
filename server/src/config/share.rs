//! `[share]`: where shared views may be embedded.

use super::{ConfigError, section::Section, value};

/// Pages that embed views, at most.
const ORIGINS: usize = 20;

/// What other sites may do with shared views.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShareSettings {
    /// Origins whose pages may embed what `?embed=1` shows, besides the console's own.
    pub embed_origins: Vec<String>,
}

pub(super) fn read(root: &Section<'_>) -> Result<ShareSettings, ConfigError> {
    let section = root.section("share")?;
    let embed_origins = section
        .list("embed_origins", &value::form("an origin such as https://wiki.example, without a path", is_origin))?;
    if embed_origins.len() > ORIGINS {
        return Err(section.wrong(&format!("embed_origins has more than {ORIGINS} entries")));
    }
    section.finish()?;
    Ok(ShareSettings { embed_origins })
}

/// Scheme, host and port, written as browsers write them. What is put into a header of every page that may be embedded
/// must be nothing else.
fn is_origin(text: &str) -> bool {
    let Ok(url) = url::Url::parse(text) else { return false };
    !text.contains(['*', ';', ',', '\''])
        && matches!(url.scheme(), "http" | "https")
        && url.origin().ascii_serialization() == text
}

#[cfg(test)]
mod tests {
    use super::is_origin;

    #[test]
    fn an_origin_has_no_path_and_no_wildcard() {
        for text in ["https://wiki.example", "http://localhost:8080", "https://a.b.example:8443", "http://[::1]:3000"] {
            assert!(is_origin(text), "{text}");
        }
        for text in [
            "wiki.example",
            "https://wiki.example/",
            "https://wiki.example/x",
            "*",
            "https://*.example",
            "data:text/html,x",
            "https://a.example; script-src *",
            "https://a.example https://b.example",
            "HTTPS://a.example",
            "'self'",
            "https://a;b.example",
            "https://a,b.example",
            "https://a'b.example",
            "",
        ] {
            assert!(!is_origin(text), "{text}");
        }
    }
}
