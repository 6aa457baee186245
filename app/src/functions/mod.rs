//! Server functions: thin public endpoints. Each authorises, validates, bounds and makes one call into the engine.

use headroom_model::Role;

/// The path of every server function and the least role it needs. The server's middleware enforces the list and refuses
/// what is not on it.
pub const ROLES: &[(&str, Role)] = &[];
