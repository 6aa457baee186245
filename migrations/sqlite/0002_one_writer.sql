-- Which console writes here, and until when it is taken to live without another sign.
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    until INTEGER NOT NULL
) STRICT;

-- An event that is sent again because its answer was lost is stored once.
ALTER TABLE events ADD COLUMN uid TEXT;
CREATE UNIQUE INDEX events_uid ON events (uid);

-- Was written and never read.
ALTER TABLE minutes DROP COLUMN newest;
ALTER TABLE hours DROP COLUMN newest;
