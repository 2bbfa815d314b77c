-- +goose Up

-- The log. It only grows: the triggers below stop accidents, and the rights of
-- the gateway's role more than these; the tree and the signatures find
-- everything else.
CREATE TABLE leaves (
  idx     bigint  PRIMARY KEY, -- of the leaf in the tree, from 0
  call_id text    NOT NULL,
  number  integer NOT NULL,    -- of the leaf within its call, from 0
  kind    text    NOT NULL,
  key     text    NOT NULL,    -- as in the leaf: sealed with the call's salt
  leaf    bytea   NOT NULL,    -- canonical JSON (RFC 8785)
  UNIQUE (call_id, number),
  UNIQUE (call_id, kind, key)  -- start and outcome have no key: once per call
);

CREATE TABLE nodes (
  idx  bigint PRIMARY KEY,     -- stored hash index, as tlog numbers them
  hash bytea  NOT NULL CHECK (length(hash) = 32)
);

CREATE TABLE head (
  id          integer PRIMARY KEY CHECK (id = 1),
  size        bigint  NOT NULL, -- leaves
  hash        bytea   NOT NULL CHECK (length(hash) = 32),
  checkpoints bigint  NOT NULL  -- rows in checkpoints
);

CREATE TABLE checkpoints (
  seq  bigint PRIMARY KEY,      -- from 0, which is the empty tree's
  size bigint NOT NULL UNIQUE,
  note bytea  NOT NULL          -- C2SP tlog-checkpoint
);

-- +goose StatementBegin
CREATE FUNCTION log_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the log only grows';
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION head_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.id <> OLD.id OR NEW.size < OLD.size OR NEW.checkpoints < OLD.checkpoints
     OR NEW.size = OLD.size AND NEW.hash <> OLD.hash THEN
    RAISE EXCEPTION 'the log only grows';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd

CREATE TRIGGER leaves_change BEFORE UPDATE OR DELETE OR TRUNCATE ON leaves EXECUTE FUNCTION log_only_grows();
CREATE TRIGGER nodes_change BEFORE UPDATE OR DELETE OR TRUNCATE ON nodes EXECUTE FUNCTION log_only_grows();
CREATE TRIGGER checkpoints_change BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoints EXECUTE FUNCTION log_only_grows();
CREATE TRIGGER head_delete BEFORE DELETE OR TRUNCATE ON head EXECUTE FUNCTION log_only_grows();
CREATE TRIGGER head_update BEFORE UPDATE ON head FOR EACH ROW EXECUTE FUNCTION head_only_grows();

-- The store. Erasing a call empties its entries and draws its salt anew.
CREATE TABLE salts (
  call_id text  PRIMARY KEY,
  salt    bytea CHECK (length(salt) = 32)
);

CREATE TABLE contents (
  idx   bigint PRIMARY KEY, -- of the leaf
  entry bytea               -- JSON of the whole entry
);

-- The projection. Times are nanoseconds since 1970.
CREATE TABLE calls (
  call_id     text    PRIMARY KEY,
  state       text    NOT NULL,
  final       integer NOT NULL, -- 1 when the call has ended
  agent       text    NOT NULL,
  tool        text    NOT NULL,
  namespace   text    NOT NULL, -- "" until there is an intent
  arguments   text    NOT NULL, -- digest
  received_at bigint  NOT NULL,
  updated_at  bigint  NOT NULL,
  entries     integer NOT NULL,
  record      bytea             -- JSON; NULL when erased
);

CREATE INDEX calls_received ON calls (received_at, call_id);
CREATE INDEX calls_agent ON calls (agent, received_at, call_id);
CREATE INDEX calls_state ON calls (state, received_at, call_id);
CREATE INDEX calls_open ON calls (updated_at, call_id) WHERE final = 0;

INSERT INTO head (id, size, hash, checkpoints)
VALUES (1, 0, '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 0);

-- Where whoever follows the log stands. It proves nothing and is no part of
-- the log.
CREATE TABLE followers (
  name     text   PRIMARY KEY,
  position bigint NOT NULL CHECK (position >= 0) -- of the leaf to be read next
);
