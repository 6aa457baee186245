-- What ran in each minute: one compressed document a target and minute. A console that starts within a minute writes that
-- minute a second time; the document with more readings stays.
CREATE TABLE moments (
    target INTEGER NOT NULL,
    at INTEGER NOT NULL,
    readings INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (target, at)
) STRICT;
-- Sizes without a walk through the documents.
CREATE INDEX moments_size ON moments (target, at, bytes);
