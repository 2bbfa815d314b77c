package ledger

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport"
)

// All SQL is in this file and in the schema. Placeholders are $1, $2 and so
// on, which SQLite and PostgreSQL both take.

// Where the two differ, there are two statements.

const (
	sqlSchema = `SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema ORDER BY type, name`
	sqlBegin  = `BEGIN IMMEDIATE`
	sqlCommit = `COMMIT`

	sqlSchemaVersion  = `SELECT max(version_id) FROM goose_db_version`
	sqlAdoptFollowers = `CREATE TABLE IF NOT EXISTS followers (
  name     TEXT    PRIMARY KEY,
  position INTEGER NOT NULL CHECK (position >= 0) -- of the leaf to be read next
) STRICT, WITHOUT ROWID`

	// Only one transaction at a time holds the head's lock in PostgreSQL.
	sqlBeginPostgres = `BEGIN`
	sqlLockHead      = `SELECT size FROM head WHERE id = 1 FOR UPDATE`
	sqlSavepoint     = `SAVEPOINT probe`
	sqlTakeBack      = `ROLLBACK TO SAVEPOINT probe`
	sqlProbePostgres = `UPDATE head SET size = size WHERE id = 1`

	sqlHead           = `SELECT size, hash, checkpoints FROM head WHERE id = 1`
	sqlSetHead        = `UPDATE head SET size = $1, hash = $2 WHERE id = 1`
	sqlMoveHead       = `UPDATE head SET size = size + $1 WHERE id = 1`
	sqlSetCheckpoints = `UPDATE head SET checkpoints = $1 WHERE id = 1`

	sqlNode          = `SELECT hash FROM nodes WHERE idx = $1`
	sqlAddNode       = `INSERT INTO nodes (idx, hash) VALUES ($1, $2)`
	sqlAddLeaf       = `INSERT INTO leaves (idx, call_id, number, kind, key, leaf) VALUES ($1, $2, $3, $4, $5, $6)`
	sqlCheckpoint    = `SELECT note FROM checkpoints WHERE seq = $1`
	sqlAddCheckpoint = `INSERT INTO checkpoints (seq, size, note) VALUES ($1, $2, $3)`

	sqlSalt  = `SELECT salt FROM salts WHERE call_id = $1`
	sqlKnown = `SELECT s.salt, c.record, coalesce(c.arguments, ''), coalesce(c.bytes, 0), f.record FROM salts s
		LEFT JOIN calls c ON c.call_id = s.call_id LEFT JOIN freezes f ON f.id = s.call_id WHERE s.call_id = $1`
	sqlAddSalt    = `INSERT INTO salts (call_id, salt) VALUES ($1, $2)`
	sqlAddContent = `INSERT INTO contents (idx, entry) VALUES ($1, $2)`
	sqlStored     = `SELECT l.idx, l.number, l.leaf, ` + sqlEntry + ` FROM leaves l LEFT JOIN contents c ON c.idx = l.idx
		WHERE l.call_id = $1 AND l.kind = $2 AND l.key = $3`

	sqlEntries = `SELECT entries FROM calls WHERE call_id = $1`
	sqlAddCall = `INSERT INTO calls (call_id, state, final, agent, tool, namespace, arguments, received_at, updated_at, entries, record, bytes)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`
	sqlSetCall = `UPDATE calls SET state = $2, final = $3, namespace = $4, updated_at = $5, entries = $6, record = $7
		WHERE call_id = $1`
	sqlAddTerm = `INSERT INTO terms (term, received_at, call_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	sqlCount   = `INSERT INTO counters (agent, name, part, minute, n) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (agent, name, part, minute) DO UPDATE SET n = counters.n + excluded.n`
	sqlDropCounter = `DELETE FROM counters WHERE agent = $1 AND name = $2 AND part = $3 AND minute = $4 AND n = 0`
	sqlSweepable   = `SELECT call_id FROM calls WHERE final = 0 AND updated_at > $1 AND updated_at < $2 AND record IS NOT NULL ORDER BY updated_at, call_id LIMIT $3`
	// sqlSame finds by a term, received since, ended since or open, but not in a state.
	sqlSame = `SELECT c.call_id FROM terms t JOIN calls c ON c.call_id = t.call_id
		WHERE t.term = $1 AND t.received_at > $2 AND c.record IS NOT NULL AND (c.final = 0 OR c.updated_at > $3 AND c.state <> $4)
		ORDER BY t.received_at DESC, t.call_id DESC LIMIT 1`

	sqlAddFreeze  = `INSERT INTO freezes (id, agent, tool, namespace, lifted, at, record) VALUES ($1, $2, $3, $4, $5, $6, $7)`
	sqlLiftFreeze = `UPDATE freezes SET lifted = 1, record = $2 WHERE id = $1`
	sqlHeld       = `SELECT record FROM freezes WHERE lifted = 0 ORDER BY at, id`
	sqlFreeze     = `SELECT record FROM freezes WHERE id = $1`
	sqlFrozen     = `SELECT record FROM freezes WHERE lifted = 0 AND agent IN ('', $1) AND tool IN ('', $2)
		AND (CAST($3 AS TEXT) IS NULL OR lower(namespace) IN ('', lower(CAST($3 AS TEXT)))) ORDER BY at, id LIMIT 1`
	sqlStopped = `SELECT record FROM calls WHERE final = 0 AND record IS NOT NULL AND $1 IN ('', agent) AND $2 IN ('', tool)
		AND lower(CAST($3 AS TEXT)) IN ('', lower(namespace)) ORDER BY updated_at, call_id LIMIT $4`
	sqlReceivedBetween = `SELECT count(*), min(received_at) FROM calls WHERE agent = $1 AND received_at > $2 AND received_at < $3`
	sqlAtWork          = `SELECT count(CASE WHEN state <> 'awaiting_approval' THEN 1 END), count(CASE WHEN state = 'running' THEN 1 END),
		count(CASE WHEN state = 'awaiting_approval' THEN 1 END) FROM calls WHERE agent = $1 AND final = 0`
	sqlBytesSince = `SELECT CAST(coalesce(sum(n), 0) AS bigint) FROM counters WHERE agent = $1 AND name = 'bytes' AND part = '' AND minute >= $2`
	sqlTaken      = `SELECT count(*) FROM calls WHERE state IN ('pending', 'running')`

	// For erasing. What these do in SQLite, a function does in PostgreSQL.
	sqlEraseContents = `UPDATE contents SET entry = NULL WHERE idx IN (SELECT idx FROM leaves WHERE call_id = $1 AND kind <> 'erasure')`
	sqlEraseSalt     = `UPDATE salts SET salt = $2 WHERE call_id = $1`
	sqlEraseTerms    = `DELETE FROM terms WHERE call_id = $1`
	sqlEraseCall     = `UPDATE calls SET record = NULL, arguments = '', bytes = 0, agent = $2, tool = '', namespace = '', received_at = $3, updated_at = $4, entries = $5
		WHERE call_id = $1`
	sqlLeafOfKind    = `SELECT leaf FROM leaves WHERE call_id = $1 AND kind = $2 ORDER BY number DESC LIMIT 1`
	sqlTruncateLog   = `PRAGMA wal_checkpoint(TRUNCATE)`
	sqlErasePostgres = `SELECT erase_contents($1, $2)`

	// What the eraser's role reads of calls.
	sqlExpired = `SELECT call_id FROM calls c WHERE final = 1 AND updated_at < $1
		AND NOT EXISTS (SELECT 1 FROM leaves l WHERE l.call_id = c.call_id AND l.kind = 'erasure') ORDER BY updated_at, call_id`
	sqlErasable = `SELECT c.final, coalesce((SELECT l.idx FROM leaves l WHERE l.call_id = c.call_id AND l.kind = 'erasure'), -1),
		(SELECT count(*) FROM erasures e WHERE e.call_id = c.call_id) FROM calls c WHERE c.call_id = $1`

	// Requests to erase, which there are in PostgreSQL alone.
	sqlAskErasure  = `INSERT INTO erasures (call_id, reason) VALUES ($1, $2) ON CONFLICT DO NOTHING`
	sqlErasures    = `SELECT call_id, reason, asked_by FROM erasures ORDER BY asked_at, call_id LIMIT $1`
	sqlDropErasure = `DELETE FROM erasures WHERE call_id = $1`

	// For Rebuild.
	sqlClearTerms    = `DELETE FROM terms`
	sqlClearCalls    = `DELETE FROM calls`
	sqlClearFreezes  = `DELETE FROM freezes`
	sqlClearCounters = `DELETE FROM counters`
	sqlSetCounters   = `INSERT INTO counters (agent, name, part, minute, n) ` + sqlCounted

	// For auditors.
	sqlUnended = `SELECT call_id FROM leaves r WHERE kind = 'received'
		AND NOT EXISTS (SELECT 1 FROM leaves o WHERE o.call_id = r.call_id AND o.kind = 'outcome') ORDER BY call_id`
	sqlHasLeaves = `SELECT count(*) FROM leaves WHERE call_id = $1`
	sqlExport    = `SELECT l.idx, l.leaf, ` + sqlEntry + ` FROM leaves l LEFT JOIN contents c ON c.idx = l.idx WHERE l.idx >= $1 ORDER BY l.idx LIMIT $2`

	// For proofs.
	sqlLastCheckpoint = `SELECT seq, note FROM checkpoints ORDER BY seq DESC LIMIT 1`
	sqlLeavesOf       = `SELECT l.idx, l.leaf, ` + sqlEntry + ` FROM leaves l LEFT JOIN contents c ON c.idx = l.idx WHERE l.call_id = $1 ORDER BY l.number`

	// For followers of the log.
	sqlPosition = `SELECT position FROM followers WHERE name = $1`
	sqlAdvance  = `INSERT INTO followers (name, position) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET position = excluded.position WHERE position < excluded.position`
	sqlAsked = `SELECT idx, call_id, number FROM leaves l WHERE idx >= $1 AND idx < $2 AND kind IN ('ballot', 'start', 'outcome')
		AND EXISTS (SELECT 1 FROM leaves b WHERE b.call_id = l.call_id AND b.kind = 'ballot' AND b.idx <= l.idx) ORDER BY idx`
	sqlStory = `SELECT ` + sqlEntry + ` FROM leaves l LEFT JOIN contents c ON c.idx = l.idx
		WHERE l.call_id = $1 AND l.number <= $2 ORDER BY l.number`

	// For Verify, in the order in which it reads.
	sqlIntegrity      = `PRAGMA integrity_check(20)`
	sqlLeavesAfter    = `SELECT idx, leaf FROM leaves WHERE idx > $1 ORDER BY idx LIMIT $2`
	sqlNodesAfter     = `SELECT idx, hash FROM nodes WHERE idx > $1 ORDER BY idx LIMIT $2`
	sqlAllCheckpoints = `SELECT seq, size, note FROM checkpoints ORDER BY seq`
	sqlStepsAfter     = `SELECT l.idx, l.call_id, l.number, l.kind, l.key, l.leaf, c.idx IS NOT NULL, ` + sqlEntry + `
		FROM leaves l LEFT JOIN contents c ON c.idx = l.idx WHERE (l.call_id, l.number) > ($1, $2) ORDER BY l.call_id, l.number LIMIT $3`
	sqlCallRow = `SELECT state, final, agent, tool, namespace, arguments, received_at, updated_at, entries, record, bytes
		FROM calls WHERE call_id = $1`
	sqlStrayContents = `SELECT idx FROM contents WHERE idx NOT IN (SELECT idx FROM leaves) ORDER BY idx`
	sqlStraySalts    = `SELECT call_id FROM salts WHERE call_id NOT IN (SELECT call_id FROM leaves) ORDER BY call_id`
	sqlFreezeRow     = `SELECT agent, tool, namespace, lifted, at, record FROM freezes WHERE id = $1`
	sqlStrayFreezes  = `SELECT id FROM freezes WHERE id NOT IN (SELECT call_id FROM leaves) ORDER BY id`
	sqlCallTerms     = `SELECT term, received_at FROM terms WHERE call_id = $1 ORDER BY term`
	sqlStrayTerms    = `SELECT DISTINCT call_id FROM terms WHERE call_id NOT IN (SELECT call_id FROM calls WHERE record IS NOT NULL) ORDER BY call_id`
	sqlMiscounted    = `SELECT agent, name, minute FROM (SELECT agent, name, part, minute, n FROM counters EXCEPT SELECT * FROM (` + sqlCounted + `) a) b
		UNION SELECT agent, name, minute FROM (SELECT * FROM (` + sqlCounted + `) c EXCEPT SELECT agent, name, part, minute, n FROM counters) d ORDER BY agent, name, minute`
	sqlStrayCalls = `SELECT call_id FROM calls WHERE call_id NOT IN (SELECT call_id FROM leaves) ORDER BY call_id`
)

// sqlEntry is an entry of the leaf l as the store has it, and what unpack takes
// besides.
const sqlEntry = `c.entry, CASE WHEN l.kind = 'intent' THEN
	(SELECT s.entry FROM leaves f JOIN contents s ON s.idx = f.idx WHERE f.call_id = l.call_id AND f.number = 0) END`

// sqlCounted is what the counters are of the calls that there are.
const sqlCounted = `SELECT agent, 'calls' AS name, '' AS part, received_at / 60000000000 AS minute, count(*) AS n FROM calls GROUP BY agent, received_at / 60000000000
	UNION ALL SELECT agent, 'denied', '', received_at / 60000000000, count(*) FROM calls WHERE state = 'denied' GROUP BY agent, received_at / 60000000000
	UNION ALL SELECT agent, 'bytes', '', received_at / 3600000000000 * 60, CAST(sum(bytes) AS bigint) FROM calls WHERE bytes > 0 GROUP BY agent, received_at / 3600000000000 * 60
	UNION ALL SELECT agent, 'same', tool || ' ' || arguments, received_at / 60000000000, count(*) FROM calls WHERE arguments <> ''
		GROUP BY agent, tool, arguments, received_at / 60000000000`

// sqlHistory counts the calls of the agent $1 but $2, exactly: since $3, and since
// $4 all, those of the tool $5 with the arguments $6, and the denied ones. What
// it adds up are the counters of the minutes after those of $3 and $4, the calls
// of these two minutes one by one, and the call $2 itself, less.
const sqlHistory = `SELECT CAST(coalesce(sum(recent), 0) AS bigint), CAST(coalesce(sum(calls), 0) AS bigint),
	CAST(coalesce(sum(same), 0) AS bigint), CAST(coalesce(sum(denied), 0) AS bigint) FROM (
	SELECT sum(CASE WHEN name = 'calls' AND minute > CAST($3 AS bigint) / 60000000000 THEN n ELSE 0 END) AS recent,
		sum(CASE WHEN name = 'calls' THEN n ELSE 0 END) AS calls, 0 AS same, sum(CASE WHEN name = 'denied' THEN n ELSE 0 END) AS denied
		FROM counters WHERE agent = $1 AND name IN ('calls', 'denied') AND part = '' AND minute > CAST($4 AS bigint) / 60000000000
	UNION ALL SELECT 0, 0, sum(n), 0
		FROM counters WHERE agent = $1 AND name = 'same' AND part = CAST($5 AS TEXT) || ' ' || CAST($6 AS TEXT) AND minute > CAST($4 AS bigint) / 60000000000
	UNION ALL SELECT 0, count(*), count(CASE WHEN tool = $5 AND arguments = $6 THEN 1 END), count(CASE WHEN state = 'denied' THEN 1 END)
		FROM calls WHERE agent = $1 AND received_at >= $4 AND received_at < (CAST($4 AS bigint) / 60000000000 + 1) * 60000000000
	UNION ALL SELECT count(*), 0, 0, 0
		FROM calls WHERE agent = $1 AND received_at >= $3 AND received_at < (CAST($3 AS bigint) / 60000000000 + 1) * 60000000000
	UNION ALL SELECT -count(CASE WHEN received_at >= $3 THEN 1 END), -count(*), -count(CASE WHEN tool = $5 AND arguments = $6 THEN 1 END),
		-count(CASE WHEN state = 'denied' THEN 1 END)
		FROM calls WHERE call_id = $2 AND agent = $1 AND received_at >= $4) h`

// selectCalls is the statement of a query for calls, newest first, and its
// arguments. It asks for one row more than the limit, to know of a next page.
func selectCalls(q sallyport.Query, after *cursor, limit int) (string, []any) {
	var s selection
	s.and("c.record IS NOT NULL") // it is where a call was erased
	from, order := "calls c", "c"
	for i, term := range q.Terms() {
		if i == 0 { // the join has the index's order: terms come first
			from, order = "terms t CROSS JOIN calls c", "t"
			s.and("c.call_id = t.call_id AND t.term = $", term)
			continue
		}
		// A subquery with a limit is looked up call by call, and not made a join
		// that reads all calls of a frequent term.
		s.and("(SELECT 1 FROM terms o WHERE o.term = $ AND o.received_at = t.received_at AND o.call_id = t.call_id LIMIT 1) = 1", term)
	}
	states, newer, direction := make([]string, len(q.States)), "<", " DESC"
	for i, state := range q.States {
		states[i] = string(state)
	}
	if q.Voter != nil {
		states, newer, direction = append(states, string(sallyport.StateAwaitingApproval)), ">", ""
	}
	for _, column := range []struct {
		name   string
		values []string
	}{{"state", states}, {"agent", nonEmpty(q.Agent)}, {"tool", nonEmpty(q.Tool)}, {"namespace", nonEmpty(q.Namespace)}} {
		s.andOne(order, column.name, column.values)
	}
	if q.ID != "" {
		s.and("c.call_id = $", q.ID)
	}
	if !q.Since.IsZero() {
		s.and(order+".received_at >= $", nanos(q.Since))
	}
	if !q.Before.IsZero() {
		s.and(order+".received_at < $", nanos(q.Before))
	}
	if after != nil {
		s.and("("+order+".received_at, "+order+".call_id) "+newer+" ($, $)", after.receivedAt, after.callID)
	}
	s.args = append(s.args, limit+1)
	return "SELECT c.record FROM " + from + " WHERE " + strings.Join(s.where, " AND ") +
		" ORDER BY " + order + ".received_at" + direction + ", " + order + ".call_id" + direction + " LIMIT $" + strconv.Itoa(len(s.args)), s.args
}

// nanos is t for an SQL column: nanoseconds since 1970. A time that these
// can't hold becomes the nearest one that they can.
func nanos(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	default:
		return t.UnixNano()
	}
}

// selectNodes is the statement that reads some nodes.
func selectNodes(n int) string {
	places := make([]string, n)
	for i := range places {
		places[i] = "$" + strconv.Itoa(i+1)
	}
	return "SELECT idx, hash FROM nodes WHERE idx IN (" + strings.Join(places, ", ") + ")"
}

func nonEmpty(value string) []string {
	if value == "" {
		return nil
	}
	return []string{sallyport.Searchable(value)}
}

// andOne adds that a column of the call has one of some values. Where terms lead,
// that is asked of the column's index, so that only rows are read that are found;
// the two comparisons of the id keep planners from asking the one of ids.
func (s *selection) andOne(order, column string, values []string) {
	if len(values) == 0 {
		return
	}
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	in := column + " IN ($" + strings.Repeat(", $", len(values)-1) + ")"
	if order == "c" {
		s.and("c."+in, args...)
		return
	}
	s.and("(SELECT 1 FROM calls o WHERE o."+in+" AND o.received_at = t.received_at AND o.call_id >= t.call_id AND o.call_id <= t.call_id LIMIT 1) = 1", args...)
}

// selection is what a statement selects.
type selection struct {
	where []string
	args  []any
}

// and adds a condition. Each $ in it stands for the next of its arguments.
func (s *selection) and(condition string, args ...any) {
	parts := strings.Split(condition, "$")
	var b strings.Builder
	b.WriteString(parts[0])
	for i, part := range parts[1:] {
		b.WriteString("$" + strconv.Itoa(len(s.args)+i+1) + part)
	}
	s.where, s.args = append(s.where, b.String()), append(s.args, args...)
}

// sqlSchemaPostgres lists what the ledger's schema consists of. It names things
// as they are stored, and has no text in it that a version of PostgreSQL words
// anew, but the functions' own.
const sqlSchemaPostgres = `
WITH ours AS (SELECT oid FROM pg_namespace WHERE nspname = current_schema()),
     tables AS (SELECT c.oid, c.relname, c.relkind, c.relrowsecurity, c.relispartition FROM pg_class c JOIN ours ON c.relnamespace = ours.oid)
SELECT 'relation ' || relname, relkind::text || ' ' || relrowsecurity || ' ' || relispartition FROM tables
UNION ALL
SELECT 'column ' || t.relname || '.' || a.attname, a.attnum || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull || ' ' || a.atthasdef
  FROM pg_attribute a JOIN tables t ON a.attrelid = t.oid WHERE a.attnum > 0 AND NOT a.attisdropped AND t.relkind = 'r'
UNION ALL
SELECT 'constraint ' || t.relname || '.' || k.conname, k.contype::text || ' ' || coalesce(k.conkey::text, '') || ' ' || k.convalidated
  FROM pg_constraint k JOIN tables t ON k.conrelid = t.oid WHERE k.contype <> 'n'
UNION ALL
SELECT 'index ' || t.relname, i.indkey::text || ' ' || i.indisunique || ' ' || i.indisvalid || ' ' || (i.indpred IS NOT NULL)
  FROM pg_index i JOIN tables t ON i.indexrelid = t.oid
UNION ALL
SELECT 'trigger ' || t.relname || '.' || g.tgname, p.proname || ' ' || g.tgtype || ' ' || g.tgenabled::text
  FROM pg_trigger g JOIN tables t ON g.tgrelid = t.oid JOIN pg_proc p ON p.oid = g.tgfoid WHERE NOT g.tgisinternal
UNION ALL
SELECT 'rule ' || t.relname || '.' || r.rulename, r.ev_type::text || ' ' || r.ev_enabled::text FROM pg_rewrite r JOIN tables t ON r.ev_class = t.oid
UNION ALL
SELECT 'policy ' || t.relname || '.' || y.polname, y.polcmd::text FROM pg_policy y JOIN tables t ON y.polrelid = t.oid
UNION ALL
SELECT 'function ' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', md5(p.prosrc) || CASE WHEN p.prosecdef
    THEN ' as its owner ' || replace(coalesce(p.proconfig::text, ''), quote_ident(current_schema()), 'schema') ELSE '' END FROM pg_proc p JOIN ours ON p.pronamespace = ours.oid
UNION ALL
SELECT 'event trigger ' || evtname, evtevent || ' ' || evtenabled::text FROM pg_event_trigger`

const sqlCurrentSchema = `SELECT current_schema()`
