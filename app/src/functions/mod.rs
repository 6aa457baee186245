//! Server functions: thin public endpoints. Each authorises, validates, bounds and makes one call into the engine.

mod cancel_operation;
mod last_reset;
mod overview;
mod preview_reset;
mod reset_statistics;
mod shell;
mod timeline;

pub use cancel_operation::cancel_operation;
pub use last_reset::last_reset;
pub use overview::overview;
pub use preview_reset::preview_reset;
pub use reset_statistics::{PATH as RESET_STATISTICS, reset_statistics};
pub use shell::shell;
#[cfg(feature = "ssr")]
pub use shell::shell_of;
pub use timeline::timeline;

use headroom_model::Role;

/// The path of every server function and the least role it needs. The server's middleware enforces the list and refuses
/// what is not on it.
pub const ROLES: &[(&str, Role)] = &[
    ("/api/fn/cancel_operation", Role::Operator),
    ("/api/fn/last_reset", Role::Viewer),
    ("/api/fn/overview", Role::Viewer),
    ("/api/fn/preview_reset", Role::Operator),
    (RESET_STATISTICS, Role::Operator),
    ("/api/fn/shell", Role::Viewer),
    ("/api/fn/timeline", Role::Viewer),
];

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_server_function_declares_its_role() {
        let registered: BTreeSet<&str> = leptos::server_fn::axum::server_fn_paths().map(|(path, _)| path).collect();
        let declared: BTreeSet<&str> = ROLES.iter().map(|(path, _)| *path).collect();
        assert_eq!(registered, declared);
        assert_eq!(declared.len(), ROLES.len());
    }
}
