-- Names, once each, so that history rows stay small.
CREATE TABLE metric (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE target (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name TEXT NOT NULL UNIQUE);

-- History is read by target and metric over a stretch of time: the key leads there.
CREATE TABLE minute (
    target BIGINT NOT NULL, metric BIGINT NOT NULL, at BIGINT NOT NULL,
    sum DOUBLE PRECISION NOT NULL, min DOUBLE PRECISION NOT NULL, max DOUBLE PRECISION NOT NULL, last DOUBLE PRECISION NOT NULL, count BIGINT NOT NULL,
    PRIMARY KEY (target, metric, at)
);
CREATE TABLE hour (
    target BIGINT NOT NULL, metric BIGINT NOT NULL, at BIGINT NOT NULL,
    sum DOUBLE PRECISION NOT NULL, min DOUBLE PRECISION NOT NULL, max DOUBLE PRECISION NOT NULL, last DOUBLE PRECISION NOT NULL, count BIGINT NOT NULL,
    PRIMARY KEY (target, metric, at)
);
-- Hours whose minutes changed since they were rolled up; `marks` tells a change during the roll-up.
CREATE TABLE stale_hour (
    target BIGINT NOT NULL, at BIGINT NOT NULL, marks BIGINT NOT NULL, PRIMARY KEY (target, at)
);

CREATE TABLE event (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at BIGINT NOT NULL, target TEXT, kind TEXT NOT NULL, band TEXT,
    title TEXT NOT NULL, detail TEXT, actor TEXT
);
CREATE INDEX event_at ON event (at);

CREATE TABLE audit (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at BIGINT NOT NULL, actor TEXT NOT NULL, role TEXT NOT NULL, origin TEXT,
    action TEXT NOT NULL, target TEXT, parameters TEXT NOT NULL, reason TEXT, outcome TEXT NOT NULL,
    succeeded BOOLEAN NOT NULL
);
CREATE INDEX audit_at ON audit (at);

CREATE TABLE account (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, password_hash TEXT NOT NULL, created_at BIGINT NOT NULL
);
CREATE TABLE token (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, hash BYTEA NOT NULL UNIQUE, created_at BIGINT NOT NULL, expires_at BIGINT
);
CREATE TABLE session (
    hash BYTEA PRIMARY KEY, account TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
    created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL
);

CREATE TABLE operation (
    id TEXT PRIMARY KEY, target TEXT, state TEXT NOT NULL, created_at BIGINT NOT NULL, document TEXT NOT NULL
);
CREATE INDEX operation_created ON operation (created_at);
