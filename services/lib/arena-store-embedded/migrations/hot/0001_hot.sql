-- One row: the newest version given to a value.
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO meta VALUES (0, 0);

CREATE TABLE hot_values (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL,
    version INTEGER NOT NULL,
    expires_ms INTEGER
) STRICT;
CREATE INDEX hot_values_by_end ON hot_values (expires_ms) WHERE expires_ms IS NOT NULL;

CREATE TABLE counters (
    key TEXT PRIMARY KEY,
    value INTEGER NOT NULL,
    expires_ms INTEGER
) STRICT;
CREATE INDEX counters_by_end ON counters (expires_ms) WHERE expires_ms IS NOT NULL;

CREATE TABLE scores (
    board TEXT NOT NULL,
    member TEXT NOT NULL,
    score INTEGER NOT NULL,
    PRIMARY KEY (board, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX scores_by_rank ON scores (board, score DESC, member);

CREATE TABLE journals (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    last INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX journals_by_end ON journals (expires_ms);
CREATE TABLE journal_entries (
    journal INTEGER NOT NULL REFERENCES journals (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (journal, number)
) STRICT;

CREATE TABLE streams (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    last INTEGER NOT NULL
) STRICT;
CREATE TABLE stream_entries (
    stream INTEGER NOT NULL REFERENCES streams (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (stream, number)
) STRICT;
CREATE TABLE stream_groups (
    id INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL REFERENCES streams (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    last INTEGER NOT NULL,
    UNIQUE (stream, name)
) STRICT;
CREATE TABLE stream_pending (
    grp INTEGER NOT NULL REFERENCES stream_groups (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    consumer TEXT NOT NULL,
    delivered_ms INTEGER NOT NULL,
    deliveries INTEGER NOT NULL,
    PRIMARY KEY (grp, number)
) STRICT, WITHOUT ROWID;
