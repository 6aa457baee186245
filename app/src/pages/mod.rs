//! Pages: lazy routes, each its own chunk.

mod cache;
mod capacity;
mod confirm;
mod connections;
mod indexes;
mod locks;
mod login;
mod missing;
mod overview;
mod queries;
mod settings;
mod shared;
mod tables;
pub(crate) mod trends;

pub use cache::CachePage;
pub use capacity::CapacityPage;
pub use confirm::{
    ConfirmClear, ConfirmIndex, ConfirmOptimize, ConfirmReset, ConfirmSession, ConfirmShare, ConfirmWarm,
};
pub use connections::ConnectionsPage;
pub use indexes::IndexesPage;
pub use locks::LocksPage;
pub use login::LoginPage;
pub use missing::Missing;
pub use overview::OverviewPage;
pub use queries::{QueriesPage, StatementPage};
pub use settings::SettingsPage;
pub use shared::SharedPage;
pub use tables::TablesPage;
pub use trends::TrendsPage;
