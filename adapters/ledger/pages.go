package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"math"
)

// pageSize is how many rows are read at once: a connection to PostgreSQL answers
// one question after the other.
const pageSize = 4096

// row is a leaf or a node as the database has it.
type row struct {
	index int64
	value []byte
}

// rows reads a table in the order of its index.
type rows struct {
	tx   *sql.Tx
	text string
	last int64
	page []row
}

func newRows(tx *sql.Tx, text string) *rows { return &rows{tx: tx, text: text, last: math.MinInt64} }

// next is the next row. At the end there is none.
func (r *rows) next(ctx context.Context) (row, bool, error) {
	if len(r.page) == 0 {
		err := each(ctx, r.tx, func(s *sql.Rows) error {
			var one row
			err := s.Scan(&one.index, &one.value)
			r.page = append(r.page, one)
			return err
		}, r.text, r.last, pageSize)
		if err != nil || len(r.page) == 0 {
			return row{}, false, err
		}
	}
	one := r.page[0]
	r.page, r.last = r.page[1:], one.index
	return one, true, nil
}

// each calls f for each row that is left.
func (r *rows) each(ctx context.Context, f func(row) error) error {
	for {
		one, ok, err := r.next(ctx)
		if err != nil || !ok {
			return err
		}
		if err := f(one); err != nil {
			return err
		}
	}
}

// stored is one step of a call as the database has it.
type stored struct {
	index   int64
	callID  string
	number  int
	kind    string
	key     string
	leaf    []byte
	content []byte // nil when it is erased, or missing
	packed  []byte // as the store has it
	there   bool   // it is not missing
}

func (s stored) where() string { return fmt.Sprintf("leaf %d", s.index) }

// eachStep goes through the log call by call.
func eachStep(ctx context.Context, db queryer, visit func(stored) error) error {
	for last := (stored{number: -1}); ; {
		steps, err := stepsAfter(ctx, db, last)
		if err != nil || len(steps) == 0 {
			return err
		}
		for _, s := range steps {
			if err := visit(s); err != nil {
				return err
			}
		}
		last = steps[len(steps)-1]
	}
}

// stepsAfter are the next ones after one, by call.
func stepsAfter(ctx context.Context, db queryer, last stored) (steps []stored, err error) {
	err = each(ctx, db, func(rows *sql.Rows) error {
		var s stored
		var receipt []byte
		err := rows.Scan(&s.index, &s.callID, &s.number, &s.kind, &s.key, &s.leaf, &s.there, &s.packed, &receipt)
		s.content = unpack(s.packed, receipt)
		steps = append(steps, s)
		return err
	}, sqlStepsAfter, last.callID, last.number, pageSize)
	return steps, err
}
