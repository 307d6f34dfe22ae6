-- One row: the newest commit, and the commits that events are no longer kept for.
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    revision INTEGER NOT NULL,
    compacted INTEGER NOT NULL
) STRICT;
INSERT INTO meta VALUES (0, 0, 0);

CREATE TABLE entries (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL,
    revision INTEGER NOT NULL,
    lease INTEGER
) STRICT;
CREATE INDEX entries_by_lease ON entries (lease) WHERE lease IS NOT NULL;

-- What each commit did; a value of NULL is a delete.
CREATE TABLE events (
    revision INTEGER NOT NULL,
    key TEXT NOT NULL,
    value BLOB,
    lease INTEGER,
    PRIMARY KEY (revision, key)
) STRICT;

-- AUTOINCREMENT: the number of a lease that ended is never given again.
CREATE TABLE leases (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    ttl_ms INTEGER NOT NULL
) STRICT;
