package temporal

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/sallyport/sallyport/activities"
)

// stock responds like servers that can't be run here: old ones, and ones with
// another configuration. Package integration inspects the one of this
// repository.
type stock struct {
	workflowservice.UnimplementedWorkflowServiceServer
	version       string
	authenticates bool
	allowList     bool
	down          bool
}

func (s *stock) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	if s.down {
		return nil, serviceerror.ToStatus(serviceerror.NewInternal("down")).Err()
	}
	return &workflowservice.GetSystemInfoResponse{ServerVersion: s.version, Capabilities: &workflowservice.GetSystemInfoResponse_Capabilities{}}, nil
}

func (s *stock) DescribeNamespace(ctx context.Context, _ *workflowservice.DescribeNamespaceRequest) (*workflowservice.DescribeNamespaceResponse, error) {
	if s.authenticates && len(metadata.ValueFromIncomingContext(ctx, "authorization")) == 0 {
		return nil, serviceerror.ToStatus(serviceerror.NewPermissionDenied("Request unauthorized.", "")).Err()
	}
	return &workflowservice.DescribeNamespaceResponse{}, nil
}

//nolint:revive,staticcheck // the name is the interface's
func (s *stock) RespondActivityTaskCompletedById(context.Context, *workflowservice.RespondActivityTaskCompletedByIdRequest) (*workflowservice.RespondActivityTaskCompletedByIdResponse, error) {
	if s.allowList {
		return nil, serviceerror.ToStatus(serviceerror.NewPermissionDenied("Request unauthorized.", "")).Err()
	}
	return nil, serviceerror.ToStatus(serviceerror.NewNotFound("workflow not found")).Err()
}

// clients serves s and connects with a token and without.
func (s *stock) clients(t *testing.T) (own, anonymous client.Client) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	workflowservice.RegisterWorkflowServiceServer(server, s)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	connect := func(headers Credentials) client.Client {
		o := client.Options{HostPort: l.Addr().String(), Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))}
		if headers != nil {
			o.HeadersProvider = headers
		}
		c, err := client.NewLazyClient(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	return connect(named("Bearer x")), connect(nil)
}

func TestInspect(t *testing.T) {
	for name, tt := range map[string]struct {
		server stock
		issuer string
		want   Guarantees
		says   []string
	}{
		"Ours": {
			server: stock{version: "1.32.1", authenticates: true, allowList: true}, issuer: "https://login.example.com",
			want: Guarantees{Version: "1.32.1", Principals: true, Authenticates: true, AllowList: true},
			says: []string{"server_version=1.32.1", "allow_list=true", `votes_by_signal="counted, if`},
		},
		"NoIssuer": {
			server: stock{version: "1.32.1", authenticates: true, allowList: true},
			want:   Guarantees{Version: "1.32.1", Principals: true, Authenticates: true, AllowList: true},
			says:   []string{"temporal.principal_issuer is not set; people vote with sallyport approve"},
		},
		"Stock": {
			server: stock{version: "1.31.0", authenticates: true}, issuer: "https://login.example.com",
			want: Guarantees{Version: "1.31.0", Principals: true, Authenticates: true},
			says: []string{"allow_list=false", "level=WARN", "does not enforce least privilege"},
		},
		"Old": {
			server: stock{version: "1.30.4", authenticates: true}, issuer: "https://login.example.com",
			want: Guarantees{Version: "1.30.4", Authenticates: true},
			says: []string{"servers before 1.31 don't say who sent a signal; people vote with sallyport approve"},
		},
		"Open": {
			server: stock{version: "1.32.1"}, issuer: "https://login.example.com",
			want: Guarantees{Version: "1.32.1", Principals: true},
			says: []string{"level=WARN", "accepts requests without a token", "authenticates no client"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			own, anonymous := tt.server.clients(t)
			got, err := Inspect(t.Context(), own, anonymous, "default")
			if err != nil || got != tt.want {
				t.Fatalf("%+v, %v; want %+v", got, err, tt.want)
			}
			var log bytes.Buffer
			got.log(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), tt.issuer)
			for _, s := range tt.says {
				if !strings.Contains(log.String(), s) {
					t.Errorf("the log does not say %q:\n%s", s, log.String())
				}
			}
		})
	}
	own, anonymous := (&stock{down: true}).clients(t)
	if got, err := Inspect(t.Context(), own, anonymous, "default"); err == nil {
		t.Errorf("a server that does not answer is taken for %+v", got)
	}
}

func TestVersions(t *testing.T) {
	for version, want := range map[string]bool{
		"1.31.0": true, "1.31.0-rc.1": true, "1.32": true, "1.100.0": true, "2.0.0": true,
		"1.30.9": false, "1.3.1": false, "0.99.0": false, "": false, "v1.32.0": false, "latest": false, "1": false,
	} {
		if got := carriesPrincipals(version); got != want {
			t.Errorf("%q: %t, want %t", version, got, want)
		}
	}
}

// history has one signal of bob's.
type history struct{}

func (history) Signals(context.Context, string, string, int64) ([]activities.Signal, error) {
	return []activities.Signal{{EventID: 7, Principal: "bob"}}, nil
}

// TestOldServersHaveNoPrincipals: whatever stands in the event, a server that
// does not know principals did not write it.
func TestOldServersHaveNoPrincipals(t *testing.T) {
	for version, want := range map[string]string{"1.32.1": "bob", "1.30.4": "", "odd": ""} {
		own, _ := (&stock{version: version}).clients(t)
		got, err := principals{history{}, own}.Signals(t.Context(), "call-1", "", 0)
		if err != nil || len(got) != 1 || got[0].Principal != want {
			t.Errorf("%s: %+v, %v; want principal %q", version, got, err, want)
		}
	}
	own, _ := (&stock{down: true}).clients(t)
	if got, err := (principals{history{}, own}).Signals(t.Context(), "call-1", "", 0); err == nil {
		t.Errorf("of a server that does not answer: %+v", got)
	}
}
