package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/sallyporttest"
)

var evening = sallyporttest.Approved(0)[0].At

// scene is a ledger that is followed, and what came of it.
type scene struct {
	t      *testing.T
	ledger *ledger.Ledger
	inbox  *sallyporttest.Inbox
	broken atomic.Bool // the follower can't say where it stands
	blind  atomic.Bool // it can't read
	hours  atomic.Int64
	log    lockedBuffer
	meter  meter
}

func newScene(t *testing.T) *scene {
	t.Helper()
	key, err := ledger.CreateKey(filepath.Join(t.TempDir(), "key"), "ledger.example")
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), ledger.Options{Database: ledger.Database{Path: filepath.Join(t.TempDir(), "db")}, Signer: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return &scene{t: t, ledger: l, inbox: &sallyporttest.Inbox{}}
}

// faulty is the scene's ledger with its faults.
type faulty struct {
	*ledger.Ledger
	s *scene
}

func (f faulty) Advance(ctx context.Context, follower string, to int64) error {
	if f.s.broken.Load() {
		return errors.New("the disk is full")
	}
	return f.Ledger.Advance(ctx, follower, to)
}

func (f faulty) AskedSteps(ctx context.Context, from int64, limit int) ([]sallyport.Step, int64, error) {
	if f.s.blind.Load() {
		return nil, from, errors.New("the disk is gone")
	}
	return f.Ledger.AskedSteps(ctx, from, limit)
}

// meter counts as telemetry does.
type meter struct{ counts sync.Map }

func (m *meter) Notification(_ context.Context, k sallyport.NotificationKind, result string) {
	n, _ := m.counts.LoadOrStore(string(k)+"/"+result, new(atomic.Int64))
	n.(*atomic.Int64).Add(1)
}

func (m *meter) count(what string) int64 {
	if n, ok := m.counts.Load(what); ok {
		return n.(*atomic.Int64).Load()
	}
	return 0
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// follower is one that does not run yet, with a pace for tests.
func (s *scene) follower(to sallyport.Notifier) *notifier {
	s.t.Helper()
	n, err := newNotifier(NotifyOptions{
		Ledger: faulty{s.ledger, s}, Notifier: to, Meter: &s.meter,
		Now:  func() time.Time { return evening.Add(time.Duration(s.hours.Load())*time.Hour + time.Since(began)) },
		Link: func(n sallyport.Notification) string { return "https://ui.example/" + n.RunID },
	}, slog.New(slog.NewTextHandler(&s.log, nil)))
	if err != nil {
		s.t.Fatal(err)
	}
	n.first, n.longest = 2*time.Millisecond, 20*time.Millisecond
	return n
}

var began = time.Now()

// start runs a follower until stop, which kills it: it saves nothing more.
func (s *scene) start(to sallyport.Notifier) (stop func()) {
	s.t.Helper()
	n := s.follower(to)
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan struct{})
	n.begin(ctx)
	go func() { defer close(done); n.run(ctx) }()
	stop = func() { cancel(); <-done }
	s.t.Cleanup(stop)
	return stop
}

func (s *scene) record(entries ...sallyport.Entry) {
	s.t.Helper()
	for _, e := range entries {
		if _, err := s.ledger.Record(s.t.Context(), e); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *scene) await(what string, holds func() bool) {
	s.t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			s.t.Fatalf("not so in time: %s; taken: %v\n%s", what, s.ids(), s.log.String())
		}
	}
}

// ids are those of what was taken, in order.
func (s *scene) ids() []string {
	var ids []string
	for _, n := range s.inbox.Taken() {
		ids = append(ids, n.ID)
	}
	return ids
}

func (s *scene) awaitTaken(want ...string) {
	s.t.Helper()
	s.await(fmt.Sprintf("taken: %v", want), func() bool { return len(s.ids()) >= len(want) })
	if d := cmp.Diff(want, s.ids()); d != "" {
		s.t.Errorf("taken (-want +got)\n%s", d)
	}
}

// awaitPosition waits until the position is saved after all leaves before one.
func (s *scene) awaitPosition(want int64) {
	s.t.Helper()
	s.await(fmt.Sprintf("the follower stands at %d", want), func() bool {
		at, err := s.ledger.Position(s.t.Context(), follower)
		return err == nil && at >= want
	})
}

// The entries of sallyporttest.Approved that there is something to tell of.
func asked(n int) string   { return sallyporttest.Approved(n)[0].CallID + "/3" }
func decided(n int) string { return sallyporttest.Approved(n)[0].CallID + "/6" }

func TestFollows(t *testing.T) {
	s := newScene(t)
	s.record(sallyporttest.Approved(1)...) // before the first follower
	s.start(s.inbox)
	two := sallyporttest.Approved(2)
	s.record(two[:5]...)
	s.awaitTaken(asked(2))
	s.record(two[5:]...)
	s.record(sallyporttest.Approved(3)...)
	s.awaitTaken(asked(2), decided(2), asked(3), decided(3))
	if got := s.inbox.Taken()[0].Content; !strings.Contains(got, "https://ui.example/run") {
		t.Errorf("there is no link in %s", got)
	}
	if got := s.meter.count("requested/delivered"); got != 2 {
		t.Errorf("%d requests were counted as delivered, want 2", got)
	}
}

// TestReceiverComesBack lets every notification fail for a while, and kills
// the follower meanwhile: none is lost.
func TestReceiverComesBack(t *testing.T) {
	s := newScene(t)
	s.inbox.Respond(sallyporttest.Fails)
	stop := s.start(s.inbox)
	s.record(sallyporttest.Approved(1)...)
	s.await("some attempts", func() bool { return s.meter.count("requested/failed") > 3 })
	stop()
	s.start(s.inbox)
	before := s.meter.count("requested/failed")
	s.await("more attempts", func() bool { return s.meter.count("requested/failed") > before })
	if got := s.meter.count("decided/failed"); got != 0 {
		t.Errorf("the decision was sent %d times before the request was taken", got)
	}
	s.inbox.Respond(sallyporttest.Takes)
	s.awaitTaken(asked(1), decided(1))
}

// TestKilledAfterDelivery: the follower dies before it has said that the
// notification is delivered. The next one delivers the very same again.
func TestKilledAfterDelivery(t *testing.T) {
	s := newScene(t)
	s.broken.Store(true)
	stop := s.start(s.inbox)
	s.record(sallyporttest.Approved(1)[:4]...)
	s.awaitTaken(asked(1))
	stop()
	s.broken.Store(false)
	stop = s.start(s.inbox)
	s.awaitTaken(asked(1), asked(1))
	s.awaitPosition(4)
	if got := s.inbox.Taken(); got[0] != got[1] {
		t.Errorf("the repetition is another notification\n%s\n%s", got[0].Content, got[1].Content)
	}
	stop()
	s.start(s.inbox)
	s.record(sallyporttest.Approved(2)[:4]...)
	s.awaitTaken(asked(1), asked(1), asked(2))
}

// TestPoison has one notification that the receiver can't digest: it holds
// back what follows of its own call, and nothing else.
func TestPoison(t *testing.T) {
	s := newScene(t)
	var healed atomic.Bool
	s.inbox.Faults(func(n sallyport.Notification) error {
		if n.ID == asked(1) && !healed.Load() {
			return errors.New("indigestible")
		}
		return nil
	})
	stop := s.start(s.inbox)
	s.record(sallyporttest.Approved(1)...)
	s.record(sallyporttest.Approved(2)...)
	s.awaitTaken(asked(2), decided(2))
	stop()
	s.start(s.inbox) // what was delivered after the poison may come again
	s.await("the poison is tried again", func() bool { return s.meter.count("requested/failed") > 2 })
	healed.Store(true)
	s.await("the poison is taken, and what follows it", func() bool {
		ids := s.ids()
		return slices.Contains(ids, decided(1)) && slices.Index(ids, asked(1)) < slices.Index(ids, decided(1))
	})
	s.awaitPosition(15)
}

func TestRefusedForGood(t *testing.T) {
	s := newScene(t)
	s.inbox.Faults(func(n sallyport.Notification) error {
		if n.ID == asked(1) {
			return sallyport.Errorf(sallyport.Denied, "receiver_refused", "no")
		}
		return nil
	})
	s.start(s.inbox)
	s.record(sallyporttest.Approved(1)...)
	s.awaitTaken(decided(1))
	s.awaitPosition(7)
	if got := s.meter.count("requested/refused"); got != 1 {
		t.Errorf("refused %d times, want once", got)
	}
	if !strings.Contains(s.log.String(), "call_id="+sallyporttest.Approved(1)[0].CallID) {
		t.Errorf("the log does not say which call: %s", s.log.String())
	}
}

// TestGivenUp lets a day pass. What is younger is still tried.
func TestGivenUp(t *testing.T) {
	s := newScene(t)
	s.inbox.Respond(sallyporttest.Fails)
	s.start(s.inbox)
	s.record(sallyporttest.Approved(1)...)
	s.hours.Store(23)
	young := sallyporttest.Approved(2)
	for i := range young {
		young[i].At = young[i].At.Add(23 * time.Hour)
	}
	s.record(young[:4]...)
	s.await("both are tried", func() bool {
		return strings.Contains(s.log.String(), asked(2)) && s.meter.count("requested/failed") > 4
	})
	if got := s.meter.count("requested/dropped"); got != 0 {
		t.Errorf("%d were given up too early", got)
	}
	s.hours.Store(25)
	s.await("the old ones are given up", func() bool { return s.meter.count("decided/dropped") == 1 && s.meter.count("requested/dropped") == 1 })
	s.inbox.Respond(sallyporttest.Takes)
	s.awaitTaken(asked(2))
	if !strings.Contains(s.log.String(), "level=ERROR") {
		t.Errorf("the log does not say what was given up: %s", s.log.String())
	}
}

// TestSilentReceiver: a receiver that never responds keeps no call from being
// recorded, and the worker from stopping no longer than it takes to say so.
func TestSilentReceiver(t *testing.T) {
	s := newScene(t)
	called := make(chan struct{}, 1)
	stop := s.start(sallyport.NotifierFunc(func(ctx context.Context, _ sallyport.Notification) error {
		called <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}))
	s.record(sallyporttest.Approved(1)...)
	<-called
	for n := range 50 {
		s.record(sallyporttest.Approved(2 + n)...)
	}
	stop()
	if got := s.meter.count("requested/failed"); got != 0 {
		t.Errorf("stopping counts as %d failures", got)
	}
	s.start(s.inbox)
	s.await("all are told", func() bool { return len(s.ids()) == 102 })
}

func TestLedgerOutOfReach(t *testing.T) {
	s := newScene(t)
	s.start(s.inbox)
	s.blind.Store(true)
	s.record(sallyporttest.Approved(1)...)
	s.await("it says so", func() bool { return strings.Contains(s.log.String(), "the disk is gone") })
	s.blind.Store(false)
	s.awaitTaken(asked(1), decided(1))
}

// TestTwoWorkers follow one ledger. Either tells, so that each notification
// comes once or twice; none is missing.
func TestTwoWorkers(t *testing.T) {
	s := newScene(t)
	s.start(s.inbox)
	s.start(s.inbox)
	want := map[string]bool{}
	for n := range 20 {
		s.record(sallyporttest.Approved(n)...)
		want[asked(n)], want[decided(n)] = true, true
	}
	s.awaitPosition(20*8 - 1)
	times := map[string]int{}
	for _, id := range s.ids() {
		times[id]++
	}
	for id := range want {
		if times[id] < 1 || times[id] > 2 {
			t.Errorf("%s came %d times", id, times[id])
		}
	}
}

// TestPositionMovesOnWithoutAnythingToTell, or the follower would read all of
// it again after a restart.
func TestPositionMovesOnWithoutAnythingToTell(t *testing.T) {
	s := newScene(t)
	n := s.follower(s.inbox)
	n.begun, n.position = true, 10
	for _, tt := range []struct{ next, want int64 }{{10, 10}, {10 + saveEvery - 1, 10}, {10 + saveEvery, 10 + saveEvery}} {
		n.next = tt.next
		if err := n.save(t.Context()); err != nil || n.position != tt.want {
			t.Errorf("at leaf %d it stands at %d, %v; want %d", tt.next, n.position, err, tt.want)
		}
	}
}

func TestPace(t *testing.T) {
	s := newScene(t)
	n := s.follower(s.inbox)
	n.first, n.longest = time.Second, 5*time.Minute
	now := evening
	n.Now = func() time.Time { return now }
	d := &delivery{Notification: sallyporttest.Requested(1)}
	n.pending = []*delivery{d}
	for attempt, seconds := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
		want := time.Duration(seconds) * time.Second
		n.postpone(d, 0)
		if got := d.at.Sub(now); got < want/2 || got > want {
			t.Errorf("after failure %d it waits for %s, want %s to %s", attempt+1, got, want/2, want)
		}
	}
	d.attempts = 1 << 40
	n.postpone(d, 0)
	if got := d.at.Sub(now); got < n.longest/2 || got > n.longest {
		t.Errorf("after very many failures it waits for %s", got)
	}

	// What the receiver asks for holds for all.
	d.attempts = 0
	fresh := &delivery{Notification: sallyporttest.Requested(2)}
	n.pending = append(n.pending, fresh)
	n.postpone(d, 10*time.Minute)
	if at, _ := n.earliest(); n.due() != nil || at != now.Add(10*time.Minute) {
		t.Errorf("the receiver wants to be left alone for 10 minutes, and the next attempt is in %s", at.Sub(now))
	}
	now = now.Add(10 * time.Minute)
	if n.due() != fresh {
		t.Error("then the one that was never tried comes first")
	}
	// A receiver that is back gets everything at once.
	d.at = now.Add(time.Hour)
	n.resume()
	if !d.at.IsZero() {
		t.Error("it is back, and is made to wait")
	}
	// One failure between successes is no outage.
	n.postpone(d, 0)
	n.resume()
	if d.at.IsZero() {
		t.Error("what failed alone is tried again without a pause")
	}
}

func TestNotifierRefuses(t *testing.T) {
	s := newScene(t)
	for name, o := range map[string]NotifyOptions{
		"NoLedger":   {Notifier: s.inbox, Now: time.Now},
		"NoNotifier": {Ledger: s.ledger, Now: time.Now},
		"NoClock":    {Ledger: s.ledger, Notifier: s.inbox},
	} {
		if _, err := newNotifier(o, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
