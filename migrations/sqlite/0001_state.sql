-- Names, once each, so that history rows stay small.
CREATE TABLE metric (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE target (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

-- History is read by target and metric over a stretch of time: the key is the order on disk.
CREATE TABLE minute (
    target INTEGER NOT NULL, metric INTEGER NOT NULL, at INTEGER NOT NULL,
    sum REAL NOT NULL, min REAL NOT NULL, max REAL NOT NULL, last REAL NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (target, metric, at)
) WITHOUT ROWID;
CREATE TABLE hour (
    target INTEGER NOT NULL, metric INTEGER NOT NULL, at INTEGER NOT NULL,
    sum REAL NOT NULL, min REAL NOT NULL, max REAL NOT NULL, last REAL NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (target, metric, at)
) WITHOUT ROWID;
-- Hours whose minutes changed since they were rolled up; `marks` tells a change during the roll-up.
CREATE TABLE stale_hour (
    target INTEGER NOT NULL, at INTEGER NOT NULL, marks INTEGER NOT NULL, PRIMARY KEY (target, at)
) WITHOUT ROWID;

CREATE TABLE event (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, target TEXT, kind TEXT NOT NULL, band TEXT,
    title TEXT NOT NULL, detail TEXT, actor TEXT
);
CREATE INDEX event_at ON event (at);

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, actor TEXT NOT NULL, role TEXT NOT NULL, origin TEXT,
    action TEXT NOT NULL, target TEXT, parameters TEXT NOT NULL, reason TEXT, outcome TEXT NOT NULL,
    succeeded BOOLEAN NOT NULL
);
CREATE INDEX audit_at ON audit (at);

CREATE TABLE account (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, password_hash TEXT NOT NULL, created_at INTEGER NOT NULL
);
CREATE TABLE token (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, hash BLOB NOT NULL UNIQUE, created_at INTEGER NOT NULL, expires_at INTEGER
);
CREATE TABLE session (
    hash BLOB PRIMARY KEY, account TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
    created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL
);

CREATE TABLE operation (
    id TEXT PRIMARY KEY, target TEXT, state TEXT NOT NULL, created_at INTEGER NOT NULL, document TEXT NOT NULL
);
CREATE INDEX operation_created ON operation (created_at);
