//go:build browser

package browsertest_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// root is the repository's, from here.
const root = "../.."

// order is what a person is to do, or to look at. driver.mjs knows the words.
type order struct {
	Do    string `json:"do"`
	As    string `json:"as,omitempty"`    // who does it
	URL   string `json:"url,omitempty"`   // what to open
	Login string `json:"login,omitempty"` // log in on the way, and name the picture of it
	Part  string `json:"part,omitempty"`  // which text to read
	Until string `json:"until,omitempty"` // what it has to say
	Input string `json:"input,omitempty"` // of the signal
	ID    string `json:"id,omitempty"`    // of a workflow
	Shot  string `json:"shot,omitempty"`  // the name of a picture
}

// browser is the process that drives Chromium.
type browser struct {
	orders  io.WriteCloser
	answers *bufio.Reader
	errs    *bytes.Buffer
}

// openBrowser starts Chromium; no person is logged in yet.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v: .ci/check browser says what to install", err)
	}
	pictures, err := filepath.Abs(filepath.Join(root, ".sallyport", "browser"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(pictures); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(pictures, 0o700); err != nil {
		t.Fatal(err)
	}
	b := &browser{errs: &bytes.Buffer{}}
	cmd := exec.CommandContext(t.Context(), "node", "driver.mjs", chromium, pictures)
	cmd.Stderr, cmd.WaitDelay = b.errs, 10*time.Second
	if b.orders, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	b.answers = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = b.orders.Close() // it ends then, and Chromium with it
		_ = cmd.Wait()       // or is killed with the test's context
		if t.Failed() {
			t.Logf("see %s\n%s", pictures, b.errs)
		}
	})
	return b
}

// do has an order carried out. When that fails, it keeps the page of each person.
func (b *browser) do(t *testing.T, o order, into any) {
	t.Helper()
	if problem := b.ask(t, o, into); problem != "" {
		b.ask(t, order{Do: "dump"}, nil)
		t.Fatalf("%s can't %s: %s", o.As, o.Do, problem)
	}
}

func (b *browser) ask(t *testing.T, o order, into any) (problem string) {
	t.Helper()
	line, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.orders.Write(append(line, '\n')); err != nil {
		t.Fatalf("the browser's driver has ended: %v\n%s", err, b.errs)
	}
	line, err = b.answers.ReadBytes('\n')
	if err != nil {
		t.Fatalf("the browser's driver has ended: %v\n%s", err, b.errs)
	}
	answer := struct {
		Value any    `json:"value"`
		Error string `json:"error"`
	}{Value: into}
	if err := json.Unmarshal(line, &answer); err != nil {
		t.Fatalf("the browser's driver answers %q: %v", line, err)
	}
	return answer.Error
}

// page is one of a call's texts as the UI shows it.
type page struct {
	Text     string   `json:"text"`
	Elements []string `json:"elements"` // the names of those in it
	Hidden   int      `json:"hidden"`   // pixels that are only seen by scrolling sideways
}

// read waits until a text says something, and returns it.
func (b *browser) read(t *testing.T, who, part, until string) page {
	t.Helper()
	var p page
	b.do(t, order{Do: "read", As: who, Part: part, Until: until}, &p)
	return p
}

// shot keeps what a person sees.
func (b *browser) shot(t *testing.T, who, name string) {
	t.Helper()
	b.do(t, order{Do: "shot", As: who, Shot: name}, nil)
}
