//! Headroom's pages: what the server renders and the browser brings to life.
//!
//! The server renders every page completely, so that it is useful before WebAssembly arrives and without it
//! ([`shell`], feature `ssr`); the browser hydrates [`App`] (feature `hydrate`). Pages are lazy routes: each is its own
//! chunk, and chart code is fetched when a chart comes into view. Server functions ([`functions`]) are thin: they read
//! or act through [`headroom_engine`] and never explain an internal cause to the browser.
#![recursion_limit = "512"]

mod app;
#[cfg(feature = "hydrate")]
mod browser;
mod chart;
mod components;
#[cfg(feature = "ssr")]
mod context;
mod data;
mod error;
pub mod functions;
mod layout;
mod live;
mod pages;
#[cfg(feature = "ssr")]
mod preview;
#[cfg(feature = "ssr")]
mod shell;
mod url;

pub use app::App;
#[cfg(feature = "ssr")]
pub use context::{Assets, PageContext, Theme};
pub use error::{AppError, ErrorCode};
#[cfg(feature = "ssr")]
pub use preview::{card, neutral_card};
#[cfg(feature = "ssr")]
pub use shell::shell;
