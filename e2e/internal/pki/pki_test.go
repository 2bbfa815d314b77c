package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport/sallyport/e2e/internal/pki"
)

// TestServerAndClientKnowEachOther: by the files and the kubeconfig alone,
// and the server sees who it is.
func TestServerAndClientKnowEachOther(t *testing.T) {
	dir := t.TempDir()
	a, err := pki.New(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Server("apiserver", nil, net.IPv4(127, 0, 0, 1)); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		subject := r.TLS.PeerCertificates[0].Subject
		_ = json.NewEncoder(w).Encode([]string{subject.CommonName, subject.Organization[0]})
	}))
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "apiserver.crt"), filepath.Join(dir, "apiserver.key"))
	if err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert}
	server.StartTLS()
	defer server.Close()

	data, err := a.Client(pki.Client{File: "admin", User: "alice", Groups: []string{"admins"}}, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	var kubeconfig struct {
		Clusters []struct {
			Cluster struct {
				Server    string `json:"server"`
				Authority []byte `json:"certificate-authority-data"`
			} `json:"cluster"`
		} `json:"clusters"`
		Users []struct {
			User struct {
				Cert []byte `json:"client-certificate-data"`
				Key  []byte `json:"client-key-data"`
			} `json:"user"`
		} `json:"users"`
	}
	if err := json.Unmarshal(data, &kubeconfig); err != nil {
		t.Fatal(err)
	}
	mine, err := tls.X509KeyPair(kubeconfig.Users[0].User.Cert, kubeconfig.Users[0].User.Key)
	if err != nil {
		t.Fatal(err)
	}
	trust := x509.NewCertPool()
	trust.AppendCertsFromPEM(kubeconfig.Clusters[0].Cluster.Authority)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust, Certificates: []tls.Certificate{mine}}}}
	answer, err := client.Get(kubeconfig.Clusters[0].Cluster.Server)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var who []string
	if err := json.NewDecoder(answer.Body).Decode(&who); err != nil || len(who) != 2 || who[0] != "alice" || who[1] != "admins" {
		t.Errorf("the server saw %v (%v)", who, err)
	}
	for _, secret := range []string{"admin.key", "apiserver.key", "admin.kubeconfig"} {
		if info, err := os.Stat(filepath.Join(dir, secret)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", secret, info, err)
		}
	}
}
