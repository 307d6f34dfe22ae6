CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    attributes TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_kind ON events (kind, at_ms, id);
CREATE INDEX events_by_time ON events (at_ms);
