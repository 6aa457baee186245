-- What ran in each minute: one compressed document a target and minute. A console that starts within a minute writes that
-- minute a second time; the document with more readings stays.
CREATE TABLE moments (
    target BIGINT NOT NULL,
    at BIGINT NOT NULL,
    readings BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (target, at)
);
-- The documents are compressed already.
ALTER TABLE moments ALTER COLUMN body SET STORAGE EXTERNAL;
-- Sizes without a walk through the documents.
CREATE INDEX moments_size ON moments (target, at, bytes);
