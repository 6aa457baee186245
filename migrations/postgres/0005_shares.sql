-- Snapshots that people share. The points are compressed JSON; what was revoked keeps none.
CREATE TABLE shares (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    target TEXT NOT NULL,
    query TEXT NOT NULL,
    starts_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    audience TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT,
    revoked_by TEXT,
    opens BIGINT NOT NULL DEFAULT 0,
    last_opened_at BIGINT,
    points BYTEA NOT NULL
);
CREATE INDEX shares_maker ON shares (created_by, created_at);
CREATE INDEX shares_created ON shares (created_at);
