package netpol

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	netlisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/cache"
)

// Enforcer keeps the rules in step with the cluster.
type Enforcer struct {
	Client  kubernetes.Interface
	Listen  net.Listener // for the CNI plugin
	CIDR    string       // all pods' addresses
	Gateway string       // the node's address among them
	Log     *slog.Logger
}

// Run enforces policies until ctx ends.
func (e Enforcer) Run(ctx context.Context) error {
	if e.Client == nil || e.Listen == nil || e.Log == nil {
		return errors.New("an enforcer needs a client, a listener and a logger")
	}
	kick := make(chan struct{}, 1)
	changed := func() {
		select {
		case kick <- struct{}{}:
		default: // one is due already
		}
	}
	factory := informers.NewSharedInformerFactory(e.Client, 0)
	pods, namespaces, policies := factory.Core().V1().Pods(), factory.Core().V1().Namespaces(), factory.Networking().V1().NetworkPolicies()
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { changed() }, UpdateFunc: func(any, any) { changed() }, DeleteFunc: func(any) { changed() },
	}
	for _, i := range []cache.SharedIndexInformer{pods.Informer(), namespaces.Informer(), policies.Informer()} {
		if _, err := i.AddEventHandler(handler); err != nil {
			return err
		}
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())

	arrived := newArrivals(changed)
	failed := make(chan error, 1)
	go func() { failed <- arrived.serve(ctx, e.Listen) }()
	loop := loop{Enforcer: e, pods: pods.Lister(), namespaces: namespaces.Lister(), policies: policies.Lister(), arrived: arrived}
	changed()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-failed:
			return err
		case <-kick:
			if err := loop.render(ctx); err != nil {
				e.Log.LogAttrs(ctx, slog.LevelError, "the old rules stay in force, and new pods wait", slog.Any("error", err))
				time.AfterFunc(time.Second, changed)
			}
		}
	}
}

// loop is what one round of rendering needs.
type loop struct {
	Enforcer

	pods       corelisters.PodLister
	namespaces corelisters.NamespaceLister
	policies   netlisters.NetworkPolicyLister
	arrived    *arrivals
	last       string
}

// render puts what the cluster says now in force.
func (l *loop) render(ctx context.Context) error {
	pods, err := l.pods.List(labels.Everything())
	if err != nil {
		return err
	}
	namespaces, err := l.namespaces.List(labels.Everything())
	if err != nil {
		return err
	}
	s := Snapshot{Pods: l.arrived.with(pods), Namespaces: map[string]labels.Set{}, CIDR: l.CIDR, Gateway: l.Gateway}
	for _, n := range namespaces {
		s.Namespaces[n.Name] = n.Labels
	}
	if s.Policies, err = l.policies.List(labels.Everything()); err != nil {
		return err
	}
	script, known, err := s.Rules()
	if err != nil {
		return err
	}
	if script != l.last {
		if err := load(ctx, script); err != nil {
			return err
		}
		l.last = script
	}
	l.arrived.nowInForce(known)
	return nil
}

func load(ctx context.Context, script string) error {
	nft := exec.CommandContext(ctx, "nft", "-f", "-")
	nft.Stdin = strings.NewReader(script)
	if out, err := nft.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w\n%s\n%s", err, out, script)
	}
	return nil
}
