//! Free TCP ports on the loopback address.

use crate::{Error, Result};
use rand::Rng;
use std::net::{Ipv4Addr, TcpListener};

/// Below every system's range for outgoing connections (Linux starts at 32768). Inside that range, a client that keeps
/// trying to reach a stopped server can be given the server's port as its own and connect to itself, and the server
/// could then not come back on it.
const RANGE: std::ops::Range<u16> = 15_000..30_000;
const TRIES: usize = 200;

/// Whether nobody listens on the port now.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A port that is free now. Another process may take it before its user does: callers try again.
pub(crate) fn free() -> Result<u16> {
    let mut random = rand::rng();
    (0..TRIES)
        .map(|_| random.random_range(RANGE))
        .find(|port| is_free(*port))
        .ok_or(Error::PortTaken { port: RANGE.start })
}
