-- Snapshots that people share. The points are compressed JSON; what was revoked keeps none.
CREATE TABLE shares (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    target TEXT NOT NULL,
    query TEXT NOT NULL,
    starts_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    audience TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER,
    revoked_by TEXT,
    opens INTEGER NOT NULL DEFAULT 0,
    last_opened_at INTEGER,
    points BLOB NOT NULL
) STRICT;
CREATE INDEX shares_maker ON shares (created_by, created_at);
CREATE INDEX shares_created ON shares (created_at);
