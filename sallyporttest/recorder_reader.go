package sallyporttest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
)

func testUnknownCall(t *testing.T, l RecorderReader) {
	mustRecord(t, l, newStory(1).received())
	for _, id := range []string{newStory(2).id, "", "nonsense", "%"} {
		_, err := l.Call(t.Context(), id)
		wantKind(t, err, sallyport.NotFound, "there is no such call")
		_, err = l.Await(t.Context(), id, 0)
		wantKind(t, err, sallyport.NotFound, "Await fails for a call that doesn't exist")
	}
}

func testAwait(t *testing.T, l RecorderReader) {
	s := newStory(1)
	story := s.approved()
	mustRecord(t, l, story[0])
	if r, err := l.Await(t.Context(), s.id, 0); err != nil || r.Entries != 1 {
		t.Fatalf("Await for more than no entry = %d entries, %v; there was one already", r.Entries, err)
	}
	// Each entry is waited for while it is written, from before or after.
	for n, e := range story[1:] {
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := l.Record(t.Context(), e); err != nil {
				t.Error(err)
			}
		})
		r, err := l.Await(t.Context(), s.id, n+1)
		if err != nil || r.Entries != n+2 {
			t.Errorf("Await(%d) = %d entries, %v", n+1, r.Entries, err)
		}
		wg.Wait()
	}
}

func testAwaitManyWaiters(t *testing.T, l RecorderReader) {
	s, other := newStory(1), newStory(2)
	mustRecord(t, l, s.received(), other.received())
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if r, err := l.Await(t.Context(), s.id, 1); err != nil || r.State != sallyport.StateCancelled {
				t.Errorf("Await = %s, %v", r.State, err)
			}
		})
	}
	mustRecord(t, l, other.start("sandbox"), other.outcome(sallyport.StateFailed), s.outcome(sallyport.StateCancelled))
	wg.Wait()
}

func testAwaitEnds(t *testing.T, l RecorderReader) {
	s := newStory(1)
	mustRecord(t, l, s.received())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	for _, reason := range []string{"the context ends during Await", "it has ended before"} {
		r, err := l.Await(ctx, s.id, 1)
		if err != nil || r.Entries != 1 || r.State != sallyport.StatePending {
			t.Errorf("Await = %d entries, %s, %v; want the record as it stands: %s", r.Entries, r.State, err, reason)
		}
		if ctx.Err() == nil {
			t.Error("Await came back before there was anything new")
		}
	}
}

func testCallsNewestFirst(t *testing.T, l RecorderReader) {
	var want []string
	for _, n := range []int{3, 1, 4, 0, 2} { // clocks differ: the order of receipt is not that of recording
		mustRecord(t, l, newStory(n).received())
	}
	for _, n := range []int{4, 3, 2, 1, 0} {
		want = append(want, newStory(n).id)
	}
	if d := cmp.Diff(want, ids(mustCalls(t, l, sallyport.Query{}).Records)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func testCallsSelected(t *testing.T, l RecorderReader) {
	a, b, c, d := newStory(1), newStory(2), newStory(3), newStory(4)
	b.agent, c.tool = "triage-bot", "http_probe"
	mustRecord(t, l, a.received(), b.received(), c.received(), d.received(),
		a.start("sandbox"), b.outcome(sallyport.StateDenied), c.start("sandbox"), c.outcome(sallyport.StateFailed))
	for reason, tt := range map[string]struct {
		query sallyport.Query
		want  []string
	}{
		"everything":                {sallyport.Query{}, []string{d.id, c.id, b.id, a.id}},
		"one state":                 {sallyport.Query{States: []sallyport.State{sallyport.StateRunning}}, []string{a.id}},
		"several states":            {sallyport.Query{States: []sallyport.State{sallyport.StateFailed, sallyport.StateDenied}}, []string{c.id, b.id}},
		"a state that is none":      {sallyport.Query{States: []sallyport.State{"' OR 1=1 --"}}, nil},
		"a call":                    {sallyport.Query{ID: b.id}, []string{b.id}},
		"a call of an agent":        {sallyport.Query{ID: b.id, Agent: "triage-bot"}, []string{b.id}},
		"a call of another agent":   {sallyport.Query{ID: b.id, Agent: "deploy-bot"}, nil},
		"a call that is none":       {sallyport.Query{ID: newStory(9).id}, nil},
		"an agent":                  {sallyport.Query{Agent: "triage-bot"}, []string{b.id}},
		"a tool":                    {sallyport.Query{Tool: "http_probe"}, []string{c.id}},
		"since includes its time":   {sallyport.Query{Since: c.at}, []string{d.id, c.id}},
		"before excludes its time":  {sallyport.Query{Before: b.at}, []string{a.id}},
		"in another zone":           {sallyport.Query{Before: b.at.In(time.FixedZone("", -3600))}, []string{a.id}},
		"between":                   {sallyport.Query{Since: b.at, Before: d.at}, []string{c.id, b.id}},
		"all of it":                 {sallyport.Query{Agent: "deploy-bot", Tool: "http_probe", States: []sallyport.State{sallyport.StateFailed}, Since: a.at}, []string{c.id}},
		"nothing":                   {sallyport.Query{Agent: "other-bot"}, nil},
		"of an agent by its prefix": {sallyport.Query{Agent: "deploy"}, nil},
	} {
		p := mustCalls(t, l, tt.query)
		if d := cmp.Diff(tt.want, ids(p.Records)); d != "" || p.Cursor != "" {
			t.Errorf("%s: cursor %q (-want +got)\n%s", reason, p.Cursor, d)
		}
	}
}

// testCallsFound searches for what stands within a call's steps.
func testCallsFound(t *testing.T, l RecorderReader) {
	approved, stopped, other := newStory(1), newStory(2), newStory(3)
	received, intent := approved.received(), approved.entry(sallyport.EntryIntent, "")
	received.Call.TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	i := approved.intent()
	intent.Intent = &i
	story := approved.approved()
	story[0], story[1] = received, intent
	elsewhere, longName := other.entry(sallyport.EntryIntent, ""), strings.Repeat("n", 5000)+"\x00"
	o := other.intent()
	o.Namespace, o.Name = "staging", longName
	elsewhere.Intent = &o
	stop := stopped.entry(sallyport.EntryStop, "olga")
	stop.Stop = &sallyport.Stop{By: "olga"}
	start := other.start("kube")
	image := sallyport.NewDigest("image")
	start.Start.Image = "registry.example/tool@" + string(image)
	mustRecord(t, l, append(story, stopped.received(), stop, other.received(), elsewhere, start)...)
	for reason, tt := range map[string]struct {
		query sallyport.Query
		want  []string
	}{
		"who voted":                      {sallyport.Query{Person: "bob"}, []string{approved.id}},
		"who stopped it":                 {sallyport.Query{Person: "olga"}, []string{stopped.id}},
		"whose vote did not count":       {sallyport.Query{Person: "alice"}, nil},
		"a namespace":                    {sallyport.Query{Namespace: "staging"}, []string{other.id}},
		"a target":                       {sallyport.Query{Namespace: "production", Name: "api"}, []string{approved.id}},
		"a target of an odd name":        {sallyport.Query{Name: longName}, []string{other.id}},
		"a digest that people voted on":  {sallyport.Query{Digest: approved.ballot().Digest()}, []string{approved.id}},
		"a digest of what it means":      {sallyport.Query{Digest: i.Digest()}, []string{approved.id}},
		"a digest of what it changes":    {sallyport.Query{Digest: approved.plan().Digest()}, []string{approved.id}},
		"a tool's manifest":              {sallyport.Query{Digest: i.Tool.Digest}, []string{other.id, approved.id}},
		"an image":                       {sallyport.Query{Digest: image}, []string{other.id}},
		"a trace":                        {sallyport.Query{TraceID: "0af7651916cd43dd8448eb211c80319c"}, []string{approved.id}},
		"a person and a digest":          {sallyport.Query{Person: "bob", Digest: i.Tool.Digest}, []string{approved.id}},
		"a person of another call":       {sallyport.Query{Person: "olga", Digest: i.Tool.Digest}, nil},
		"a person, and a state":          {sallyport.Query{Person: "bob", States: []sallyport.State{sallyport.StateRunning}}, nil},
		"a digest, an agent and a time":  {sallyport.Query{Digest: i.Tool.Digest, Agent: "deploy-bot", Before: other.at}, []string{approved.id}},
		"what would match every pattern": {sallyport.Query{Name: "%"}, nil},
	} {
		p := mustCalls(t, l, tt.query)
		if d := cmp.Diff(tt.want, ids(p.Records)); d != "" || p.Cursor != "" {
			t.Errorf("%s: cursor %q (-want +got)\n%s", reason, p.Cursor, d)
		}
	}
	first := mustCalls(t, l, sallyport.Query{Digest: i.Tool.Digest, Limit: 1})
	next := mustCalls(t, l, sallyport.Query{Digest: i.Tool.Digest, Limit: 1, Cursor: first.Cursor})
	if d := cmp.Diff([]string{other.id, approved.id}, append(ids(first.Records), ids(next.Records)...)); d != "" || next.Cursor != "" {
		t.Errorf("page by page: cursor %q (-want +got)\n%s", next.Cursor, d)
	}
}

func testCallsPaged(t *testing.T, l RecorderReader) {
	const calls = 11
	var want []string
	for n := range calls {
		s := newStory(n)
		s.at = newStory(n / 3).at // several at one time
		mustRecord(t, l, s.received())
	}
	want = ids(mustCalls(t, l, sallyport.Query{}).Records)
	if len(want) != calls {
		t.Fatalf("%d calls, want %d", len(want), calls)
	}
	var got []string
	q := sallyport.Query{Limit: 2}
	for page := range calls {
		p := mustCalls(t, l, q)
		got = append(got, ids(p.Records)...)
		if q.Cursor = p.Cursor; p.Cursor == "" {
			break
		}
		// Between two pages, calls are received and change their state.
		mustRecord(t, l, newStory(100+page).received(), newStory(page).outcome(sallyport.StateCancelled))
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("pages must not shift while calls are added (-want +got)\n%s", d)
	}
	if p := mustCalls(t, l, sallyport.Query{Before: newStory(100).at, Limit: calls}); p.Cursor != "" || len(p.Records) != calls {
		t.Errorf("%d calls and cursor %q; a page that is exactly full is the last", len(p.Records), p.Cursor)
	}
}

// testCallsThatWait lists what waits for a person's vote, among much that does not.
func testCallsThatWait(t *testing.T, l RecorderReader) {
	bob := sallyport.Person{ID: "bob", Groups: []string{"dev", "sre"}}
	var want []string
	for n := range 9 {
		s := newStory(n)
		steps := s.approved()[:4]
		switch n % 3 {
		case 0:
			want = append(want, s.id)
		case 1: // it has not been asked for
			steps = steps[:3]
		default: // it has ended
			steps = append(steps, s.outcome(sallyport.StateExpired))
		}
		mustRecord(t, l, steps...)
	}
	var got []string
	q := sallyport.Query{Voter: &bob, Limit: 2}
	for range 9 {
		p := mustCalls(t, l, q)
		if len(p.Records) > 2 {
			t.Fatalf("%d calls, want two at most", len(p.Records))
		}
		got = append(got, ids(p.Records)...)
		if q.Cursor = p.Cursor; p.Cursor == "" {
			break
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the oldest first, page by page (-want +got)\n%s", d)
	}
	for reason, p := range map[string]sallyport.Person{
		"who owns the agent may not vote": {ID: "alice", Groups: []string{"sre"}},
		"who is in no group of theirs":    {ID: "dave", Groups: []string{"dev"}},
	} {
		if page := mustCalls(t, l, sallyport.Query{Voter: &p}); len(page.Records) > 0 || page.Cursor != "" {
			t.Errorf("%s: %d calls, cursor %q", reason, len(page.Records), page.Cursor)
		}
	}
}

func testCallsBadQueries(t *testing.T, l RecorderReader) {
	for n := range 3 {
		mustRecord(t, l, newStory(n).received())
	}
	good := mustCalls(t, l, sallyport.Query{Limit: 1}).Cursor
	for reason, q := range map[string]sallyport.Query{
		"no cursor of ours":   {Cursor: "2"},
		"not even letters":    {Cursor: "'; DROP TABLE calls --"},
		"a cursor cut short":  {Cursor: good[:len(good)-4]},
		"a cursor with more":  {Cursor: good + "AAAA"},
		"fewer than no calls": {Limit: -1},
		"more than a page":    {Limit: 501},
	} {
		_, err := l.Calls(t.Context(), q)
		wantKind(t, err, sallyport.Invalid, reason)
	}
}

func testHistory(t *testing.T, l RecorderReader) {
	now := newStory(0).at
	at := func(n int, ago time.Duration) story {
		s := newStory(n)
		s.at = now.Add(-ago)
		return s
	}
	this, other, elsewhere := at(1, 0), at(2, 10*time.Second), at(3, 10*time.Second)
	other.arguments = `{"environment":"production","name":"api","replicas":6}`
	elsewhere.agent = "triage-bot"
	denied, old, tool := at(4, 30*time.Minute), at(5, 2*time.Hour), at(6, time.Minute)
	tool.tool = "gitops_set_image"
	for _, s := range []story{this, other, elsewhere, denied, old, tool} {
		mustRecord(t, l, s.received())
	}
	mustRecord(t, l, denied.outcome(sallyport.StateDenied), old.outcome(sallyport.StateDenied), other.outcome(sallyport.StateRejected))
	got, err := l.History(t.Context(), this.intent(), now)
	want := sallyport.History{
		CallsLastMinute:       2, // other, and tool exactly a minute ago
		CallsLastHour:         3, // and denied
		SameArgumentsLastHour: 1, // denied
		DeniedLastHour:        1, // denied; what people rejected was not denied
	}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, d)
	}
}

func testSweepable(t *testing.T, l RecorderReader) {
	idle, busy, ended, recent := newStory(1), newStory(2), newStory(3), newStory(60)
	started := busy.start("sandbox")
	started.At = busy.at.Add(10 * time.Second)
	mustRecord(t, l, recent.received(), ended.received(), busy.received(), idle.received(),
		started, ended.outcome(sallyport.StateExpired))
	for limit, want := range map[int][]string{10: {idle.id, busy.id}, 1: {idle.id}, 0: nil} {
		records, err := l.Sweepable(t.Context(), time.Time{}, recent.at, limit)
		if d := cmp.Diff(want, ids(summaries(records))); d != "" || err != nil {
			t.Errorf("at most %d: %v (-want +got)\n%s", limit, err, d)
		}
	}
	records, err := l.Sweepable(t.Context(), time.Time{}, started.At, 10)
	if d := cmp.Diff([]string{idle.id}, ids(summaries(records))); d != "" || err != nil {
		t.Errorf("a call counts from its last entry, and that of the very moment is not older: %v (-want +got)\n%s", err, d)
	}
}

func mustCalls(t *testing.T, l sallyport.Reader, q sallyport.Query) sallyport.Page {
	t.Helper()
	p, err := l.Calls(t.Context(), q)
	if err != nil {
		t.Fatalf("calls %+v: %v", q, err)
	}
	return p
}

func ids(records []sallyport.Summary) []string {
	var list []string
	for _, r := range records {
		list = append(list, r.Call.ID)
	}
	return list
}
