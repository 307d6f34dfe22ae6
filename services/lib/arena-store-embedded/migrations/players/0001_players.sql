-- Ids are 64 bits; the ones above 2^63 are negative here.
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE credentials (
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    player INTEGER NOT NULL REFERENCES accounts (id),
    secret TEXT,
    PRIMARY KEY (kind, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX credentials_by_player ON credentials (player);

CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    player INTEGER NOT NULL REFERENCES accounts (id),
    device TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    refreshed_ms INTEGER NOT NULL,
    -- The token that is good now, the one it was traded for, and when that was.
    token BLOB NOT NULL,
    traded BLOB,
    traded_ms INTEGER NOT NULL,
    ended TEXT,
    ended_ms INTEGER
) STRICT;
CREATE INDEX sessions_by_player ON sessions (player, created_ms DESC);
CREATE INDEX sessions_by_end ON sessions (expires_ms);
-- Every token a session has had, so that the use of an old one is seen.
CREATE TABLE refresh_tokens (
    hash BLOB PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session);

CREATE TABLE bans (
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    scope TEXT NOT NULL,
    reason TEXT NOT NULL,
    set_by TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    until_ms INTEGER,
    PRIMARY KEY (kind, value, scope)
) STRICT, WITHOUT ROWID;

CREATE TABLE profiles (
    player INTEGER PRIMARY KEY REFERENCES accounts (id),
    version INTEGER NOT NULL,
    document BLOB NOT NULL
) STRICT;

CREATE TABLE ratings (
    player INTEGER NOT NULL,
    mode TEXT NOT NULL,
    value REAL NOT NULL,
    deviation REAL NOT NULL,
    volatility REAL NOT NULL,
    matches INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (player, mode)
) STRICT, WITHOUT ROWID;

-- Results stay when an account goes: no reference to accounts.
CREATE TABLE results (
    id INTEGER PRIMARY KEY,
    mode TEXT NOT NULL,
    region TEXT NOT NULL,
    release INTEGER NOT NULL,
    rules_version INTEGER NOT NULL,
    seed INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER NOT NULL,
    bots INTEGER NOT NULL,
    replay TEXT
) STRICT;
CREATE TABLE result_lines (
    result INTEGER NOT NULL REFERENCES results (id) ON DELETE CASCADE,
    line INTEGER NOT NULL,
    player INTEGER NOT NULL,
    ended_ms INTEGER NOT NULL,
    name TEXT NOT NULL,
    placement INTEGER NOT NULL,
    score INTEGER NOT NULL,
    kills INTEGER NOT NULL,
    deaths INTEGER NOT NULL,
    rating_change REAL NOT NULL,
    PRIMARY KEY (result, line)
) STRICT, WITHOUT ROWID;
CREATE INDEX result_lines_by_player ON result_lines (player, ended_ms DESC, result DESC);
