-- History. Names are stored once; a row of history carries small integers. Clustered by what a query asks for: one
-- target, one metric, a range of time. `minutes` and `hours` are always written together, so an hour is the exact sum of
-- its minutes.
CREATE TABLE targets (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE metrics (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE minutes (
    target INTEGER NOT NULL,
    metric INTEGER NOT NULL,
    at INTEGER NOT NULL,
    total REAL NOT NULL,
    lowest REAL NOT NULL,
    highest REAL NOT NULL,
    newest REAL NOT NULL,
    samples INTEGER NOT NULL,
    PRIMARY KEY (target, metric, at)
) STRICT, WITHOUT ROWID;

CREATE TABLE hours (
    target INTEGER NOT NULL,
    metric INTEGER NOT NULL,
    at INTEGER NOT NULL,
    total REAL NOT NULL,
    lowest REAL NOT NULL,
    highest REAL NOT NULL,
    newest REAL NOT NULL,
    samples INTEGER NOT NULL,
    PRIMARY KEY (target, metric, at)
) STRICT, WITHOUT ROWID;

-- Batches of minutes that were merged: one whose outcome was lost on the way can be sent again without counting twice.
CREATE TABLE minute_batches (
    id TEXT PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX minute_batches_at ON minute_batches (at);

CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    target TEXT,
    kind TEXT NOT NULL,
    band TEXT,
    title TEXT NOT NULL,
    detail TEXT,
    actor TEXT
) STRICT;
CREATE INDEX events_at ON events (at);

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    role TEXT NOT NULL,
    origin TEXT,
    action TEXT NOT NULL,
    target TEXT,
    parameters TEXT NOT NULL,
    reason TEXT,
    outcome TEXT NOT NULL,
    succeeded INTEGER NOT NULL
) STRICT;
CREATE INDEX audit_at ON audit (at);

CREATE TABLE users (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE tokens (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT;

CREATE TABLE sessions (
    hash BLOB PRIMARY KEY,
    user_name TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_user ON sessions (user_name, created_at);
CREATE INDEX sessions_expires ON sessions (expires_at);

-- The operation as everyone sees it is JSON; the columns beside it are what it is looked up by.
CREATE TABLE operations (
    id TEXT PRIMARY KEY,
    target TEXT,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX operations_created ON operations (created_at);
CREATE INDEX operations_finished ON operations (finished_at);
