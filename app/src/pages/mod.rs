//! Pages: lazy routes, each its own chunk.

mod confirm;
mod login;
mod missing;
mod overview;

pub use confirm::ConfirmReset;
pub use login::LoginPage;
pub use missing::Missing;
pub use overview::OverviewPage;
