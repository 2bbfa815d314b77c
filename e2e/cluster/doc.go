// Package cluster runs a real Kubernetes with one node on this machine: etcd,
// API server, controller manager, scheduler, kubelet, kube-proxy, containerd,
// CoreDNS and NetworkPolicies that are enforced. It pulls no image, and needs
// Linux, root, Go, its module proxy, and a few of Debian's packages (Missing
// says which).
//
// A cluster lives in namespaces of its own. From outside it is reached
// through ports of the machine's loopback alone, and from inside nothing of
// the machine's network is. It ends by Down, or with the process that started
// it, however that ends, and leaves only its directory with the logs.
//
//	c, err := cluster.Up(ctx, cluster.Options{Dir: dir})
//	if err != nil {
//		return err
//	}
//	defer func() { err = errors.Join(err, c.Down(ctx)) }()
//	client, err := c.Client()
//
// Images come from archives (see Image and Load), and pods use them with
// imagePullPolicy: Never. Policies see the pods' own addresses and ports, as
// with most networks: allow a Service's targetPort, and the API server by the
// address and port of its endpoint. A connection that is denied times out.
package cluster
