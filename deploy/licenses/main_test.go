package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shipped are the programs that images and releases hold.
func shipped() []program {
	return []program{
		{dir: "../..", pkg: "./cmd/sallyport"},
		{dir: "../..", pkg: "./cmd/sallyport-gateway"},
		{dir: "../..", pkg: "./cmd/toolexec"},
		{dir: "../..", pkg: "./cmd/kubeexec"},
		{dir: "../../temporal-server", pkg: "./cmd/temporal-server"},
	}
}

// TestShipped holds the modules that shipped programs link against the rules,
// and the exceptions against those modules.
func TestShipped(t *testing.T) {
	needed := map[[2]string]bool{}
	for _, p := range shipped() {
		p.os, p.arch = "linux", "amd64"
		modules, err := p.linked(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := check(modules); err != nil {
			t.Errorf("%s: %v", p.pkg, err)
		}
		for _, m := range modules {
			needed[[2]string{m.path, ""}] = !slices.ContainsFunc(m.texts, text.grants)
			for _, text := range m.texts {
				needed[[2]string{m.path, text.name}] = text.check(m) != nil
			}
		}
	}
	for _, e := range exceptions() {
		if !needed[[2]string{e.module, e.file}] {
			t.Errorf("the exception for %s %s is not needed any more: remove it", e.module, e.file)
		}
	}
}

// TestFile reads the file of a program as its users do.
func TestFile(t *testing.T) {
	write := func() string {
		file := filepath.Join(t.TempDir(), "bin", "toolexec.txt")
		if err := run(t.Context(), []string{"--dir=../..", "--out=" + file, "./cmd/toolexec"}, io.Discard); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	got := write()
	for _, want := range []string{
		"the Go standard library go1.", "\ngolang.org/x/sys v", "Copyright 2009 The Go Authors.",
		"Apache License", "\ngithub.com/landlock-lsm/go-landlock v", "used under BSD-3-Clause",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the file lacks %q", want)
		}
	}
	if n := strings.Count(got, "Copyright 2009 The Go Authors."); n != 1 {
		t.Errorf("the text that several modules share is there %d times, want once", n)
	}
	if d := cmp.Diff(got, write()); d != "" {
		t.Errorf("the file differs when it is written again (-first +second)\n%s", d)
	}
}

// TestRead wants the texts of a module's root and of what is linked, and no
// others.
func TestRead(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{
		"LICENSE", "NOTICE.txt", "license.go", "README.md", "linked/LICENSE-3RD-PARTY.md", "linked/deep/COPYING",
		"linked/deep/GO-LICENSE", "linked/other/LICENSE", "unlinked/LICENSE",
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("terms"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	texts, err := read(root, filepath.Join(root, "linked", "deep"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, text := range texts {
		got = append(got, text.name)
	}
	want := []string{"LICENSE", "NOTICE.txt", "linked/LICENSE-3RD-PARTY.md", "linked/deep/COPYING", "linked/deep/GO-LICENSE"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("texts (-want +got)\n%s", d)
	}
	if _, err := read(root, t.TempDir()); err == nil {
		t.Error("a package outside of its module is no error")
	}
}

func TestCheck(t *testing.T) {
	mit := text{name: "LICENSE", ids: []string{"MIT"}, percent: 98}
	for name, c := range map[string]struct {
		reason string
		module string
		texts  []text
		want   string
	}{
		"Allowed":    {reason: "MIT asks for its text alone", texts: []text{mit, {name: "NOTICE"}}},
		"NoText":     {reason: "without a licence nothing may be passed on", want: "no licence text"},
		"NoticeOnly": {reason: "a notice grants nothing", texts: []text{{name: "NOTICE", ids: []string{"MIT"}, percent: 90}}, want: "no licence text"},
		"Forbidden": {
			reason: "the second text asks for more than its text", want: "GPL-2.0 in lib/COPYING",
			texts: []text{mit, {name: "lib/COPYING", ids: []string{"GPL-2.0"}, percent: 100}},
		},
		"Partly":  {reason: "the words that are not recognised can be terms", texts: []text{{name: "LICENSE", ids: []string{"MIT"}, percent: 74}}, want: "74 %"},
		"Unknown": {reason: "nothing is recognised", texts: []text{{name: "LICENSE"}}, want: "0 %"},
		"Except":  {reason: "a person has read it", module: "modernc.org/memory", texts: []text{mit, {name: "LICENSE-LOGO"}}},
		"ExceptElsewhere": {
			reason: "a person has read another module's", module: "modernc.org/other", texts: []text{mit, {name: "LICENSE-LOGO"}}, want: "LICENSE-LOGO",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if c.module == "" {
				c.module = "example.com/m"
			}
			err := check([]module{{path: c.module, version: "v1.0.0", texts: c.texts}})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want an error with %q, because %s", err, c.want, c.reason)
			}
		})
	}
}

func TestRefuses(t *testing.T) {
	out := "--out=" + filepath.Join(t.TempDir(), "x")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"NoOut":     {[]string{"./cmd/toolexec"}, "--out=FILE"},
		"NoPackage": {[]string{out}, "one package"},
		"NoSuch":    {[]string{out, "--dir=../..", "./cmd/nonexistent"}, "cmd/nonexistent"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := run(t.Context(), c.args, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}
