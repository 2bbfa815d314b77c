package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/sallyporttest"
)

// hostile is text that would drive a terminal, or pass for another row of a table.
const hostile = "a\x1b[2J\u009b2J\u202e\nb\tc\U000e0041"

// TestReads runs each command that reads against a gateway.
func TestReads(t *testing.T) {
	s := newStage(t, func(i *sallyport.Intent, _ *sallyport.Plan, _ *sallyport.Ballot) { i.Name = hostile })
	s.tools = []sallyport.Tool{{Name: "some_tool", Title: hostile, Description: hostile, InputSchema: json.RawMessage(`{"type": "object"}`), ReadOnly: true}}
	id := s.asked.CallID
	for name, tt := range map[string]struct {
		as   string
		args []string
		want []string
	}{
		"Get":         {"bob", []string{"get", id}, []string{"call     " + id + "\n", "state    awaiting_approval\n", `target   production/a\u{001b}[2J`, "  | replicas 6 → 20\n", "needs    2 of [sre]", "  |   \"replicas\": 20,\n", "  | load\n"}},
		"GetAsAgent":  {"deploy-bot", []string{"get", id}, []string{"state    awaiting_approval\n"}},
		"List":        {"olga", []string{"list"}, []string{"CALL ", id, s.other, `production/a\u{001b}[2J\u{009b}2J\u{202e}\nb\tc\u{e0041}`}},
		"ListStates":  {"deploy-bot", []string{"list", "--state", "running,failed", "--since", "2h"}, []string{"no calls\n"}},
		"Ballots":     {"bob", []string{"ballots"}, []string{"VOTES", id, "0 of 2"}},
		"NoBallots":   {"olga", []string{"ballots"}, []string{"no call waits for your vote\n"}},
		"Search":      {"audra", []string{"search", "--namespace", "production", "--agent", "deploy-bot"}, []string{id, s.other}},
		"SearchOther": {"audra", []string{"search", "--person", "carol", "--before", "1h", "--limit", "3"}, []string{"no calls\n"}},
		"Tools":       {"deploy-bot", []string{"tools", "list"}, []string{"TOOL ", "some_tool  reads"}},
		"Tool":        {"deploy-bot", []string{"tools", "show", "some_tool"}, []string{"tool     some_tool\n", `  | a\u{001b}[2J`, "  |   \"type\": \"object\"\n"}},
		"Decide":      {"deploy-bot", []string{"decide", "some_tool", "--arg", "n=1", "--reason", "r"}, []string{"policy   ask\n", `target   production/{"n":1}`, "needs    2 of [sre] within 900 s, by [idp-signed]\n", "  | production_write: m\\u{001b}[2J\n", "  | hint: ask for less\n"}},
		"Cancel":      {"olga", []string{"cancel", s.other}, []string{"call " + s.other + " will stop", "sallyport call --follow " + s.other}},
		"Version":     {"olga", []string{"version"}, []string{"sallyport  ", "gateway    "}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, form := range []string{"table", "json", "yaml"} {
				out, notes, code := s.run(t, tt.as, append(tt.args, "-o", form)...)
				if code != 0 {
					t.Fatalf("-o %s exits with %d and says %q", form, code, notes)
				}
				if sallyport.Visible(out) != out {
					t.Errorf("-o %s drives the terminal: %q", form, out)
				}
				for _, want := range tt.want {
					if form == "table" && !strings.Contains(out, want) {
						t.Errorf("it does not show %q:\n%s", want, out)
					}
				}
				var document any
				if form == "json" && json.Unmarshal([]byte(out), &document) != nil || form == "yaml" && yaml.Unmarshal([]byte(out), &document) != nil {
					t.Errorf("the output is no %s: %s", form, out)
				}
			}
		})
	}
}

// TestFormsAgree: a document is the same in each of its forms, whatever is in it.
func TestFormsAgree(t *testing.T) {
	document := map[string]any{
		hostile: hostile, "text": "true", "number": json.Number("12345678901234567890"), "null": nil, "list": []any{"", "- a", "1.0", false},
		"empty": map[string]any{}, "lines": "a: b\nc\n", "emoji": "\U0001f600", "marks": "e\u0301\u0301\u0301\u0301\u0301", "tab": "a\tb", "none": []any{},
	}
	want, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []output{"json", "yaml"} {
		var b strings.Builder
		if err := form.print(&b, document, nil); err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if form == "json" {
			d := json.NewDecoder(strings.NewReader(b.String()))
			d.UseNumber()
			err = d.Decode(&got)
		} else {
			err = yaml.Unmarshal([]byte(b.String()), &got)
		}
		again, bad := json.Marshal(got)
		if err != nil || bad != nil || string(again) != string(want) {
			t.Errorf("%s: %v\n%s\nis not\n%s", form, errors.Join(err, bad), again, want)
		}
		if sallyport.Visible(b.String()) != b.String() {
			t.Errorf("%s drives the terminal: %q", form, b.String())
		}
	}
}

// TestPages: a page that is not the last says how to see the next one, and not
// where a program reads it.
func TestPages(t *testing.T) {
	s := newStage(t)
	out, notes, code := s.run(t, "audra", "search", "--limit", "1", "-o", "json")
	cursor, ok := strings.CutPrefix(strings.TrimSpace(notes), "there are more: add --cursor ")
	if code != 0 || !ok || strings.Contains(out, "there are more") || !strings.Contains(out, s.other) {
		t.Fatalf("it exits with %d and says %q: %s", code, notes, out)
	}
	if out, notes, code = s.run(t, "audra", "search", "--limit", "1", "--cursor", cursor); code != 0 || !strings.Contains(out, s.asked.CallID) || strings.Contains(out, s.other) {
		t.Errorf("the next page: it exits with %d and says %q: %s", code, notes, out)
	}
}

// TestProve: the proof goes to a new file for its user alone, and verifies.
func TestProve(t *testing.T) {
	s := newStage(t)
	file := filepath.Join(t.TempDir(), "proof.json")
	out, notes, code := s.run(t, "audra", "prove", s.asked.CallID, "--file", file)
	if code != 0 || !strings.Contains(out, "sallyport verify "+file) {
		t.Fatalf("it exits with %d and says %q, %q", code, out, notes)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v; want it for its owner alone", info.Mode(), err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var f proof.File
	if err := json.Unmarshal(content, &f); err != nil || f.Call != s.asked.CallID {
		t.Errorf("it is a proof of %q, %v", f.Call, err)
	}
	if _, notes, code := s.run(t, "audra", "prove", s.other, "--file", file); code == 0 || !strings.Contains(notes, "is there already: name a new file with --file") {
		t.Errorf("it exits with %d and says %q; want it to keep what is there", code, notes)
	}
	if now, err := os.ReadFile(file); err != nil || string(now) != string(content) {
		t.Errorf("the file was overwritten: %v", err)
	}
	missing := filepath.Join(t.TempDir(), "none.json")
	if _, notes, code := s.run(t, "audra", "prove", sallyport.CallID([16]byte{9}), "--file", missing); code == 0 || !strings.Contains(notes, "no such call") {
		t.Errorf("it exits with %d and says %q", code, notes)
	}
	if _, err := os.Lstat(missing); err == nil {
		t.Error("it leaves a file without a proof")
	}
}

// TestMistakesOfReaders says what to do.
func TestMistakesOfReaders(t *testing.T) {
	s := newStage(t)
	for name, tt := range map[string]struct {
		as   string
		args []string
		want string
	}{
		"Form":   {"bob", []string{"get", s.asked.CallID, "-o", "xml"}, "want table, json or yaml"},
		"Since":  {"olga", []string{"list", "--since", "yesterday"}, "want how long ago, such as 2h"},
		"State":  {"olga", []string{"list", "--state", "done"}, "must be a state of a call"},
		"Tool":   {"deploy-bot", []string{"tools", "show", "no_tool"}, "sallyport tools list shows those that it may"},
		"Person": {"bob", []string{"tools", "list"}, "this route is for agents"},
		"Agent":  {"deploy-bot", []string{"ballots"}, "this route is for people"},
		"Ended":  {"olga", []string{"cancel", sallyporttest.Approved(3)[0].CallID}, "no such call"},
	} {
		t.Run(name, func(t *testing.T) {
			out, notes, code := s.run(t, tt.as, tt.args...)
			if code != 1 || out != "" || !strings.Contains(notes, tt.want) {
				t.Errorf("it exits with %d, prints %q and says %q; want %q", code, out, notes, tt.want)
			}
		})
	}
}

// pages is a gateway whose list changes from one look to the next.
type pages struct {
	looks []func() (client.Calls, error)
	stop  context.CancelFunc
}

func (p *pages) list(context.Context, sallyport.Query) (client.Calls, error) {
	look := p.looks[0]
	if p.looks = p.looks[1:]; len(p.looks) == 0 {
		p.stop()
		return client.Calls{}, context.Canceled
	}
	return look()
}

func page(calls ...client.Call) func() (client.Calls, error) {
	return func() (client.Calls, error) { return client.Calls{Calls: calls}, nil }
}

func failing(status int) func() (client.Calls, error) {
	return func() (client.Calls, error) {
		return client.Calls{}, &client.Problem{Status: status, Detail: "out of reach"}
	}
}

// TestWatch prints a call once for each of its states, and goes on after an error
// that passes.
func TestWatch(t *testing.T) {
	one, two := client.Call{ID: "one", State: sallyport.StateRunning}, client.Call{ID: "two", State: sallyport.StatePending}
	ended := one
	ended.State = sallyport.StateSucceeded
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	p := &pages{looks: []func() (client.Calls, error){page(one), failing(503), page(one), page(two, ended), page(two, ended), nil}, stop: stop}
	var out, notes strings.Builder
	w := watcher{list: p.list, output: "table", out: &out, notes: &notes}
	if err := w.run(ctx); err != nil {
		t.Fatal(err)
	}
	var printed []string
	for text := range strings.Lines(out.String()) {
		fields := strings.Fields(text)
		printed = append(printed, fields[1]+" "+fields[2])
	}
	if got := strings.Join(printed, ", "); got != "one running, one succeeded, two pending" || !strings.Contains(notes.String(), "looking again: out of reach") {
		t.Errorf("it prints %s and says %q", got, notes.String())
	}
}

// TestWatchGivesUp: at once after an error that does not pass, and after some of
// those that may.
func TestWatchGivesUp(t *testing.T) {
	for status, looks := range map[int]int{401: 1, 403: 1, 429: watchFailures + 1, 503: watchFailures + 1} {
		p := &pages{stop: func() {}}
		for range looks + 3 {
			p.looks = append(p.looks, failing(status))
		}
		w := watcher{list: p.list, output: "table", out: &strings.Builder{}, notes: &strings.Builder{}}
		if err := w.run(t.Context()); err == nil || len(p.looks) != 3 {
			t.Errorf("%d: %v after %d looks, want an error after %d", status, err, looks+3-len(p.looks), looks)
		}
	}
}
