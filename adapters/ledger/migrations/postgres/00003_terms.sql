-- +goose Up

-- Part of the projection: what calls are found by, beside the columns of their
-- rows. A call of an earlier version has none until the projection is made anew.
CREATE TABLE terms (
  term        text   NOT NULL,
  received_at bigint NOT NULL, -- as the call's
  call_id     text   NOT NULL,
  PRIMARY KEY (term, received_at, call_id)
);

CREATE INDEX terms_call ON terms (call_id);
CREATE INDEX calls_tool ON calls (tool, received_at, call_id);
CREATE INDEX calls_namespace ON calls (namespace, received_at, call_id);
CREATE INDEX calls_agent_state ON calls (agent, state, received_at, call_id);
