-- What statements did, by slots of a minute, ten minutes, an hour and a day: one compressed document a target, width and
-- slot. Consoles that run one after the other within a minute each write their part of it (`part`: when it started).
CREATE TABLE statement_slots (
    target BIGINT NOT NULL,
    step BIGINT NOT NULL,
    at BIGINT NOT NULL,
    part BIGINT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (target, step, at, part)
);
-- The documents are compressed already.
ALTER TABLE statement_slots ALTER COLUMN body SET STORAGE EXTERNAL;
-- Whose statements they are: text without literals, tags and roles as JSON.
CREATE TABLE statement_texts (
    target BIGINT NOT NULL,
    query_id BIGINT NOT NULL,
    text TEXT,
    tags TEXT NOT NULL,
    roles TEXT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (target, query_id)
);
CREATE INDEX statement_texts_last ON statement_texts (target, last_at);
