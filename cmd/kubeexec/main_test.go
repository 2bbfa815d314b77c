package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools/wire"
)

// executor runs with an environment, and files where pods have them.
func executor(t *testing.T, env map[string]string) program {
	t.Helper()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("for-this-reply\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return program{env: func(name string) string { return env[name] }, replyToken: token}
}

// said runs the program, and returns its one line.
func said(t *testing.T, p program) wire.Response {
	t.Helper()
	var out bytes.Buffer
	if err := p.run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	line, ok := strings.CutSuffix(out.String(), "\n")
	if !ok || strings.Contains(line, "\n") {
		t.Fatalf("not one line: %q", out.String())
	}
	var r wire.Response
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

const scaling = `{"mode":"run","intent":{"namespace":"staging","name":"api","tool":{"name":"k8s_scale_deployment"}}}`

func TestRespondsToBadRequests(t *testing.T) {
	for name, tt := range map[string]struct{ reason, request, lease, uid, code string }{
		"NoRequest":      {"the pod is not one of ours", "", "", "", sallyport.CodeInternal},
		"NotJSON":        {"the worker is at fault", "hello", "", "", sallyport.CodeInternal},
		"UnknownMember":  {"a member of a newer worker must not be ignored", `{"mode":"run","force":true}`, "", "", sallyport.CodeInternal},
		"Twice":          {"which one?", scaling + scaling, "", "", sallyport.CodeInternal},
		"LeaseElsewhere": {"the call has rights in its own namespace", scaling, "production/x", "1", sallyport.CodeInternal},
		"LeasePath":      {"it leads to another resource", scaling, "staging/x/y", "1", sallyport.CodeInternal},
		"LeaseNoName":    {"there is none", scaling, "staging/", "1", sallyport.CodeInternal},
		"LeaseNoPod":     {"the Lease would have no holder", scaling, "staging/x", "", sallyport.CodeInternal},
		"NoCluster":      {"the pod has no address of an API server", scaling, "staging/x", "1", sallyport.CodeInternal},
		"NoFiles":        {"the pod has no CA certificate", strings.Replace(scaling, "run", "plan", 1), "", "", sallyport.CodeInternal},
	} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{wire.EnvRequest: tt.request, wire.EnvLease: tt.lease, wire.EnvPodUID: tt.uid}
			if name == "NoFiles" {
				env["KUBERNETES_SERVICE_HOST"], env["KUBERNETES_SERVICE_PORT"] = "127.0.0.1", "1"
			}
			p := executor(t, env)
			p.apiCA = filepath.Join(t.TempDir(), "absent")
			if r := said(t, p); r.Error == nil || r.Error.Code != tt.code || r.Unknown {
				t.Errorf("response %+v: %s", r.Error, tt.reason)
			}
		})
	}
}

func TestRespondsAfterAPanic(t *testing.T) {
	p := executor(t, nil)
	p.env = func(name string) string {
		if name == wire.EnvRequest {
			return scaling
		}
		if name == wire.EnvLease {
			panic("at the disco")
		}
		return ""
	}
	r := said(t, p)
	if r.Error == nil || r.Error.Code != sallyport.CodeInternal || !strings.Contains(r.Error.Message, "disco") || !r.Unknown {
		t.Errorf("response %+v, %+v; want that it may have written", r, r.Error)
	}
}

// worker is a result receiver that handles its nth request with respond.
func worker(t *testing.T, respond func(n int32, w http.ResponseWriter, r *http.Request)) (url, ca string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { respond(asked.Add(1), w, r) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL + "/reply/job", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})), asked
}

// otherCertificate is a certificate of another authority.
func otherCertificate(t *testing.T) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	self := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, self, self, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func taken(_ int32, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

func TestPostsTheResponse(t *testing.T) {
	var out bytes.Buffer
	bodies := make(chan string, 2)
	url, ca, asked := worker(t, func(n int32, w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case r.Method != http.MethodPost || r.URL.Path != "/reply/job" || r.Header.Get("Authorization") != "Bearer for-this-reply":
			w.WriteHeader(http.StatusBadRequest)
		case n == 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			bodies <- string(body)
			w.WriteHeader(http.StatusNoContent)
		}
	})
	p := executor(t, map[string]string{wire.EnvReplyURL: url, wire.EnvReplyCA: ca})
	if err := p.run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	if asked.Load() != 2 {
		t.Fatalf("posted %d times, want once more than was refused for the moment", asked.Load())
	}
	if body := <-bodies; body == "" || body+"\n" != out.String() {
		t.Errorf("posted %q, said %q", body, out.String())
	}
}

// TestPostNeverFailsTheRun: the response stands in the log.
func TestPostNeverFailsTheRun(t *testing.T) {
	url, ca, posted := worker(t, taken)
	refusing, refusingCA, refusals := worker(t, func(_ int32, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	leading, leadingCA, _ := worker(t, func(_ int32, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, url, http.StatusTemporaryRedirect)
	})
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("posted without TLS") }))
	t.Cleanup(plain.Close)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	for name, tt := range map[string]struct{ url, ca string }{
		"Refused":   {refusing, refusingCA},
		"Redirect":  {leading, leadingCA},
		"Plain":     {plain.URL, ca},
		"NoCA":      {url, ""},
		"OtherCA":   {url, otherCertificate(t)},
		"Silent":    {"https://" + silent.Addr().String(), ca},
		"Malformed": {"https://%", ca},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			said(t, executor(t, map[string]string{wire.EnvReplyURL: tt.url, wire.EnvReplyCA: tt.ca}))
			if took := time.Since(start); took > 2*patience {
				t.Errorf("it took %v", took)
			}
		})
	}
	t.Cleanup(func() {
		if n := refusals.Load(); n != 1 {
			t.Errorf("a refusal was asked for %d times", n)
		}
		if n := posted.Load(); n != 0 {
			t.Errorf("%d responses went where they must not", n)
		}
	})
}

func TestDialRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := dial(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = conn.Close(), l.Close()
	if conn, err := dial(t.Context(), "tcp", l.Addr().String()); err == nil {
		_ = conn.Close()
		t.Error("connected to a closed port")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := dial(ended, "tcp", l.Addr().String()); err == nil {
		t.Error("connected after the end")
	}
}
