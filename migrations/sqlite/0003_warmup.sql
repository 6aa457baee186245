-- Who holds a lock, until when, and its fence. A row stays when its lock is free: the fence never goes back.
CREATE TABLE locks (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    owner TEXT NOT NULL,
    fence INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

-- Keys that were used most, so that a warmup after a restart knows them.
CREATE TABLE hot_keys (
    target TEXT NOT NULL,
    dataset TEXT NOT NULL,
    key TEXT NOT NULL,
    accesses INTEGER NOT NULL,
    PRIMARY KEY (target, dataset, key)
) STRICT, WITHOUT ROWID;

-- What a kind did before is looked up by it.
ALTER TABLE operations ADD COLUMN kind TEXT NOT NULL DEFAULT '';
UPDATE operations SET kind = coalesce(json_extract(body, '$.kind'), '');
CREATE INDEX operations_kind ON operations (kind, created_at);
