-- +goose Up

-- The log. It only grows: the triggers below stop accidents, the tree and the
-- signatures find everything else.
CREATE TABLE leaves (
  idx     INTEGER PRIMARY KEY, -- of the leaf in the tree, from 0
  call_id TEXT    NOT NULL,
  number  INTEGER NOT NULL,    -- of the leaf within its call, from 0
  kind    TEXT    NOT NULL,
  key     TEXT    NOT NULL,    -- as in the leaf: sealed with the call's salt
  leaf    BLOB    NOT NULL,    -- canonical JSON (RFC 8785)
  UNIQUE (call_id, number),
  UNIQUE (call_id, kind, key)  -- start and outcome have no key: once per call
) STRICT;

CREATE TABLE nodes (
  idx  INTEGER PRIMARY KEY,    -- stored hash index, as tlog numbers them
  hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE TABLE head (
  id          INTEGER PRIMARY KEY CHECK (id = 1),
  size        INTEGER NOT NULL, -- leaves
  hash        BLOB    NOT NULL CHECK (length(hash) = 32),
  checkpoints INTEGER NOT NULL  -- rows in checkpoints
) STRICT;

CREATE TABLE checkpoints (
  seq  INTEGER PRIMARY KEY,     -- from 0, which is the empty tree's
  size INTEGER NOT NULL UNIQUE,
  note BLOB    NOT NULL         -- C2SP tlog-checkpoint
) STRICT;

-- +goose StatementBegin
CREATE TRIGGER leaves_update BEFORE UPDATE ON leaves BEGIN SELECT RAISE(ABORT, 'the log only grows'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER leaves_delete BEFORE DELETE ON leaves BEGIN SELECT RAISE(ABORT, 'the log only grows'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER nodes_update BEFORE UPDATE ON nodes BEGIN SELECT RAISE(ABORT, 'the log only grows'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER nodes_delete BEFORE DELETE ON nodes BEGIN SELECT RAISE(ABORT, 'the log only grows'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER head_delete BEFORE DELETE ON head BEGIN SELECT RAISE(ABORT, 'the log only grows'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER checkpoints_update BEFORE UPDATE ON checkpoints BEGIN SELECT RAISE(ABORT, 'the log only grows'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER checkpoints_delete BEFORE DELETE ON checkpoints BEGIN SELECT RAISE(ABORT, 'the log only grows'); END;
-- +goose StatementEnd

-- The store. Erasing a call sets salt and entries to NULL.
CREATE TABLE salts (
  call_id TEXT PRIMARY KEY,
  salt    BLOB CHECK (length(salt) = 32)
) STRICT, WITHOUT ROWID;

CREATE TABLE contents (
  idx   INTEGER PRIMARY KEY, -- of the leaf
  entry BLOB                 -- JSON of the whole entry
) STRICT;

-- The projection. Times are nanoseconds since 1970.
CREATE TABLE calls (
  call_id     TEXT    PRIMARY KEY,
  state       TEXT    NOT NULL,
  final       INTEGER NOT NULL, -- 1 when the call has ended
  agent       TEXT    NOT NULL,
  tool        TEXT    NOT NULL,
  namespace   TEXT    NOT NULL, -- "" until there is an intent
  arguments   TEXT    NOT NULL, -- digest
  received_at INTEGER NOT NULL,
  updated_at  INTEGER NOT NULL,
  entries     INTEGER NOT NULL,
  record      BLOB              -- JSON; NULL when erased
) STRICT;

CREATE INDEX calls_received ON calls (received_at, call_id);
CREATE INDEX calls_agent ON calls (agent, received_at, call_id);
CREATE INDEX calls_state ON calls (state, received_at, call_id);
CREATE INDEX calls_open ON calls (updated_at, call_id) WHERE final = 0;

INSERT INTO head (id, size, hash, checkpoints)
VALUES (1, 0, x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 0);
-- Where whoever follows the log stands. It proves nothing and is no part of
-- the log. Ledgers of earlier versions get it when they are opened.
CREATE TABLE followers (
  name     TEXT    PRIMARY KEY,
  position INTEGER NOT NULL CHECK (position >= 0) -- of the leaf to be read next
) STRICT, WITHOUT ROWID;
