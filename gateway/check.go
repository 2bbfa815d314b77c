package gateway

import (
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/sallyport/sallyport/adapters/notify"
	"github.com/sallyport/sallyport/api"
	"github.com/sallyport/sallyport/strict"
)

// checker finds faults of a configuration beyond its types.
type checker struct{ faults *strict.Faults }

// add adds the fault of a dotted key.
func (c *checker) add(key, format string, args ...any) { c.faults.AddKey(key, format, args...) }

func (c *checker) required(key, value string) {
	if value == "" {
		c.add(key, "is missing")
	}
}

func (c *checker) positive(key string, d time.Duration) {
	if d <= 0 {
		c.add(key, "must be more than 0, such as 30s")
	}
}

func (c *checker) hostPort(key, value string) {
	if host, port, err := net.SplitHostPort(value); err != nil || host == "" || port == "" {
		c.add(key, "is %q and must be host:port, such as 127.0.0.1:8080", value)
	}
}

func (c *checker) web(key, value string) {
	if u, err := url.Parse(value); value != "" && (err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https")) {
		c.add(key, "is %q and must be a URL such as https://temporal.example.com", value)
	}
}

// check reports all faults at once.
func (c *checker) check(conf Config) error {
	c.required("identities", conf.Identities)
	c.checkLedger(conf.Ledger)
	c.checkLimits("limits", conf.Limits.Limits)
	if conf.Limits.AtWork < 0 {
		c.add("limits.at_work", "must not be less than 0, which is no limit")
	}
	for agent, l := range conf.Limits.Agents {
		c.checkLimits("limits.agents."+agent, l)
	}
	c.checkAPI(conf.API)
	if conf.Worker.Listen != "" {
		c.hostPort("worker.listen", conf.Worker.Listen)
	}
	c.checkTemporal(conf.Temporal)
	c.checkPayloads(conf.Payloads)
	if conf.Git.Repository != "" {
		c.required("git.branch", conf.Git.Branch)
	}
	for environment, namespaces := range conf.Git.Environments {
		if len(namespaces) == 0 || slices.Contains(namespaces, "") {
			c.add("git.environments."+environment, "must list namespaces, such as [%s]", environment)
		}
	}
	if conf.Kubernetes != nil {
		c.checkKubernetes(*conf.Kubernetes)
	}
	if conf.Notifications != nil {
		c.checkNotifications(*conf.Notifications)
	}
	if _, err := conf.Log.Logger(os.Stderr); err != nil {
		c.add("log", "%v", err)
	}
	c.positive("sweep.every", conf.Sweep.Every)
	c.positive("sweep.grace", conf.Sweep.Grace)
	c.positive("sweep.run_grace", conf.Sweep.RunGrace)
	return c.faults.Err()
}

func (c *checker) checkLedger(conf LedgerConfig) {
	readers := []api.TileReaders{api.TilesNobody, api.TilesAuditors, api.TilesAnyone}
	switch {
	case conf.DSNFile == "":
		c.required("ledger.path", conf.Path)
	case conf.Path != "":
		c.add("ledger.path", "and dsn_file are both set: set one of them")
	}
	c.required("ledger.key_file", conf.KeyFile)
	if conf.Retention < 0 {
		c.add("ledger.retention", "must not be less than 0, which keeps contents for good")
	}
	if !slices.Contains(readers, api.TileReaders(conf.Tiles)) {
		c.add("ledger.tiles", "is %q and must be one of %q", conf.Tiles, readers)
	}
}

func (c *checker) checkLimits(key string, l Limits) {
	if min(l.CallsPerMinute, l.Running, l.Waiting) < 0 || l.BytesPerDay < 0 {
		c.add(key, "has a negative number: 0 is no limit, and a freeze stops an agent altogether")
	}
}

func (c *checker) checkAPI(conf APIConfig) {
	c.hostPort("api.listen", conf.Listen)
	if u, err := url.Parse(conf.ExternalURL); conf.ExternalURL != "" && (err != nil || !strict.SecureURL(u) || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil) {
		c.add("api.external_url", "is %q and must be https://host, without a path, or http to one of the %s: clients send tokens there", conf.ExternalURL, strict.LoopbackRule)
	}
	c.positive("api.max_wait", conf.MaxWait)
	if conf.JoinWrites < 0 || conf.JoinWrites > time.Hour || conf.JoinWrites%time.Second != 0 {
		c.add("api.join_writes", "must be whole seconds up to 1h, or 0, which joins no writes")
	}
	if conf.CallsPerSecond <= 0 {
		c.add("api.calls_per_second", "must be more than 0, or no agent could call")
	}
	if conf.CallsBurst < 1 {
		c.add("api.calls_burst", "must be at least 1, or no agent could call")
	}
	if conf.ReadsPerSecond <= 0 {
		c.add("api.reads_per_second", "must be more than 0, or no call could be read")
	}
	if conf.ReadsBurst < 1 {
		c.add("api.reads_burst", "must be at least 1, or no call could be read")
	}
}

func (c *checker) checkTemporal(conf TemporalConfig) {
	c.required("temporal.namespace", conf.Namespace)
	c.hostPort("temporal.address", conf.Address)
	c.web("temporal.ui", conf.UI)
	if host, _, err := net.SplitHostPort(conf.Address); err == nil && conf.TLS == nil && !strict.Loopback(host) {
		c.add("temporal.address", "is %s, which is none of the %s: set temporal.tls, or tokens and calls would travel in plain text", conf.Address, strict.LoopbackRule)
	}
	if t := conf.TLS; t != nil && (t.CertFile == "") != (t.KeyFile == "") {
		c.add("temporal.tls", "has one of cert_file and key_file: set both or none")
	}
}

func (c *checker) checkPayloads(keys []PayloadKey) {
	if len(keys) == 0 {
		c.add("payload_keys", "is missing: histories are never written in the clear")
	}
	for i, k := range keys {
		if k.ID == "" || k.File == "" {
			c.add("payload_keys", "has an entry, number %d, without id or file", i+1)
		}
	}
}

func (c *checker) checkNotifications(conf NotificationConfig) {
	if _, err := notify.CheckURL(conf.URL); err != nil {
		c.add("notifications.url", "%v", err)
	}
	if len(conf.SecretFiles) == 0 || slices.Contains(conf.SecretFiles, "") {
		c.add("notifications.secret_files", "must name a file at least, and no empty ones: receivers could not tell our events from forged ones")
	}
}

func (c *checker) checkKubernetes(conf KubernetesConfig) {
	c.required("kubernetes.namespace", conf.Namespace)
	c.required("kubernetes.executor_image", conf.ExecutorImage)
	if len(conf.Targets) == 0 {
		c.add("kubernetes.targets", "must name a namespace that calls may be about, or none could run")
	}
	if _, err := networks(conf.APIServer); err != nil || len(conf.APIServer) == 0 {
		c.add("kubernetes.api_server", "must name the API server's own addresses, such as 192.0.2.1:6443 (kubectl get endpoints kubernetes)")
	}
	c.positive("kubernetes.schedule_within", conf.ScheduleTime)
	c.positive("kubernetes.ttl", conf.TTL)
	if r := conf.Reply; r != nil {
		c.hostPort("kubernetes.reply.listen", r.Listen)
		c.required("kubernetes.reply.namespace", r.Namespace)
		if len(r.Labels) == 0 {
			c.add("kubernetes.reply.labels", "must select the worker's pod, or no executor could reach it")
		}
		if r.Address != "" {
			if p, err := netip.ParseAddrPort(r.Address); err != nil || p.Port() == 0 {
				c.add("kubernetes.reply.address", "is %q and must be an IP address and a port", r.Address)
			}
		}
	}
}
