package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/cmd/internal/cli"
)

// TestCompletion asks for words as a shell does.
func TestCompletion(t *testing.T) {
	s := newStage(t)
	s.tools = []sallyport.Tool{{Name: "some_tool", Title: "does\tsome\n" + hostile}, {Name: "other_tool"}}
	id := s.asked.CallID
	for name, tt := range map[string]struct {
		as    string
		words []string
		want  []string
		not   string
	}{
		"Tools":   {"deploy-bot", []string{"call", "some"}, []string{`some_tool` + "\t" + `does\tsome\na\u{001b}[2J`}, "other_tool"},
		"Decide":  {"deploy-bot", []string{"decide", ""}, []string{"some_tool", "other_tool"}, ""},
		"Show":    {"deploy-bot", []string{"tools", "show", "o"}, []string{"other_tool"}, "some_tool"},
		"Calls":   {"olga", []string{"get", ""}, []string{id + "\tawaiting_approval gitops_scale_deployment production/api\n", s.other}, ""},
		"Proofs":  {"audra", []string{"prove", id[:20]}, []string{id}, ""},
		"Open":    {"deploy-bot", []string{"cancel", ""}, []string{id, s.other}, ""},
		"Ballots": {"bob", []string{"approve", ""}, []string{id, s.other}, ""},
		"Person":  {"bob", []string{"get", ""}, []string{id, s.other}, ""},
		"Follow":  {"deploy-bot", []string{"call", "--follow", ""}, []string{id, s.other}, ""},
		"Denied":  {"bob", []string{"call", ""}, nil, "_tool"},
		"Once":    {"olga", []string{"get", id, ""}, nil, id},
		"Output":  {"olga", []string{"list", "-o", ""}, []string{"table\njson\nyaml\n"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("SALLYPORT_TOKEN", tt.as)
			t.Setenv("SALLYPORT_SERVER", s.server.URL)
			out, code := completed(tt.words...)
			for _, want := range tt.want {
				if code != 0 || !strings.Contains(out, want) {
					t.Errorf("it exits with %d and offers %q; want %q", code, out, want)
				}
			}
			if tt.not != "" && strings.Contains(out, tt.not) || sallyport.Visible(out) != out {
				t.Errorf("it offers %q", out)
			}
		})
	}
}

func completed(words ...string) (out string, code int) {
	var b, errs strings.Builder
	code = cli.Run(command(), append([]string{"__complete"}, words...), strings.NewReader(""), &b, &errs)
	return b.String(), code
}

// TestCompletionIsSilent where there is no gateway, no log-in, or no response.
func TestCompletionIsSilent(t *testing.T) {
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer hangs.Close()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	for name, tt := range map[string]struct{ server, token string }{
		"NoGateway": {"", ""}, "NoLogin": {"http://127.0.0.1:1", ""}, "Away": {"http://127.0.0.1:1", "t"}, "Hangs": {hangs.URL, "t"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("SALLYPORT_SERVER", tt.server)
			t.Setenv("SALLYPORT_TOKEN", tt.token)
			began := time.Now()
			if out, code := completed("get", ""); code != 0 || out != ":4\n" { // no words, and no files
				t.Errorf("it exits with %d and prints %q", code, out)
			}
			if took := time.Since(began); took > 10*completionPatience {
				t.Errorf("the shell waited for %s", took)
			}
		})
	}
}
