package ledger_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/sallyporttest"
)

// frozenAt is later than what the stories of calls tell.
func frozenAt() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// freezing is a freeze as it is recorded, and its end.
func freezing(n byte, f sallyport.Freeze) (freeze, lift sallyport.Entry) {
	f.ID = sallyport.CallID([16]byte{0xff, n})
	f.By, f.Reason, f.At = "olga", "it loops", frozenAt()
	freeze = sallyport.Entry{CallID: f.ID, Kind: sallyport.EntryFreeze, At: f.At, Freeze: &f}
	lift = sallyport.Entry{CallID: f.ID, Kind: sallyport.EntryLift, At: f.At, Lift: &sallyport.Lift{By: "olga", At: f.At}}
	return freeze, lift
}

// TestFreezes: what a freeze stops goes no further, until it is lifted.
func TestFreezes(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		for name, tt := range map[string]struct {
			reason string
			freeze sallyport.Freeze
			stops  bool
		}{
			"Everything":     {"nothing is named", sallyport.Freeze{}, true},
			"Agent":          {"it is this agent's", sallyport.Freeze{Agent: "deploy-bot"}, true},
			"OtherAgent":     {"it is another's", sallyport.Freeze{Agent: "triage-bot"}, false},
			"Tool":           {"it is of this tool", sallyport.Freeze{Tool: "gitops_scale_deployment"}, true},
			"OtherTool":      {"it is of another", sallyport.Freeze{Tool: "gitops_set_image"}, false},
			"Namespace":      {"the intent says where", sallyport.Freeze{Namespace: "production"}, true},
			"OtherCase":      {"upper and lower case of a namespace are one", sallyport.Freeze{Namespace: "Production"}, true},
			"OtherNamespace": {"it is elsewhere", sallyport.Freeze{Namespace: "staging"}, false},
			"Both":           {"it is of both", sallyport.Freeze{Agent: "deploy-bot", Namespace: "production"}, true},
			"OneOfTwo":       {"it is of one of them only", sallyport.Freeze{Agent: "triage-bot", Namespace: "production"}, false},
		} {
			t.Run(name, func(t *testing.T) { testFreeze(t, newPlace(t), tt.freeze, tt.stops, tt.reason) })
		}
	})
}

func testFreeze(t *testing.T, p place, f sallyport.Freeze, stops bool, reason string) {
	l := p.open(t)
	freeze, lift := freezing(1, f)
	asked, starting := sallyporttest.Approved(1), sallyporttest.Approved(2)
	mustRecord(t, l, asked[:3]...)    // up to the decision
	mustRecord(t, l, starting[:6]...) // up to the votes
	mustRecord(t, l, freeze)
	mustClose(t, l)
	l = p.open(t) // it is still there
	for _, e := range []sallyport.Entry{asked[3], starting[6]} {
		if _, err := l.Record(t.Context(), e); (sallyport.KindOf(err) == sallyport.Frozen) != stops {
			t.Errorf("%s: %v, want it stopped: %t, because %s", e.Kind, err, stops, reason)
		}
	}
	if found, err := l.Frozen(t.Context(), *asked[1].Intent); err != nil || (found != nil) != stops {
		t.Errorf("Frozen = %v, %v", found, err)
	}
	if open, err := l.Stopped(t.Context(), *freeze.Freeze, 10); err != nil || (len(open) == 2) != stops {
		t.Errorf("%d calls are to be stopped, %v", len(open), err)
	}
	held, err := l.Held(t.Context())
	want := []sallyport.FreezeRecord{{Entries: 1, Freeze: *freeze.Freeze}}
	if d := cmp.Diff(want, held); d != "" || err != nil {
		t.Errorf("%v; what holds (-want +got)\n%s", err, d)
	}
	mustRecord(t, l, lift)
	if stops {
		mustRecord(t, l, asked[3], starting[6])
	}
	if held, err := l.Held(t.Context()); len(held) > 0 || err != nil {
		t.Errorf("after it was lifted: %v, %v", held, err)
	}
	if r, err := l.Freeze(t.Context(), freeze.CallID); err != nil || r.Lift == nil {
		t.Errorf("the freeze is %+v, %v", r, err)
	}
	again := lift
	again.Key = "again"
	if _, err := l.Record(t.Context(), again); sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("a second lift: %v", err)
	}
	mustClose(t, l)
	if r := p.mustVerify(t); r.Freezes != 1 || r.Calls != 2 {
		t.Errorf("%d freezes and %d calls", r.Freezes, r.Calls)
	}
}

// TestFreezeWithoutIntent: a freeze of a namespace stops a call without an
// intent, because it may act there.
func TestFreezeWithoutIntent(t *testing.T) {
	l := newPlace(t).open(t)
	freeze, _ := freezing(1, sallyport.Freeze{Namespace: "production"})
	story := sallyporttest.Approved(1)
	start := story[6]
	s := *start.Start
	s.Ballot, s.People = "", nil
	start.Start = &s
	mustRecord(t, l, freeze, story[0])
	if _, err := l.Record(t.Context(), start); sallyport.KindOf(err) != sallyport.Frozen {
		t.Errorf("error %v; want it frozen", err)
	}
}

// TestFreezeIsNoCall: a freeze's id is no call's, and the other way round.
func TestFreezeIsNoCall(t *testing.T) {
	l := newPlace(t).open(t)
	freeze, lift := freezing(1, sallyport.Freeze{})
	received := sallyporttest.Approved(1)[0]
	mustRecord(t, l, received)
	ofCall := freeze
	f := *freeze.Freeze
	ofCall.CallID, f.ID = received.CallID, received.CallID
	ofCall.Freeze = &f
	for reason, e := range map[string]sallyport.Entry{"there is such a call": ofCall, "there is no such freeze": lift} {
		if _, err := l.Record(t.Context(), e); err == nil {
			t.Errorf("a %s was recorded: %s", e.Kind, reason)
		}
	}
	mustRecord(t, l, freeze)
	call := *received.Call
	call.ID = freeze.CallID
	received.CallID, received.Call = call.ID, &call
	if _, err := l.Record(t.Context(), received); sallyport.KindOf(err) != sallyport.Conflict {
		t.Errorf("a call with a freeze's id: %v", err)
	}
}

// TestFreezeRacesStarts lets a freeze race 64 starts in two processes' ledgers:
// none comes after it.
func TestFreezeRacesStarts(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		const starts = 64
		p := newPlace(t)
		ledgers := []*ledger.Ledger{p.open(t), p.open(t)}
		stories := make([][]sallyport.Entry, starts)
		for n := range stories {
			stories[n] = sallyporttest.Approved(n)
			mustRecord(t, ledgers[n%2], stories[n][:6]...)
		}
		freeze, _ := freezing(1, sallyport.Freeze{Agent: "deploy-bot"})
		var at int64
		started := make([]int64, starts)
		var racing sync.WaitGroup
		for n, story := range stories {
			racing.Go(func() {
				r, err := ledgers[n%2].Record(context.Background(), story[6])
				switch {
				case err == nil:
					started[n] = r.Index
				case sallyport.KindOf(err) != sallyport.Frozen:
					t.Errorf("start %d: %v", n, err)
				}
			})
			if n == starts/2 {
				racing.Go(func() {
					r, err := ledgers[1].Record(context.Background(), freeze)
					if err != nil {
						t.Error(err)
					}
					at = r.Index
				})
			}
		}
		racing.Wait()
		if last := slices.Max(started); last > at {
			t.Errorf("a call started at leaf %d, after the freeze at %d", last, at)
		}
		if _, err := ledgers[0].Record(t.Context(), stories[0][6]); started[0] == 0 && sallyport.KindOf(err) != sallyport.Frozen {
			t.Errorf("later: %v", err)
		}
		mustClose(t, ledgers[0])
		mustClose(t, ledgers[1])
		p.mustVerify(t)
	})
}

// TestLimits: the ledger counts an agent's calls, whichever process records
// them.
func TestLimits(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		t.Run("CallsPerMinute", func(t *testing.T) { testCallsPerMinute(t, newPlace(t)) })
		t.Run("Running", func(t *testing.T) { testRunning(t, newPlace(t)) })
		t.Run("Waiting", func(t *testing.T) { testWaiting(t, newPlace(t)) })
		t.Run("BytesPerDay", func(t *testing.T) { testBytesPerDay(t, newPlace(t)) })
		t.Run("Together", func(t *testing.T) { testLimitsTogether(t, newPlace(t)) })
	})
}

func (p place) limited(t *testing.T, limits sallyport.Limits) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), ledger.Options{
		Database: p.database(), Signer: p.key, Limits: func(agent string) sallyport.Limits {
			if agent == "deploy-bot" {
				return limits
			}
			return sallyport.Limits{}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, l) })
	return l
}

func mustBeRefused(t *testing.T, l *ledger.Ledger, e sallyport.Entry, code string) time.Duration {
	t.Helper()
	_, err := l.Record(t.Context(), e)
	refusal, ok := errors.AsType[*sallyport.Error](err)
	if !ok || refusal.Code != code || refusal.RetryAfter <= 0 {
		t.Fatalf("error %v; want one with code %s that says when to try again", err, code)
	}
	return refusal.RetryAfter
}

func testCallsPerMinute(t *testing.T, p place) {
	l, other := p.limited(t, sallyport.Limits{CallsPerMinute: 3}), p.limited(t, sallyport.Limits{CallsPerMinute: 3})
	received := func(n int) sallyport.Entry { return sallyporttest.Approved(n)[0] } // n seconds after noon, or so
	mustRecord(t, l, received(0), received(10))
	mustRecord(t, other, received(20))
	if after := mustBeRefused(t, l, received(30), "rate_limited"); after != 30*time.Second {
		t.Errorf("try again after %s, want 30s: then the first is a minute old", after)
	}
	mustBeRefused(t, other, received(59), "rate_limited")
	mustRecord(t, l, received(10))                                // it was received before
	mustBeRefused(t, l, received(-30), "rate_limited")            // a clock that went back a little
	mustRecord(t, l, received(-7200))                             // and one that went back far is not locked out
	mustRecord(t, l, received(61), sallyporttest.Approved(10)[1]) // a minute after the first
	triage := received(31)
	call := *triage.Call
	call.AgentID = "triage-bot"
	triage.Call = &call
	mustRecord(t, l, triage) // others have no such limit
}

func testRunning(t *testing.T, p place) {
	l := p.limited(t, sallyport.Limits{Running: 2})
	stories := [][]sallyport.Entry{sallyporttest.Approved(0), sallyporttest.Approved(1), sallyporttest.Approved(2)}
	mustRecord(t, l, stories[0][:6]...) // those that wait for people are not at work
	mustRecord(t, l, stories[1][:7]...)
	mustRecord(t, l, stories[2][0])
	mustBeRefused(t, l, sallyporttest.Approved(3)[0], "too_many_running")
	mustRecord(t, l, stories[2][1:7]...)
	mustBeRefused(t, l, stories[0][6], "too_many_running")
	mustRecord(t, l, stories[1][7], stories[0][6])
	if r, err := l.Record(t.Context(), stories[2][6]); err != nil || !r.Repeated {
		t.Errorf("a start that is there: %v", err)
	}
}

func testWaiting(t *testing.T, p place) {
	l := p.limited(t, sallyport.Limits{Waiting: 2})
	first, second := sallyporttest.Approved(0), sallyporttest.Approved(1)
	mustRecord(t, l, first[:6]...)
	mustRecord(t, l, second[:4]...)
	mustBeRefused(t, l, sallyporttest.Approved(2)[0], "too_many_waiting")
	mustRecord(t, l, first[6]) // an approval is not lost by it
	mustRecord(t, l, sallyporttest.Approved(2)[0], first[7])
	if r, err := l.Record(t.Context(), second[0]); err != nil || !r.Repeated {
		t.Errorf("a call that is there: %v", err)
	}
	p.mustVerify(t)
}

func testBytesPerDay(t *testing.T, p place) {
	at := time.Date(2026, 11, 21, 22, 10, 0, 0, time.UTC)
	long := `{"manifest":"` + strings.Repeat("x", 10_000) + `"}`
	l, other := p.limited(t, sallyport.Limits{BytesPerDay: 25_000}), p.limited(t, sallyport.Limits{BytesPerDay: 25_000})
	mustRecord(t, l, received(1, "deploy-bot", long, at))
	mustRecord(t, other, received(2, "deploy-bot", long, at.Add(30*time.Minute)))
	if after := mustBeRefused(t, l, received(3, "deploy-bot", long, at.Add(40*time.Minute)), "too_many_bytes"); after != 10*time.Minute {
		t.Errorf("try again after %s, want 10m: a new hour begins then", after)
	}
	mustRecord(t, l, received(4, "deploy-bot", `{}`, at.Add(41*time.Minute)))                                                       // what is left suffices
	mustRecord(t, l, received(5, "triage-bot", long, at), received(6, "triage-bot", long, at), received(1, "deploy-bot", long, at)) // others, and what is there
	mustBeRefused(t, other, received(7, "deploy-bot", long, at.Add(23*time.Hour)), "too_many_bytes")
	mustRecord(t, l, received(8, "deploy-bot", long, at.Add(24*time.Hour)))
	if n := p.mustVerify(t).Calls; n != 6 {
		t.Errorf("%d calls are recorded, want 6: refusals leave nothing", n)
	}
}

// testLimitsTogether lets callers in two processes' ledgers race for what is
// left.
func testLimitsTogether(t *testing.T, p place) {
	const limit = 10
	ledgers := []*ledger.Ledger{p.limited(t, sallyport.Limits{CallsPerMinute: limit}), p.limited(t, sallyport.Limits{CallsPerMinute: limit})}
	var racing sync.WaitGroup
	taken := make([]bool, 40)
	for n := range taken {
		racing.Go(func() {
			_, err := ledgers[n%2].Record(context.Background(), sallyporttest.Approved(n)[0])
			taken[n] = err == nil
		})
	}
	racing.Wait()
	count := 0
	for _, ok := range taken {
		if ok {
			count++
		}
	}
	if count != limit {
		t.Errorf("%d calls were taken, want %d", count, limit)
	}
}
