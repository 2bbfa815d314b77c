package intrusion

import (
	"maps"
	"net"
)

// Scene is what stands around an intruder.
type Scene struct {
	Namespace, Target, Neighbour string // the call's namespace, its Deployment, and another one there
	Elsewhere, Foreign           string // a namespace that the call isn't about, and a Deployment there
	Secret, Pod                  string // in Namespace
	PodAddress, Service          string // of other programs, as host:port
	Node, NodeName, DNS          string // addresses and the node's name
}

const (
	patch = `{"metadata":{"annotations":{"intruder-was":"here"}}}`
	pod   = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"intruder"},"spec":{"containers":[{"name":"a","image":"a"}]}}`
	job   = `{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"intruder"},"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"a","image":"a"}]}}}}`
	role  = `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{"name":"intruder"},"rules":[{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}]}`
	// It makes every service account a cluster administrator. All of these are
	// dry runs, for which the API server checks the same permissions.
	binding = `{"metadata":{"name":"intruder"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"cluster-admin"},"subjects":[{"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"system:serviceaccounts"}]}`
	open    = `{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"intruder"},"spec":{"podSelector":{},"egress":[{}]}}`
	dry     = "?dryRun=All"
)

func ask(name, method, path, body string) Attempt {
	header := map[string]string{"Content-Type": "application/json"}
	if method == "PATCH" {
		header["Content-Type"] = "application/merge-patch+json"
	}
	return Attempt{Name: name, API: &Request{Method: method, Path: path, Header: header, Body: body}}
}

// own is a way to the Deployment that the call is about.
func (s Scene) own(name, method, body string) Attempt {
	return ask(name, method, "/apis/apps/v1/namespaces/"+s.Namespace+"/deployments/"+s.Target, body)
}

// ReadTarget reads what the call is about.
func (s Scene) ReadTarget() Attempt { return s.own("read the target", "GET", "") }

// PatchTarget changes it, with the annotation that the call's writes have.
func (s Scene) PatchTarget(callID string) Attempt {
	return s.own("change the target", "PATCH", `{"metadata":{"annotations":{"sallyport.dev/call":"`+callID+`","intruder-was":"here"}}}`)
}

// API are requests that no rights of a call's account cover.
func (s Scene) API() []Attempt {
	deployments := "/apis/apps/v1/namespaces/" + s.Namespace + "/deployments"
	core, foreign := "/api/v1/namespaces/"+s.Namespace, "/apis/apps/v1/namespaces/"+s.Elsewhere+"/deployments/"+s.Foreign
	rbac := "/apis/rbac.authorization.k8s.io/v1/"
	as := ask("impersonate", "GET", "/api/v1/namespaces", "")
	as.API.Header["Impersonate-User"], as.API.Header["Impersonate-Group"] = "somebody", "system:masters"
	enter := ask("enter a pod", "GET", core+"/pods/"+s.Pod+"/exec?command=/testbox&command=print&stdout=true", "")
	maps.Copy(enter.API.Header, map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "aW50cnVkZXIgaW50cnVkZQ==", "Sec-WebSocket-Protocol": "v5.channel.k8s.io",
	})
	return []Attempt{
		ask("read a neighbour", "GET", deployments+"/"+s.Neighbour, ""),
		ask("list neighbours", "GET", deployments, ""),
		ask("change a neighbour", "PATCH", deployments+"/"+s.Neighbour, patch),
		ask("remove a neighbour", "DELETE", deployments+"/"+s.Neighbour+dry, ""),
		ask("read elsewhere", "GET", foreign, ""),
		ask("change elsewhere", "PATCH", foreign, patch),
		ask("read a Secret", "GET", core+"/secrets/"+s.Secret, ""),
		ask("list Secrets", "GET", core+"/secrets", ""),
		ask("list all Secrets", "GET", "/api/v1/secrets", ""),
		ask("make a token of its own", "POST", "/api/v1/namespaces/$namespace/serviceaccounts/$account/token", `{"spec":{}}`),
		ask("make another's token", "POST", core+"/serviceaccounts/default/token", `{"spec":{}}`),
		ask("make a pod beside it", "POST", "/api/v1/namespaces/$namespace/pods"+dry, pod),
		ask("make a Job beside it", "POST", "/apis/batch/v1/namespaces/$namespace/jobs"+dry, job),
		ask("make a pod in the target", "POST", "/api/v1/namespaces/"+s.Elsewhere+"/pods"+dry, restricted),
		ask("make a role", "POST", rbac+"namespaces/"+s.Namespace+"/roles"+dry, role),
		ask("bind a role", "POST", rbac+"namespaces/"+s.Namespace+"/rolebindings"+dry, binding),
		ask("bind a role of the cluster", "POST", rbac+"clusterrolebindings"+dry, binding),
		ask("open the network", "POST", "/apis/networking.k8s.io/v1/namespaces/$namespace/networkpolicies"+dry, open),
		ask("remove a policy", "DELETE", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/sallyport-calls-never"+dry, ""),
		ask("read another's log", "GET", core+"/pods/"+s.Pod+"/log", ""),
		ask("see the node", "GET", "/api/v1/nodes/"+s.NodeName, ""),
		ask("ask the kubelet through the API server", "GET", "/api/v1/nodes/"+s.NodeName+"/proxy/pods", ""),
		as, enter,
	}
}

// restricted is a pod that the target namespaces admit from every account with permission to create pods.
const restricted = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"intruder"},"spec":{
"securityContext":{"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}},
"containers":[{"name":"a","image":"a","securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}}]}}`

// Metadata and Internet are where clouds keep their credentials, and an address
// for examples.
const (
	Metadata = "169.254.169.254"
	Internet = "192.0.2.77"
)

// Network are addresses that no call may connect to.
func (s Scene) Network() []Attempt {
	to := func(name, host, port string) Attempt { return Attempt{Name: name, Dial: net.JoinHostPort(host, port)} }
	return []Attempt{
		to("the kubelet", s.Node, "10250"), to("the kubelet's read-only port", s.Node, "10255"), to("etcd", s.Node, "2379"),
		to("the metadata server", Metadata, "80"), to("the internet", Internet, "443"),
		{Name: "another pod", Dial: s.PodAddress},
		{Name: "a Service", Dial: s.Service},
		to("the name server by TCP", s.DNS, "53"),
		{Name: "names", Resolve: net.JoinHostPort(s.DNS, "53")},
	}
}

// Local are attempts on the machine.
func Local() []Attempt {
	var all []Attempt
	for _, what := range []string{
		"write to the root", "write to /etc", "write a parameter of the kernel", "make a device", "read other processes", "trace other processes",
		"become root", "mount", "leave its mounts", "leave its users", "a raw socket", "a packet socket", "the kernel's log",
	} {
		all = append(all, Attempt{Name: what, Local: what})
	}
	return all
}
