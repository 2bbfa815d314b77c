-- +goose Up

-- Part of the projection: how long the entry of a call's receipt is, 0 where it
-- was erased, and the counter "bytes" of an agent, by hours: its minute is the
-- first one of the hour.
ALTER TABLE calls ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;

UPDATE calls SET bytes = coalesce((SELECT length(c.entry) FROM leaves l JOIN contents c ON c.idx = l.idx WHERE l.call_id = calls.call_id AND l.number = 0), 0);

INSERT INTO counters (agent, name, part, minute, n)
SELECT agent, 'bytes', '', received_at / 3600000000000 * 60, sum(bytes) FROM calls WHERE bytes > 0 GROUP BY agent, received_at / 3600000000000 * 60;
