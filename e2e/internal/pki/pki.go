// Package pki makes what the parts of a test cluster know each other by: an
// authority that lives for the cluster's lifetime, certificates, the key that
// signs service accounts' tokens, and kubeconfigs.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// lifetime is longer than any test cluster is kept.
const lifetime = 90 * 24 * time.Hour

// Authority signs certificates and writes them into one directory. It is not
// safe for concurrent use.
type Authority struct {
	dir    string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	pem    []byte
	serial int64
	now    time.Time
}

// New makes an authority, and writes its certificate to ca.crt in dir.
func New(dir string, now time.Time) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	a := &Authority{dir: dir, now: now.Add(-time.Minute)}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a.key = key
	a.cert = &x509.Certificate{
		Subject: pkix.Name{CommonName: "test-cluster"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	a.pem, err = a.sign(a.cert, &key.PublicKey)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(a.pem)
	if a.cert, err = x509.ParseCertificate(block.Bytes); err != nil {
		return nil, err
	}
	return a, os.WriteFile(filepath.Join(dir, "ca.crt"), a.pem, 0o600)
}

// Server writes name.crt and name.key for a server with these host names and
// addresses.
func (a *Authority) Server(name string, hosts []string, ips ...net.IP) error {
	_, _, err := a.issue(name, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: hosts, IPAddresses: ips,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return err
}

// Client is who a kubeconfig is for.
type Client struct {
	File   string   // name of the files, without endings
	User   string   // as the API server sees it
	Groups []string // the same
}

// Client writes a certificate and a kubeconfig that uses it at server, and
// returns the kubeconfig.
func (a *Authority) Client(c Client, server string) ([]byte, error) {
	cert, key, err := a.issue(c.File, &x509.Certificate{
		Subject:     pkix.Name{CommonName: c.User, Organization: c.Groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, err
	}
	type named map[string]any
	config, err := json.MarshalIndent(named{
		"apiVersion": "v1", "kind": "Config", "current-context": "e2e",
		"clusters": []named{{"name": "e2e", "cluster": named{"server": server, "certificate-authority-data": a.pem}}},
		"contexts": []named{{"name": "e2e", "context": named{"cluster": "e2e", "user": c.User}}},
		"users":    []named{{"name": c.User, "user": named{"client-certificate-data": cert, "client-key-data": key}}},
	}, "", "  ")
	if err != nil {
		return nil, err
	}
	return config, os.WriteFile(filepath.Join(a.dir, c.File+".kubeconfig"), config, 0o600)
}

// ServiceAccounts writes the key that signs their tokens to sa.key, and its
// public half to sa.pub.
func (a *Authority) ServiceAccounts() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if _, err := a.writeKey("sa", key); err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(a.dir, "sa.pub"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600)
}

func (a *Authority) issue(name string, template *x509.Certificate) (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	if cert, err = a.sign(template, &private.PublicKey); err != nil {
		return nil, nil, fmt.Errorf("the certificate of %s: %w", name, err)
	}
	if key, err = a.writeKey(name, private); err != nil {
		return nil, nil, err
	}
	return cert, key, os.WriteFile(filepath.Join(a.dir, name+".crt"), cert, 0o600)
}

func (a *Authority) sign(template *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	a.serial++
	template.SerialNumber = big.NewInt(a.serial)
	template.NotBefore, template.NotAfter = a.now, a.now.Add(lifetime)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, public, a.key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

func (a *Authority) writeKey(name string, key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return data, os.WriteFile(filepath.Join(a.dir, name+".key"), data, 0o600)
}
