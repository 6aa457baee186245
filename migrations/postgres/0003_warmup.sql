-- Who holds a lock, until when, and its fence. A row stays when its lock is free: the fence never goes back.
CREATE TABLE locks (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    owner TEXT NOT NULL,
    fence BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- Keys that were used most, so that a warmup after a restart knows them.
CREATE TABLE hot_keys (
    target TEXT NOT NULL,
    dataset TEXT NOT NULL,
    key TEXT NOT NULL,
    accesses BIGINT NOT NULL,
    PRIMARY KEY (target, dataset, key)
);

-- What a kind did before is looked up by it.
ALTER TABLE operations ADD COLUMN kind TEXT NOT NULL DEFAULT '';
UPDATE operations SET kind = coalesce(CAST(body AS json) ->> 'kind', '');
CREATE INDEX operations_kind ON operations (kind, created_at);
