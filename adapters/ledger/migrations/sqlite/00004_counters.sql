-- +goose Up

-- Part of the projection: how many of an agent's calls were received in each
-- minute, so that what policy learns of them costs the same however many there
-- are. A minute is received_at in minutes since 1970. The names are
-- calls   of all
-- denied  of the calls that were denied
-- same    of the calls of one tool with the same arguments, which are its part
CREATE TABLE counters (
  agent  TEXT    NOT NULL,
  name   TEXT    NOT NULL,
  part   TEXT    NOT NULL, -- "" of a counter that has no parts
  minute INTEGER NOT NULL,
  n      INTEGER NOT NULL,
  PRIMARY KEY (agent, name, part, minute)
) STRICT, WITHOUT ROWID;

INSERT INTO counters (agent, name, part, minute, n)
SELECT agent, 'calls', '', received_at / 60000000000, count(*) FROM calls GROUP BY agent, received_at / 60000000000
UNION ALL
SELECT agent, 'denied', '', received_at / 60000000000, count(*) FROM calls WHERE state = 'denied' GROUP BY agent, received_at / 60000000000
UNION ALL
SELECT agent, 'same', tool || ' ' || arguments, received_at / 60000000000, count(*) FROM calls WHERE arguments <> ''
  GROUP BY agent, tool, arguments, received_at / 60000000000;
