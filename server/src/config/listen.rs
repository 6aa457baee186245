//! `listen`, `HEADROOM_LISTEN`, `--listen`: where pages and API answer. Default 127.0.0.1:3000.

use super::{ConfigError, section::Section, value};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Only this machine, until someone can sign in.
pub const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3000);

pub(super) fn read(root: &Section<'_>, flag: Option<SocketAddr>) -> Result<SocketAddr, ConfigError> {
    let written = root.value("listen", &value::address())?;
    Ok(flag.or(written).unwrap_or(DEFAULT))
}
