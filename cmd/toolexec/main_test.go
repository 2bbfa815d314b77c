package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/tools/wire"
)

func TestRespond(t *testing.T) {
	for name, tt := range map[string]struct{ reason, in, code string }{
		"UnknownTool": {reason: "the executor returns an error of its own", in: `{"mode":"run"}`, code: "unknown_tool"},
		"NotJSON":     {reason: "the gateway is at fault", in: `hello`},
		"Unknown":     {reason: "a newer gateway's wish must not be ignored", in: `{"mode":"run","more":1}`},
		"Twice":       {reason: "which one?", in: `{"mode":"run"}{"mode":"plan"}`},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			err := respond(strings.NewReader(tt.in), &out, nil)
			if tt.code == "" {
				if err == nil || out.Len() > 0 {
					t.Errorf("respond = %v, %q; want an error and no response: %s", err, out.String(), tt.reason)
				}
				return
			}
			var r wire.Response
			if err := json.Unmarshal([]byte(out.String()), &r); err != nil || r.Error == nil || r.Error.Code != tt.code {
				t.Errorf("response %q; want code %s: %s", out.String(), tt.code, tt.reason)
			}
		})
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"help"}, {"run", "it"}} {
		if err := run(args); err == nil || !strings.Contains(err.Error(), "usage: ") {
			t.Errorf("run(%q) = %v; want the usage", args, err)
		}
	}
}

func TestBroker(t *testing.T) {
	here, there := net.Pipe()
	want := wire.BrokerResponse{Status: 200, Header: map[string]string{"Date": "today"}, Body: []byte("hello"), DurationMS: 7}
	asked := make(chan wire.BrokerRequest, 1)
	go func() {
		defer there.Close()
		line, _ := bufio.NewReader(there).ReadBytes('\n')
		var r wire.BrokerRequest
		_ = json.Unmarshal(line, &r)
		asked <- r
		_ = json.NewEncoder(there).Encode(want)
	}()
	b := brokerOn(here)
	request := wire.BrokerRequest{Method: "GET", URL: "https://status.example/api"}
	got, err := b.Do(t.Context(), request)
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("Do: %v (-want +got)\n%s", err, d)
	}
	if r := <-asked; r != request {
		t.Errorf("the broker was asked %+v, want %+v", r, request)
	}
	if _, err := b.Do(t.Context(), request); err == nil {
		t.Error("a closed broker responded")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Do(ended, request); !errors.Is(err, context.Canceled) {
		t.Errorf("Do after the end = %v; want the context's error", err)
	}
}
