-- Stretches of history that were not measured here: imported, or generated for the demo. Their points stand in tables of
-- their own: what was measured is never touched, an import that is not `kept` yet (or never will be) shows nowhere, and
-- one that was a mistake can be taken out again.
CREATE TABLE imports (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target TEXT NOT NULL,
    source TEXT NOT NULL,
    generated BOOLEAN NOT NULL,
    actor TEXT NOT NULL,
    at BIGINT NOT NULL,
    -- The newest sign of life of whoever fills it.
    touched_at BIGINT NOT NULL,
    kept BOOLEAN NOT NULL,
    from_at BIGINT NOT NULL,
    to_at BIGINT NOT NULL,
    metrics BIGINT NOT NULL,
    points BIGINT NOT NULL
);
CREATE INDEX imports_target ON imports (target);

-- As `minutes`: the index carries the figures.
CREATE TABLE imported_minutes (
    import BIGINT NOT NULL,
    metric INTEGER NOT NULL,
    at BIGINT NOT NULL,
    total DOUBLE PRECISION NOT NULL,
    lowest DOUBLE PRECISION NOT NULL,
    highest DOUBLE PRECISION NOT NULL,
    samples INTEGER NOT NULL,
    PRIMARY KEY (import, metric, at) INCLUDE (total, lowest, highest, samples)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_vacuum_scale_factor = 0.02);

CREATE TABLE imported_hours (
    import BIGINT NOT NULL,
    metric INTEGER NOT NULL,
    at BIGINT NOT NULL,
    total DOUBLE PRECISION NOT NULL,
    lowest DOUBLE PRECISION NOT NULL,
    highest DOUBLE PRECISION NOT NULL,
    samples INTEGER NOT NULL,
    PRIMARY KEY (import, metric, at) INCLUDE (total, lowest, highest, samples)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_vacuum_scale_factor = 0.02);
