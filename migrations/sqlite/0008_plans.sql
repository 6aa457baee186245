-- Plans of statements by their shape, and what became of advice about indexes.
CREATE TABLE plans (
    target TEXT NOT NULL,
    query_id INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (target, query_id, fingerprint)
) STRICT;
CREATE INDEX plans_last_at ON plans (last_at);
CREATE TABLE advice (
    target TEXT NOT NULL,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (target, id)
) STRICT;
