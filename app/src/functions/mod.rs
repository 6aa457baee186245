//! Server functions: thin public endpoints. Each authorises, validates, bounds and makes one call into the engine.

mod cache;
mod cancel_operation;
mod capacity;
mod indexes;
mod last_action;
mod moment;
mod overview;
mod preview_reset;
mod reset_statistics;
mod sessions;
mod shares;
mod shell;
mod statements;
mod storage;
mod tables;
mod timeline;
mod trends;

pub use cache::{
    CLEAR_CACHE, START_WARMUP, cache_key, cache_keys, cache_report, cache_tags, clear_cache, preview_clear,
    preview_warmup, start_warmup, warmup_status,
};
pub use cancel_operation::cancel_operation;
pub use capacity::capacity;
pub use indexes::{
    CREATE_INDEX, EXPLAIN_STATEMENT, LOOK_FOR_INDEXES, create_index, explain_statement, index_build, indexes,
    look_for_indexes, preview_index, statement_plans,
};
pub use last_action::last_action;
pub use moment::{baseline, moment};
pub use overview::overview;
pub use preview_reset::preview_reset;
pub use reset_statistics::{PATH as RESET_STATISTICS, reset_statistics};
pub use sessions::{END_SESSION, connections, contention, end_session, preview_ending};
#[cfg(feature = "ssr")]
pub use shares::snapshot_of;
pub use shares::{
    CREATE as CREATE_SHARE, REVOKE as REVOKE_SHARE, create_share, own_share, preview_share, revoke_share, shares,
};
pub use shell::shell;
#[cfg(feature = "ssr")]
pub use shell::shell_of;
pub use statements::{statement, statements};
pub use storage::storage;
pub use tables::{
    OPTIMIZE_TABLE, ServerView, TableView, measure_bloat, optimize_table, preview_optimize, server, table, tables,
};
pub use timeline::timeline;
#[cfg(feature = "ssr")]
pub use trends::read_trends;
pub use trends::trends;

use headroom_model::Role;

/// The path of every server function and the least role it needs. The server's middleware enforces the list and refuses
/// what is not on it.
pub const ROLES: &[(&str, Role)] = &[
    ("/api/fn/baseline", Role::Viewer),
    ("/api/fn/cache_key", Role::Viewer),
    ("/api/fn/cache_keys", Role::Viewer),
    ("/api/fn/cache_report", Role::Viewer),
    ("/api/fn/cache_tags", Role::Viewer),
    ("/api/fn/cancel_operation", Role::Operator),
    ("/api/fn/capacity", Role::Viewer),
    (CLEAR_CACHE, Role::Operator),
    (CREATE_INDEX, Role::Admin),
    (EXPLAIN_STATEMENT, Role::Operator),
    ("/api/fn/index_build", Role::Viewer),
    ("/api/fn/indexes", Role::Viewer),
    ("/api/fn/connections", Role::Viewer),
    ("/api/fn/contention", Role::Viewer),
    (END_SESSION, Role::Operator),
    ("/api/fn/last_action", Role::Viewer),
    ("/api/fn/measure_bloat", Role::Operator),
    (LOOK_FOR_INDEXES, Role::Operator),
    ("/api/fn/moment", Role::Viewer),
    (OPTIMIZE_TABLE, Role::Operator),
    ("/api/fn/overview", Role::Viewer),
    ("/api/fn/preview_clear", Role::Operator),
    ("/api/fn/preview_ending", Role::Operator),
    ("/api/fn/preview_optimize", Role::Operator),
    ("/api/fn/preview_index", Role::Admin),
    ("/api/fn/preview_reset", Role::Operator),
    ("/api/fn/preview_warmup", Role::Operator),
    (RESET_STATISTICS, Role::Operator),
    (CREATE_SHARE, Role::Viewer),
    ("/api/fn/own_share", Role::Viewer),
    ("/api/fn/preview_share", Role::Viewer),
    (REVOKE_SHARE, Role::Viewer),
    ("/api/fn/server", Role::Viewer),
    ("/api/fn/shares", Role::Viewer),
    ("/api/fn/shell", Role::Viewer),
    (START_WARMUP, Role::Operator),
    ("/api/fn/statement", Role::Viewer),
    ("/api/fn/statements", Role::Viewer),
    ("/api/fn/statement_plans", Role::Viewer),
    ("/api/fn/storage", Role::Viewer),
    ("/api/fn/table", Role::Viewer),
    ("/api/fn/tables", Role::Viewer),
    ("/api/fn/timeline", Role::Viewer),
    ("/api/fn/trends", Role::Viewer),
    ("/api/fn/warmup_status", Role::Viewer),
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
