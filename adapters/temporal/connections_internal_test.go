package temporal

import (
	"context"
	"testing"
)

type named string

func (n named) GetHeaders(context.Context) (map[string]string, error) {
	return map[string]string{"authorization": string(n)}, nil
}

// TestBothCredentials: where API and worker share a client, neither's requests
// carry the other's credentials. An unmarked request is the worker's, which may
// start no call.
func TestBothCredentials(t *testing.T) {
	type derived struct{}
	for name, tt := range map[string]struct {
		ctx  context.Context
		both bothCredentials
		want string
	}{
		"API":            {ctx: ofAPI(t.Context()), both: bothCredentials{api: named("api"), worker: named("worker")}, want: "api"},
		"APIFurtherDown": {ctx: context.WithValue(ofAPI(t.Context()), derived{}, 1), both: bothCredentials{api: named("api"), worker: named("worker")}, want: "api"},
		"Worker":         {ctx: t.Context(), both: bothCredentials{api: named("api"), worker: named("worker")}, want: "worker"},
		"APIHasNone":     {ctx: ofAPI(t.Context()), both: bothCredentials{worker: named("worker")}, want: ""},
		"NoTokens":       {ctx: t.Context(), want: ""},
	} {
		h, err := tt.both.GetHeaders(tt.ctx)
		if err != nil || h["authorization"] != tt.want {
			t.Errorf("%s: headers %v, %v; want those of %q", name, h, err, tt.want)
		}
	}
}
