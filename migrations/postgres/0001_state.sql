-- History. Names are stored once; a row of history carries small integers. `minutes` and `hours` are always written
-- together, so an hour is the exact sum of its minutes.
CREATE TABLE targets (
    id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE metrics (
    id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- The heap lies in order of time, a query wants one metric: the index carries the figures, so that a range is one stretch
-- of the index and not one heap page a minute.
CREATE TABLE minutes (
    target INTEGER NOT NULL,
    metric INTEGER NOT NULL,
    at BIGINT NOT NULL,
    total DOUBLE PRECISION NOT NULL,
    lowest DOUBLE PRECISION NOT NULL,
    highest DOUBLE PRECISION NOT NULL,
    newest DOUBLE PRECISION NOT NULL,
    samples INTEGER NOT NULL,
    PRIMARY KEY (target, metric, at) INCLUDE (total, lowest, highest, samples)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_vacuum_scale_factor = 0.02);

-- The current hour is updated every minute: free space in the page and no figures in the index keep those updates
-- within the page (HOT).
CREATE TABLE hours (
    target INTEGER NOT NULL,
    metric INTEGER NOT NULL,
    at BIGINT NOT NULL,
    total DOUBLE PRECISION NOT NULL,
    lowest DOUBLE PRECISION NOT NULL,
    highest DOUBLE PRECISION NOT NULL,
    newest DOUBLE PRECISION NOT NULL,
    samples INTEGER NOT NULL,
    PRIMARY KEY (target, metric, at)
) WITH (fillfactor = 70);

-- Batches of minutes that were merged: one whose outcome was lost on the way can be sent again without counting twice.
CREATE TABLE minute_batches (
    id TEXT PRIMARY KEY,
    at BIGINT NOT NULL
);
CREATE INDEX minute_batches_at ON minute_batches (at);

CREATE TABLE events (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    target TEXT,
    kind TEXT NOT NULL,
    band TEXT,
    title TEXT NOT NULL,
    detail TEXT,
    actor TEXT
);
CREATE INDEX events_at ON events (at);

CREATE TABLE audit (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    role TEXT NOT NULL,
    origin TEXT,
    action TEXT NOT NULL,
    target TEXT,
    parameters TEXT NOT NULL,
    reason TEXT,
    outcome TEXT NOT NULL,
    succeeded BOOLEAN NOT NULL
);
CREATE INDEX audit_at ON audit (at);

CREATE TABLE users (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE tokens (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    hash BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);

CREATE TABLE sessions (
    hash BYTEA PRIMARY KEY,
    user_name TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_name, created_at);
CREATE INDEX sessions_expires ON sessions (expires_at);

-- The operation as everyone sees it is JSON; the columns beside it are what it is looked up by.
CREATE TABLE operations (
    id TEXT PRIMARY KEY,
    target TEXT,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    finished_at BIGINT,
    body TEXT NOT NULL
);
CREATE INDEX operations_created ON operations (created_at);
CREATE INDEX operations_finished ON operations (finished_at);
