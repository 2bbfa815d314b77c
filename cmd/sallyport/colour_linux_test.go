package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/cmd/internal/cli"
)

// terminal is a terminal, and the end at which a person reads it.
func terminal(t *testing.T) (tty, person *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = person.Close() })
	fd := int(person.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	if tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tty.Close() })
	return tty, person
}

// TestColours: a diff has colours on a terminal alone, and where the user wants
// them, and no text of a tool brings any of its own.
func TestColours(t *testing.T) {
	s := newStage(t, func(_ *sallyport.Intent, p *sallyport.Plan, b *sallyport.Ballot) {
		p.Diff = "@@ -1 +1 @@\n-  replicas: 6\n+  replicas: 20\x1b[35m\n+" + strings.Repeat("x", 80) + "\n same\n"
		b.Plan = p.Digest()
	})
	t.Setenv("SALLYPORT_TOKEN", "bob")
	for name, tt := range map[string]struct {
		term, noColor string
		want          bool
	}{
		"Terminal": {"xterm", "", true}, "NoColour": {"xterm", "1", false}, "Dumb": {"dumb", "", false}, "NoTerm": {"", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TERM", tt.term)
			t.Setenv("NO_COLOR", tt.noColor)
			tty, person := terminal(t)
			shown := make(chan string)
			go func() {
				var b strings.Builder
				buffer := make([]byte, 4096)
				for !strings.Contains(b.String(), "END") {
					n, err := person.Read(buffer)
					if b.Write(buffer[:n]); err != nil {
						break
					}
				}
				shown <- b.String()
			}()
			code := cli.Run(command(), []string{"get", s.asked.CallID, "--server", s.server.URL}, strings.NewReader(""), tty, tty)
			if _, err := fmt.Fprint(tty, "END"); err != nil {
				t.Fatal(err)
			}
			out := strings.ReplaceAll(<-shown, "\r\n", "\n")
			for _, line := range []string{
				"  | \x1b[36m@@ -1 +1 @@\x1b[0m\n", "  | \x1b[31m-  replicas: 6\x1b[0m\n", `  | ` + "\x1b[32m" + `+  replicas: 20\u{001b}[35m` + "\x1b[0m\n",
				"  : \x1b[32m" + strings.Repeat("x", 9) + "\x1b[0m\n",
			} {
				if code != 0 || strings.Contains(out, line) != tt.want {
					t.Errorf("it exits with %d and shows\n%q\nwith %q: want %v", code, out, line, tt.want)
				}
			}
			if !tt.want && strings.Contains(out, "\x1b") {
				t.Errorf("it shows colours: %q", out)
			}
			if !strings.Contains(out, "  |  same\n") {
				t.Errorf("a line that stays has a colour: %q", out)
			}
		})
	}
}
