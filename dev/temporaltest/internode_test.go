package temporaltest_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sallyport/sallyport/dev/temporaltest"
	"github.com/sallyport/sallyport/temporal-server/authz"
)

// TestInternalPorts looks up every port that the server listens on and tries
// each but the frontend's as an attacker with a shell on the machine would: the
// services behind them authenticate no peer and trust every principal that a
// request names.
func TestInternalPorts(t *testing.T) {
	t.Parallel()
	server := temporaltest.Start(t, temporaltest.Options{})
	work(t, server, server.Service(authz.Worker))
	gateway := gatewayClient(t, server)
	call := submit(t, gateway, "call-1")
	internal := slices.DeleteFunc(listeners(t, server.PID(t)), func(addr string) bool { return addr == server.FrontendAddr() })
	if len(internal) != 4 {
		t.Fatalf("the server listens on %v besides the frontend, want history, matching, worker and internal frontend", internal)
	}
	ways := map[string]credentials.TransportCredentials{
		"PlainText":        insecure.NewCredentials(),
		"NoCertificate":    credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}),
		"OtherCertificate": credentials.NewTLS(&tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{selfSigned(t)}}),
	}
	for _, addr := range internal {
		for name, way := range ways {
			t.Run(name, func(t *testing.T) {
				for _, method := range internalMethods() {
					if code, err := signalDirectly(t, addr, method, way); code != codes.Unavailable {
						t.Errorf("%s answers %s: %s %v", addr, method, code, err)
					}
				}
			})
		}
		wantAlert(t, addr)
	}
	bob := server.Dial(t, server.Person("bob"))
	if err := bob.SignalWorkflow(t.Context(), "call-1", "", "approve", "yes"); err != nil {
		t.Fatalf("bob approves: %v", err)
	}
	if got := result(t, call); got != "yes" {
		t.Errorf("result %q: a signal that bob did not send came through", got)
	}
}

// internalMethods are a method of each service that is served inside.
func internalMethods() []string {
	return []string{
		"/temporal.api.workflowservice.v1.WorkflowService/SignalWorkflowExecution",
		"/temporal.server.api.historyservice.v1.HistoryService/SignalWorkflowExecution",
		"/temporal.server.api.matchingservice.v1.MatchingService/PollWorkflowTaskQueue",
		"/temporal.server.api.adminservice.v1.AdminService/DescribeMutableState",
		"/grpc.health.v1.Health/Check",
	}
}

// signalDirectly calls a method with the headers by which the server's parts
// tell each other who is behind a request.
func signalDirectly(t *testing.T, addr, method string, way credentials.TransportCredentials) (codes.Code, error) {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(way))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "temporal-principal-type", "jwt", "temporal-principal-name", "bob")
	err = conn.Invoke(ctx, method, &workflowservice.SignalWorkflowExecutionRequest{
		Namespace: "default", WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: "call-1"}, SignalName: "approve",
	}, &workflowservice.SignalWorkflowExecutionResponse{})
	return status.Code(err), err
}

// wantAlert sees that it is TLS that refuses, and why.
func wantAlert(t *testing.T, addr string) {
	t.Helper()
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}}
	conn, err := dialer.DialContext(t.Context(), "tcp", addr)
	if err == nil {
		_, err = io.ReadAll(conn) // with TLS 1.3 a client learns it after the handshake
		_ = conn.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("%s refuses with %v, want that a certificate is required", addr, err)
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "internode.sallyport.invalid"},
		DNSNames: []string{"internode.sallyport.invalid"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// listeners are the TCP addresses that a process listens on, as the kernel
// says.
func listeners(t *testing.T, pid int) []string {
	t.Helper()
	sockets := map[string]bool{}
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil { // it may have been closed meanwhile
			sockets[strings.TrimSuffix(strings.TrimPrefix(to, "socket:["), "]")] = true
		}
	}
	var addrs []string
	for _, table := range []string{"tcp", "tcp6"} {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			f := strings.Fields(line)
			const listening = "0A"
			if len(f) < 10 || f[3] != listening || !sockets[f[9]] {
				continue
			}
			_, hex, _ := strings.Cut(f[1], ":")
			port, err := strconv.ParseUint(hex, 16, 16)
			if err != nil {
				t.Fatal(err)
			}
			addrs = append(addrs, fmt.Sprintf("127.0.0.1:%d", port))
		}
	}
	return addrs
}
