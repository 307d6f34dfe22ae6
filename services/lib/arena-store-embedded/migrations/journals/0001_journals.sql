-- No index by end: every append would move a row in it, and there are no more journals than matches.
CREATE TABLE journals (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    last INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE journal_entries (
    journal INTEGER NOT NULL REFERENCES journals (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (journal, number)
) STRICT;
