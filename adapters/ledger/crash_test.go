package ledger_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
	"github.com/sallyport/sallyport/sallyporttest"
)

// The test binary is its own child: with childMode in the environment it does
// one of these things to a ledger instead of testing.
const childMode = "LEDGER_TEST_CHILD"

func TestMain(m *testing.M) {
	work, ok := map[string]func(place) error{
		"append":   appendForEver,
		"full":     appendOnFullDisk,
		"small":    appendOnSmallDisk,
		"readonly": appendToReadOnly,
	}[os.Getenv(childMode)]
	if !ok {
		os.Exit(m.Run())
	}
	key, err := ledger.LoadKey(os.Getenv("LEDGER_TEST_KEY"))
	if err == nil {
		err = work(place{path: os.Getenv("LEDGER_TEST_PATH"), dsn: os.Getenv("LEDGER_TEST_DSN"), key: key})
	}
	if err != nil {
		log.Fatal(err)
	}
}

// child starts the test binary in a mode.
func (p place) child(t *testing.T, mode string, arguments ...string) (*exec.Cmd, io.Reader) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], arguments...)
	cmd.Env = append(os.Environ(), childMode+"="+mode, "LEDGER_TEST_PATH="+p.path, "LEDGER_TEST_DSN="+p.dsn, "LEDGER_TEST_KEY="+p.keyFile)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd, out
}

// acknowledged is what a child says when an entry is durable.
type acknowledged struct {
	call, step int
	leaf       sallyport.Digest
}

func (a acknowledged) String() string { return fmt.Sprintf("%d %d %s", a.call, a.step, a.leaf) }

func parseAcknowledged(line string) (a acknowledged, ok bool) {
	n, err := fmt.Sscanf(line, "%d %d %s", &a.call, &a.step, &a.leaf)
	return a, err == nil && n == 3 && a.leaf.Valid()
}

// appendForEver records the stories of calls, eight at a time, and says of
// every entry that it is durable. Its arguments are the first call's number
// and how many there are, or 0 for no end.
func appendForEver(p place) error {
	first, err := strconv.Atoi(os.Args[1])
	if err != nil {
		return err
	}
	calls, err := strconv.Atoi(os.Args[2])
	if err != nil {
		return err
	}
	l, err := ledger.Open(context.Background(), ledger.Options{Database: p.database(), Signer: p.key})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	for worker := range 8 {
		wg.Go(func() {
			for n := worker; calls == 0 || n < calls; n += 8 {
				for step, e := range sallyporttest.Approved(first + n) {
					r, err := l.Record(context.Background(), e)
					if err != nil {
						log.Fatal(err)
					}
					mu.Lock()
					fmt.Println(acknowledged{first + n, step, r.Leaf})
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return l.Close()
}

// TestKilled kills two processes in the middle of their appends, again and
// again. Nothing that they said was durable may be gone, or be there twice.
func TestKilled(t *testing.T) {
	sallyporttest.Exhaustive(t)
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		const rounds, processes = 20, 2
		p := newPlace(t)
		var all []acknowledged
		for round := range rounds {
			first := round * processes
			var killed sync.WaitGroup
			said := make([][]acknowledged, processes)
			for i := range processes {
				cmd, out := p.child(t, "append", strconv.Itoa((first+i)*10_000), "0")
				killed.Go(func() { said[i] = killAfter(t, cmd, out, 30+10*round) })
			}
			killed.Wait()
			all = append(all, slices.Concat(said...)...)
		}
		if r := p.mustVerify(t); int(r.Leaves) < len(all) {
			t.Fatalf("%d entries were acknowledged and %d are there", len(all), r.Leaves)
		}
		l := p.open(t)
		for _, a := range all {
			r, err := l.Record(t.Context(), sallyporttest.Approved(a.call)[a.step])
			if err != nil || !r.Repeated || r.Leaf != a.leaf {
				t.Fatalf("entry %d of call %d was acknowledged: repeated %t, leaf %s, want %s, %v", a.step, a.call, r.Repeated, r.Leaf, a.leaf, err)
			}
		}
		mustClose(t, l)
		if r := p.mustVerify(t); r.Unsigned != 0 {
			t.Errorf("%d leaves are unsigned after the ledger was opened again", r.Unsigned)
		}
	})
}

// killAfter kills a process when it has acknowledged some entries, and returns
// all that it acknowledged.
func killAfter(t *testing.T, cmd *exec.Cmd, out io.Reader, entries int) (said []acknowledged) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		a, ok := parseAcknowledged(lines.Text())
		if !ok {
			continue // cut off by the kill
		}
		if said = append(said, a); len(said) == entries {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	_ = cmd.Wait()
	return said
}

// TestTwoProcesses lets two processes append to one ledger, and one wait for
// what the other appends.
func TestTwoProcesses(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		const calls, theirs = 60, 50_000
		p := newPlace(t)
		l := p.open(t)
		last := sallyporttest.Approved(theirs + calls)[0]
		mustRecord(t, l, last)
		cmd, out := p.child(t, "append", strconv.Itoa(theirs), strconv.Itoa(calls+1))
		waited := make(chan error, 1)
		go func() { waited <- awaitEnd(l, last.CallID) }()
		for n := range calls {
			mustRecord(t, l, sallyporttest.Approved(n)...)
		}
		if _, err := io.Copy(io.Discard, out); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		if err := <-waited; err != nil {
			t.Error(err)
		}
		mustClose(t, l)
		if r := p.mustVerify(t); r.Leaves != 8*(2*calls+1) || r.Unsigned != 0 {
			t.Errorf("%d leaves, %d of them unsigned; want %d and 0", r.Leaves, r.Unsigned, 8*(2*calls+1))
		}
	})
}

// awaitEnd waits until a call has ended.
func awaitEnd(l *ledger.Ledger, id string) error {
	for seen := 1; ; {
		r, err := l.Await(context.Background(), id, seen)
		if seen = r.Entries; err != nil || r.State.Final() {
			return err
		}
	}
}

// TestOpenedTogether lets processes open a new database at the same time: one
// makes it, and all record in it.
func TestOpenedTogether(t *testing.T) {
	const processes = 4
	p := newPlace(t)
	var all sync.WaitGroup
	for i := range processes {
		cmd, out := p.child(t, "append", strconv.Itoa(i*10_000), "1")
		all.Go(func() {
			_, _ = io.Copy(io.Discard, out)
			if err := cmd.Wait(); err != nil {
				t.Errorf("process %d: %v", i, err)
			}
		})
	}
	all.Wait()
	if r := p.mustVerify(t); r.Leaves != 8*processes || r.Unsigned != 0 {
		t.Errorf("%d leaves, %d of them unsigned; want %d and 0", r.Leaves, r.Unsigned, 8*processes)
	}
}

// TestFullDisk lets a child run into a limit of file sizes, which is for the
// database what a full disk is.
func TestFullDisk(t *testing.T) {
	p := newPlace(t)
	cmd, out := p.child(t, "full")
	said, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(said), "refused and recovered") {
		t.Errorf("the child says %q", said)
	}
	if r := p.mustVerify(t); r.Unsigned != 0 {
		t.Errorf("%d leaves are unsigned", r.Unsigned)
	}
}

// TestSmallDisk gives a child a small disk of its own and lets it fill that.
func TestSmallDisk(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	p := newPlace(t)
	cmd.Env = append(os.Environ(), childMode+"=small", "LEDGER_TEST_PATH="+p.path, "LEDGER_TEST_KEY="+p.keyFile)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	if said, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(said), "noticed") {
		t.Errorf("%v: the child says %q", err, said)
	}
}

// appendOnSmallDisk fills a disk with something else and with calls. Whether
// there is room is then known before a call comes that needs it.
func appendOnSmallDisk(p place) error {
	dir := filepath.Dir(p.path)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=6m"); err != nil {
		return err
	}
	ctx := context.Background()
	l, err := ledger.Open(ctx, ledger.Options{Database: p.database(), Signer: p.key})
	if err != nil {
		return err
	}
	if err := l.Ping(ctx); err != nil {
		return fmt.Errorf("Ping on an empty disk: %w", err)
	}
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, make([]byte, 5<<20), 0o600); err != nil {
		return err
	}
	if err := l.Ping(ctx); sallyport.KindOf(err) != sallyport.Unavailable {
		return fmt.Errorf("Ping on a disk that is almost full: %v", err)
	}
	for n := 0; err == nil; n++ {
		_, err = l.Record(ctx, sallyporttest.Approved(n)[0])
	}
	if sallyport.KindOf(err) != sallyport.Unavailable {
		return fmt.Errorf("the disk should be full, and the error is %w", err)
	}
	if err := l.Ping(ctx); sallyport.KindOf(err) != sallyport.Unavailable {
		return fmt.Errorf("Ping on a full disk: %v", err)
	}
	if err := os.Remove(other); err != nil {
		return err
	}
	if err := l.Ping(ctx); err != nil {
		return fmt.Errorf("Ping when there is room again: %w", err)
	}
	fmt.Println("noticed")
	return l.Close()
}

func appendOnFullDisk(p place) error {
	signal.Ignore(syscall.SIGXFSZ) // so that writing fails instead
	ctx := context.Background()
	l, err := ledger.Open(ctx, ledger.Options{Database: p.database(), Signer: p.key})
	if err != nil {
		return err
	}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		return err
	}
	limit := func(bytes uint64) error {
		return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: before.Max})
	}
	if err := limit(300_000); err != nil {
		return err
	}
	var written, refused []sallyport.Entry
	for n := 0; len(refused) < 20; n++ {
		story := sallyporttest.Approved(n)
		for i, e := range story {
			_, err := l.Record(ctx, e)
			if sallyport.KindOf(err) == sallyport.Unavailable {
				refused = append(refused, story[i:]...)
				break
			}
			if err != nil || n > 10_000 {
				return fmt.Errorf("the disk should be full by now, and the error is %v", err)
			}
			written = append(written, e)
		}
	}
	if err := limit(0); err != nil { // not even a byte
		return err
	}
	if err := l.Ping(ctx); sallyport.KindOf(err) != sallyport.Unavailable {
		return fmt.Errorf("Ping on a full disk: %v", err)
	}
	if err := limit(before.Cur); err != nil {
		return err
	}
	if err := l.Ping(ctx); err != nil {
		return fmt.Errorf("Ping when there is room again: %w", err)
	}
	for i, e := range append(written, refused...) {
		r, err := l.Record(ctx, e)
		if err != nil || r.Repeated != (i < len(written)) {
			return fmt.Errorf("entry %d of %d written and %d refused: repeated %t, %v", i, len(written), len(refused), r.Repeated, err)
		}
	}
	fmt.Println("refused and recovered")
	return l.Close()
}

// TestReadOnly opens a ledger that may only be read.
func TestReadOnly(t *testing.T) {
	p := newPlace(t)
	l := p.open(t)
	mustRecord(t, l, sallyporttest.Approved(1)...)
	mustClose(t, l)
	cmd, out := p.child(t, "readonly")
	said, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(said), "refused and verified") {
		t.Errorf("the child says %q", said)
	}
}

func appendToReadOnly(p place) error {
	dir := strings.TrimSuffix(p.path, "/ledger.db")
	for name, mode := range map[string]os.FileMode{p.path: 0o444, dir: 0o555, dir + "/..": 0o755} {
		if err := os.Chmod(name, mode); err != nil {
			return err
		}
	}
	defer os.Chmod(dir, 0o755) //nolint:errcheck // for the test to clean up, where it isn't root
	if os.Getuid() == 0 {
		if err := syscall.Setuid(65534); err != nil { // root may write to everything
			return err
		}
	}
	_, err := ledger.Open(context.Background(), ledger.Options{Database: p.database(), Signer: p.key})
	if sallyport.KindOf(err) != sallyport.Unavailable {
		return fmt.Errorf("a ledger that can't be written to was opened: %v", err)
	}
	verifiers, err := proof.Verifiers(p.key.Public)
	if err != nil {
		return err
	}
	r, err := ledger.Verify(context.Background(), ledger.VerifyOptions{Database: p.database(), Verifiers: verifiers})
	if err != nil || !r.OK() || r.Leaves != 8 {
		return fmt.Errorf("an auditor who may only read finds %d leaves, %v: %v", r.Leaves, r.Findings, err)
	}
	fmt.Println("refused and verified")
	return nil
}
