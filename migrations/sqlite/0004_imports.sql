-- Stretches of history that were not measured here: imported, or generated for the demo. Their points stand in tables of
-- their own: what was measured is never touched, an import that is not `kept` yet (or never will be) shows nowhere, and
-- one that was a mistake can be taken out again.
CREATE TABLE imports (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    target TEXT NOT NULL,
    source TEXT NOT NULL,
    generated INTEGER NOT NULL,
    actor TEXT NOT NULL,
    at INTEGER NOT NULL,
    -- The newest sign of life of whoever fills it.
    touched_at INTEGER NOT NULL,
    kept INTEGER NOT NULL,
    from_at INTEGER NOT NULL,
    to_at INTEGER NOT NULL,
    metrics INTEGER NOT NULL,
    points INTEGER NOT NULL
) STRICT;
CREATE INDEX imports_target ON imports (target);

CREATE TABLE imported_minutes (
    import INTEGER NOT NULL,
    metric INTEGER NOT NULL,
    at INTEGER NOT NULL,
    total REAL NOT NULL,
    lowest REAL NOT NULL,
    highest REAL NOT NULL,
    samples INTEGER NOT NULL,
    PRIMARY KEY (import, metric, at)
) STRICT, WITHOUT ROWID;

CREATE TABLE imported_hours (
    import INTEGER NOT NULL,
    metric INTEGER NOT NULL,
    at INTEGER NOT NULL,
    total REAL NOT NULL,
    lowest REAL NOT NULL,
    highest REAL NOT NULL,
    samples INTEGER NOT NULL,
    PRIMARY KEY (import, metric, at)
) STRICT, WITHOUT ROWID;
