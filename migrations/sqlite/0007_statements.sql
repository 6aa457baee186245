-- What statements did, by slots of a minute, ten minutes, an hour and a day: one compressed document a target, width and
-- slot. Consoles that run one after the other within a minute each write their part of it (`part`: when it started).
CREATE TABLE statement_slots (
    target INTEGER NOT NULL,
    step INTEGER NOT NULL,
    at INTEGER NOT NULL,
    part INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (target, step, at, part)
) STRICT;
-- Whose statements they are: text without literals, tags and roles as JSON.
CREATE TABLE statement_texts (
    target INTEGER NOT NULL,
    query_id INTEGER NOT NULL,
    text TEXT,
    tags TEXT NOT NULL,
    roles TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (target, query_id)
) STRICT;
CREATE INDEX statement_texts_last ON statement_texts (target, last_at);
