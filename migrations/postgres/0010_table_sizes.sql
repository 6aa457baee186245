-- How large tables of targets were: the first reading of each day.
CREATE TABLE table_sizes (
    target TEXT NOT NULL,
    schema_name TEXT NOT NULL,
    table_name TEXT NOT NULL,
    day BIGINT NOT NULL,
    at BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (target, schema_name, table_name, day)
);
CREATE INDEX table_sizes_at ON table_sizes (at);
