package instancetest_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/dev/instancetest"
)

// TestScripts runs the command line as its users do, against an instance that
// they find where they would, in .sallyport.
func TestScripts(t *testing.T) {
	t.Parallel()
	programs := filepath.Dir(instancetest.Program(t, "sallyport"))
	d := start(t, seeded(t, "staging/api", "staging/worker", "production/api", "production/worker"))
	s := scripts{d}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", programs+string(os.PathListSeparator)+os.Getenv("PATH"))
			return os.Symlink(d.Path(""), filepath.Join(env.WorkDir, ".sallyport"))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": s.exits, "callid": s.callID, "waits": s.waits, "backup": s.backup, "flip": s.flip,
		},
	})
}

// scripts are the words that scripts have beside those of testscript.
type scripts struct{ *doomed }

// exits runs a program and checks its exit code: exits 3 program arguments…
func (scripts) exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](ts.Exec(args[1], args[2:]...)); ok {
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("it exited with %d, want %d", got, want)
	}
}

// callID sets a variable to the id of deploy-bot's call with a key: callid
// VARIABLE key
func (s scripts) callID(ts *testscript.TestScript, _ bool, args []string) {
	id, err := idOf(s.subject, args[1])
	ts.Check(err)
	ts.Setenv(args[0], id)
}

// waits waits until a call waits for approval: waits id
func (s scripts) waits(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		call, err := s.bot.Get(ctx, args[0], 0)
		if err == nil && call.State == sallyport.StateAwaitingApproval {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			ts.Fatalf("call %s is %s and does not wait: %v", args[0], call.State, err)
		}
	}
}

// backup copies the ledger's database: backup file
func (s scripts) backup(ts *testscript.TestScript, _ bool, args []string) {
	_, err := s.book.db.ExecContext(context.Background(), "VACUUM INTO $1", ts.MkAbs(args[0]))
	ts.Check(err)
}

// flip changes one bit of a file in the middle of a text, wherever it stands:
// flip file text
func (scripts) flip(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	flipped := []byte(args[1])
	flipped[len(flipped)/2] ^= 1
	if !bytes.Contains(b, []byte(args[1])) {
		ts.Fatalf("%s does not stand in %s", args[1], args[0])
	}
	ts.Check(os.WriteFile(path, bytes.ReplaceAll(b, []byte(args[1]), flipped), 0o600))
}
