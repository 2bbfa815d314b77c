-- +goose Up

-- Part of the projection: what freezes' entries add up to. An empty scope
-- stops all.
CREATE TABLE freezes (
  id        text   PRIMARY KEY,
  agent     text   NOT NULL,
  tool      text   NOT NULL,
  namespace text   NOT NULL,
  lifted    integer NOT NULL, -- 1 when it ended
  at        bigint  NOT NULL,
  record    bytea   NOT NULL  -- JSON
);

CREATE INDEX freezes_held ON freezes (at, id) WHERE lifted = 0;
CREATE INDEX calls_open_agent ON calls (agent) WHERE final = 0;
