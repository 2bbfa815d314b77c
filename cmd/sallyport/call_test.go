package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/cmd/internal/cli"
)

// TestInterruptedCall: the call goes on when its command is stopped, and the
// command says so.
func TestInterruptedCall(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			interrupt()
			<-r.Context().Done() // a long poll
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{"id": "ii67cfqdxj7iwn3l26mgwug2ru", "state": "pending"}`)
	}))
	defer server.Close()
	root := command()
	var out, errs strings.Builder
	root.SetArgs([]string{"call", "some_tool", "--server", server.URL, "--token-file", "testdata/token"})
	root.SetOut(&out)
	root.SetErr(&errs)
	root.SilenceUsage, root.SilenceErrors = true, true
	err := root.ExecuteContext(ctx)
	if code, ok := errors.AsType[cli.ExitCode](err); !ok || code != exitStopped {
		t.Errorf("error %v; want exit 4 without another word", err)
	}
	same := " --server " + server.URL + " --token-file testdata/token\n"
	for _, want := range []string{"call ii67cfqdxj7iwn3l26mgwug2ru goes on", "sallyport call --follow ii67cfqdxj7iwn3l26mgwug2ru" + same, "sallyport cancel ii67cfqdxj7iwn3l26mgwug2ru" + same} {
		if !strings.Contains(errs.String(), want) {
			t.Errorf("it says %q; want %q", errs.String(), want)
		}
	}
}

// TestFollow waits for a call and makes none.
func TestFollow(t *testing.T) {
	polls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		polls++
		if r.Method != http.MethodGet || r.URL.Path != "/v1/calls/ii67cfqdxj7iwn3l26mgwug2ru" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		state := map[bool]string{true: "running", false: "succeeded"}[polls == 1]
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id": "ii67cfqdxj7iwn3l26mgwug2ru", "state": %q}`, state)
	}))
	defer server.Close()
	api, err := client.New(server.URL, "token")
	if err != nil {
		t.Fatal(err)
	}
	call, err := api.Get(t.Context(), "ii67cfqdxj7iwn3l26mgwug2ru", 0)
	var out, errs strings.Builder
	if err := followCall(t.Context(), api, call, err, screen{&out, &errs, ""}); err != nil || !strings.HasSuffix(errs.String(), "succeeded\n") {
		t.Errorf("%v: %q", err, errs.String())
	}
}

// TestArguments: what reaches the gateway is what the flags say.
func TestArguments(t *testing.T) {
	for name, tt := range map[string]struct {
		flags []string
		want  string
	}{
		"JSON":    {[]string{"--arg", "replicas=5", "--arg", "name=api", "--arg", `on=true`}, `{"name":"api","on":true,"replicas":5}`},
		"Strings": {[]string{"--arg-string", "tag=1.10", "--arg-string", "on=true", "--arg-string", `text="a"=b`, "--arg-string", "empty="}, `{"empty":"","on":"true","tag":"1.10","text":"\"a\"=b"}`},
		"Input":   {[]string{"--arguments", "-"}, `{"from": "input"}`},
	} {
		t.Run(name, func(t *testing.T) {
			var got struct {
				Arguments json.RawMessage `json:"arguments"`
			}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
					t.Error(err)
				}
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprint(w, `{"id": "ii67cfqdxj7iwn3l26mgwug2ru", "state": "succeeded", "result": {"untrusted": true, "content": {"a": "\u001b[2J`+"\u009b"+`"}}}`)
			}))
			defer server.Close()
			var out, errs strings.Builder
			args := append([]string{"call", "some_tool", "--server", server.URL, "--token-file", "testdata/token"}, tt.flags...)
			code := cli.Run(command(), args, strings.NewReader(`{"from": "input"}`), &out, &errs)
			var want, have bytes.Buffer
			if err := errors.Join(json.Compact(&want, []byte(tt.want)), json.Compact(&have, got.Arguments)); code != 0 || err != nil || want.String() != have.String() {
				t.Errorf("it exits with %d, %v, and sends %s; want %s", code, err, got.Arguments, tt.want)
			}
			if !strings.Contains(out.String(), `"a": "\u001b[2J\u009b"`) {
				t.Errorf("the result drives the terminal: %q", out.String())
			}
		})
	}
}

// TestExitCodes: the table has every code that the program ends with.
func TestExitCodes(t *testing.T) {
	listed := map[cli.ExitCode]bool{}
	for _, e := range exits() {
		listed[e.code] = true
	}
	for _, code := range []cli.ExitCode{0, 1, exitFailed, exitNotRun, exitStopped, cli.NotLooked} {
		if !listed[code] {
			t.Errorf("the table of exit codes does not have %d", code)
		}
	}
	if got := shellWord("/a b/it's"); got != `'/a b/it'\''s'` {
		t.Errorf("a shell takes apart %s", got)
	}
}
