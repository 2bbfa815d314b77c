package main

import (
	"context"
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
	if code, ok := errors.AsType[cli.ExitCode](err); !ok || code != 1 {
		t.Errorf("error %v; want exit 1 without another word", err)
	}
	for _, want := range []string{"call ii67cfqdxj7iwn3l26mgwug2ru goes on", "sallyport call --follow ii67cfqdxj7iwn3l26mgwug2ru"} {
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
	if err := followCall(t.Context(), api, call, err, &out, &errs); err != nil || !strings.HasSuffix(errs.String(), "succeeded\n") {
		t.Errorf("%v: %q", err, errs.String())
	}
}
