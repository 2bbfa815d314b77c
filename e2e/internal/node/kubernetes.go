package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const etcd = "http://127.0.0.1:2379"

// control starts etcd and the API server, waits until it is ready, and starts
// what acts on it.
func (p *programs) control(ctx context.Context) error {
	const peers = "http://127.0.0.1:2380"
	if err := p.kubernetes(ctx,
		"etcd", "--name="+Name, "--data-dir=/run/cluster/etcd", "--log-level=warn",
		"--unsafe-no-fsync", // it lives in memory anyway
		"--listen-client-urls="+etcd, "--advertise-client-urls="+etcd,
		"--listen-peer-urls="+peers, "--initial-advertise-peer-urls="+peers, "--initial-cluster="+Name+"="+peers,
	); err != nil {
		return err
	}
	if err := p.kubernetes(ctx,
		"kube-apiserver", "--etcd-servers="+etcd,
		"--secure-port=443", "--bind-address=0.0.0.0", "--advertise-address="+Address, "--service-cluster-ip-range="+ServiceCIDR,
		"--tls-cert-file="+pkiDir+"/apiserver.crt", "--tls-private-key-file="+pkiDir+"/apiserver.key", "--client-ca-file="+pkiDir+"/ca.crt",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-signing-key-file="+pkiDir+"/sa.key", "--service-account-key-file="+pkiDir+"/sa.pub",
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true", "--anonymous-auth=false",
		"--kubelet-client-certificate="+pkiDir+"/apiserver-client.crt", "--kubelet-client-key="+pkiDir+"/apiserver-client.key",
		"--kubelet-certificate-authority="+pkiDir+"/ca.crt", "--kubelet-preferred-address-types=InternalIP",
	); err != nil {
		return err
	}
	client, err := admin()
	if err != nil {
		return err
	}
	if err := p.until(ctx, "the API server", func(ctx context.Context) error { return readyz(ctx, client) }); err != nil {
		return err
	}
	const manager = pkiDir + "/kube-controller-manager.kubeconfig"
	if err := p.kubernetes(ctx,
		"kube-controller-manager", "--kubeconfig="+manager, "--authentication-kubeconfig="+manager, "--authorization-kubeconfig="+manager,
		"--leader-elect=false", "--use-service-account-credentials=true", "--kube-api-qps=200", "--kube-api-burst=400",
		"--root-ca-file="+pkiDir+"/ca.crt", "--service-account-private-key-file="+pkiDir+"/sa.key", "--client-ca-file="+pkiDir+"/ca.crt",
		"--cert-dir=/run/cluster/kube-controller-manager", "--bind-address=127.0.0.1",
	); err != nil {
		return err
	}
	return p.kubernetes(ctx,
		"kube-scheduler", "--config="+confDir+"/kube-scheduler.yaml",
		"--cert-dir=/run/cluster/kube-scheduler", "--bind-address=127.0.0.1",
	)
}

// workers starts what makes pods run and reach each other.
func (p *programs) workers(ctx context.Context) error {
	if err := p.kubernetes(ctx, "kube-proxy", "--config="+confDir+"/kube-proxy.yaml"); err != nil {
		return err
	}
	if err := p.start(ctx, 0,
		"netpold", p.Netpold, "-kubeconfig="+pkiDir+"/admin.kubeconfig", "-pod-cidr="+PodCIDR, "-gateway="+Address,
	); err != nil {
		return err
	}
	// Its start reads and writes the node's capacity at once, and seldom dies of
	// it ("concurrent map read and map write"). On any node it is started again.
	return p.start(ctx, 3,
		"kubelet", p.Kubernetes, "kubelet", "--config="+confDir+"/kubelet.yaml", "--kubeconfig="+pkiDir+"/kubelet-client.kubeconfig",
		"--hostname-override="+Name, "--node-ip="+Address,
	)
}

// images loads the archives that the cluster's directory holds.
func (p *programs) images(ctx context.Context) error {
	archives, err := filepath.Glob(filepath.Join(p.dir.Images(), "*.tar"))
	if err != nil {
		return err
	}
	if err := p.until(ctx, "containerd", func(ctx context.Context) error { return ctr(ctx, "version") }); err != nil {
		return err
	}
	for _, archive := range archives {
		if err := ctr(ctx, "images", "import", archive); err != nil {
			return err
		}
	}
	return nil
}

func ctr(ctx context.Context, args ...string) error {
	if out, err := exec.CommandContext(ctx, "ctr", append([]string{"--namespace=k8s.io"}, args...)...).CombinedOutput(); err != nil { //nolint:gosec // ours
		return fmt.Errorf("ctr %v: %w: %s", args, err, out)
	}
	return nil
}

// dns starts the cluster's name server.
func (p *programs) dns(ctx context.Context) error {
	c := exec.CommandContext(ctx, p.Kubernetes, "kubectl", "--kubeconfig="+pkiDir+"/admin.kubeconfig", //nolint:gosec // ours
		"create", "--validate=false", "--filename="+confDir+"/coredns.yaml")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("CoreDNS: %w: %s", err, out)
	}
	return nil
}

// admin is a client of the API server that may do anything.
func admin() (*http.Client, error) {
	ca, err := os.ReadFile(pkiDir + "/ca.crt")
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	cert, err := tls.LoadX509KeyPair(pkiDir+"/admin.crt", pkiDir+"/admin.key")
	if err != nil {
		return nil, err
	}
	config := &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13}
	return &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{TLSClientConfig: config}}, nil
}

func readyz(ctx context.Context, c *http.Client) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+API+"/readyz", nil)
	if err != nil {
		return err
	}
	answer, err := c.Do(request)
	if err != nil {
		return err
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("/readyz answers %s", answer.Status)
	}
	return nil
}
