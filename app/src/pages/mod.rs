//! Pages: lazy routes, each its own chunk.

mod cache;
mod confirm;
mod login;
mod missing;
mod overview;
mod settings;
pub(crate) mod trends;

pub use cache::CachePage;
pub use confirm::{ConfirmClear, ConfirmReset, ConfirmWarm};
pub use login::LoginPage;
pub use missing::Missing;
pub use overview::OverviewPage;
pub use settings::SettingsPage;
pub use trends::TrendsPage;
