-- A range of hours is one stretch of the index, as one of minutes is: without the figures in it, 25 months of a metric are
-- one page of the heap an hour. The current hour's updates then write the index too; their older versions are of the same
-- key, so PostgreSQL 14 and later remove them where they stand.
ALTER TABLE hours DROP CONSTRAINT hours_pkey;
ALTER TABLE hours ADD PRIMARY KEY (target, metric, at) INCLUDE (total, lowest, highest, samples);
ALTER TABLE hours SET (fillfactor = 100, autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_vacuum_scale_factor = 0.02);
