-- Plans of statements by their shape, and what became of advice about indexes.
CREATE TABLE plans (
    target TEXT NOT NULL,
    query_id BIGINT NOT NULL,
    fingerprint TEXT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (target, query_id, fingerprint)
);
CREATE INDEX plans_last_at ON plans (last_at);
CREATE TABLE advice (
    target TEXT NOT NULL,
    id TEXT NOT NULL,
    at BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (target, id)
);
