-- +goose Up

-- Part of the projection: what freezes' entries add up to. An empty scope
-- stops all.
CREATE TABLE freezes (
  id        TEXT    PRIMARY KEY,
  agent     TEXT    NOT NULL,
  tool      TEXT    NOT NULL,
  namespace TEXT    NOT NULL,
  lifted    INTEGER NOT NULL, -- 1 when it ended
  at        INTEGER NOT NULL,
  record    BLOB    NOT NULL  -- JSON
) STRICT;

CREATE INDEX freezes_held ON freezes (at, id) WHERE lifted = 0;
CREATE INDEX calls_open_agent ON calls (agent) WHERE final = 0;
