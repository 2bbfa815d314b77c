package ledger

import (
	"math"
	"time"
)

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
