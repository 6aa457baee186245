//! The spine: one task a target collects, publishes once, and every reader takes it from there.
