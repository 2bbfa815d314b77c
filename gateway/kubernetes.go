package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/images"
	"github.com/sallyport/sallyport/adapters/kube"
	"github.com/sallyport/sallyport/tools"
)

// fill sets the defaults of a configuration of Kubernetes.
func (k *KubernetesConfig) fill() {
	if k == nil {
		return
	}
	if k.TTL == 0 {
		k.TTL = 30 * time.Second
	}
	if k.ScheduleTime == 0 {
		k.ScheduleTime = 15 * time.Second
	}
}

// runnerNames are the runners that a configuration has.
func (c Config) runnerNames() []string {
	var names []string
	if !c.Sandbox.Disabled {
		names = append(names, tools.RunnerSandbox)
	}
	if c.Kubernetes != nil {
		names = append(names, tools.RunnerKube)
	}
	return names
}

// kubernetes makes the kube runner.
func (g *Gateway) kubernetes() (*kube.Runner, error) {
	k := *g.o.Config.Kubernetes
	client, err := kube.Connect(k.Kubeconfig)
	if err != nil {
		return nil, err
	}
	servers, err := networks(k.APIServer)
	if err != nil {
		return nil, err
	}
	o := kube.Options{
		Client: client, Recorder: g.ledger, Catalogue: g.catalogue, Namespace: k.Namespace, Targets: k.Targets, Executor: k.ExecutorImage, APIServer: servers, Annotations: k.Annotations,
		TTL: k.TTL, Patience: k.ScheduleTime, Logger: g.o.Logger,
	}
	if o.Images, err = k.images(); err != nil {
		return nil, err
	}
	if k.Reply != nil {
		if o.ResultReceiver, err = k.Reply.open(servers[0]); err != nil {
			return nil, err
		}
	}
	r, err := kube.New(o)
	if err != nil && o.ResultReceiver != nil {
		err = errors.Join(err, o.ResultReceiver.Listener.Close())
	}
	return r, err
}

// images verifies signatures of tools' images, or is nil where there are no
// keys to verify them with.
func (k *KubernetesConfig) images() (kube.Images, error) {
	if len(k.ImageKeys) == 0 {
		return nil, nil //nolint:nilnil // the runner rejects tools that must be signed
	}
	var o images.Options
	for _, file := range k.ImageKeys {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("kubernetes.image_keys: %w", err)
		}
		o.Keys = append(o.Keys, string(pem))
	}
	v, err := images.New(o)
	if err != nil {
		return nil, fmt.Errorf("kubernetes.image_keys: %w", err)
	}
	return v, nil
}

// open opens the listener of the result receiver.
func (r *ReplyConfig) open(server tools.Network) (*kube.ResultReceiver, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", r.Listen)
	if err != nil {
		return nil, fmt.Errorf("kubernetes.reply.listen: %w", err)
	}
	address := r.Address
	if address == "" {
		if address, err = towards(server, l); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	return &kube.ResultReceiver{Listener: l, Address: address, Namespace: r.Namespace, Labels: r.Labels}, nil
}

// towards is our source address on the route to the API server, with the port of
// l. It sends nothing: it asks the routing table.
func towards(server tools.Network, l net.Listener) (string, error) {
	prefix, err := netip.ParsePrefix(server.CIDR)
	if err != nil {
		return "", err
	}
	c, err := net.Dial("udp", netip.AddrPortFrom(prefix.Addr(), uint16(server.Port)).String()) //nolint:gosec,noctx // checked; and it only asks the routing table
	if err != nil {
		return "", fmt.Errorf("kubernetes.reply.address is not set, and there is no route to the API server: %w", err)
	}
	defer func() { _ = c.Close() }()
	host, _, err := net.SplitHostPort(c.LocalAddr().String())
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return net.JoinHostPort(host, port), err
}

// networks reads addresses and CIDRs, each with a port.
func networks(addresses []string) ([]tools.Network, error) {
	all := make([]tools.Network, len(addresses))
	for i, a := range addresses {
		host, number, err := net.SplitHostPort(a)
		if err != nil {
			return nil, fmt.Errorf("%q must be an address and a port, such as 192.0.2.1:6443: %w", a, err)
		}
		port, err := strconv.ParseUint(number, 10, 16)
		if err != nil || port == 0 {
			return nil, fmt.Errorf("%q must have a port from 1 to 65535", a)
		}
		if !strings.Contains(host, "/") {
			ip, err := netip.ParseAddr(host)
			if err != nil {
				return nil, fmt.Errorf("%q must be an IP address: %w", a, err)
			}
			host = netip.PrefixFrom(ip, ip.BitLen()).String()
		}
		if p, err := netip.ParsePrefix(host); err != nil || p.Masked() != p {
			return nil, fmt.Errorf("%q must be a CIDR without host bits, such as 192.0.2.0/24", a)
		}
		all[i] = tools.Network{CIDR: host, Port: int(port)}
	}
	return all, nil
}

// sweepKubernetes deletes Jobs, and revokes permissions, of ended calls until ctx
// ends.
func (g *Gateway) sweepKubernetes(ctx context.Context, r *kube.Runner) {
	ended := func(ctx context.Context, callID string) (bool, error) {
		rec, err := g.ledger.Call(ctx, callID)
		if sallyport.KindOf(err) == sallyport.NotFound {
			return false, nil // another gateway's, in the same namespace
		}
		return err == nil && rec.Outcome != nil, err
	}
	tick := time.NewTicker(g.o.Config.Sweep.Every)
	defer tick.Stop()
	for {
		if err := r.Sweep(ctx, ended); err != nil && ctx.Err() == nil {
			g.o.Logger.WarnContext(ctx, "could not delete all Jobs and permissions of ended calls; the sweeper will retry", slog.Any("error", err))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
