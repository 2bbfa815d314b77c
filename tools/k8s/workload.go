package k8s

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sallyport/sallyport"
)

// An agent that chooses the program of a container has everything that the
// container has. So a workload that the tool applies has no secret, no other
// ServiceAccount, no data of other workloads and nothing of its node: its pods
// keep to the restricted Pod Security Standard, and have the members below and
// no others.

// podTemplate is the rule of a pod template, whose metadata has a rule of its own.
func podTemplate(metadata rule) rule {
	return func(at string, v any) error {
		if err := (members{"metadata": metadata, "spec": podSpec(metadata).check}).check(at, v); err != nil {
			return err
		}
		template, _ := v.(map[string]any)
		spec, _ := template["spec"].(map[string]any)
		return checkRestricted(at+".spec", spec)
	}
}

func podSpec(metadata rule) members {
	containers := each(container().check)
	return plain("restartPolicy", "terminationGracePeriodSeconds", "activeDeadlineSeconds", "enableServiceLinks", "automountServiceAccountToken",
		"shareProcessNamespace", "hostname", "subdomain", "setHostnameAsFQDN", "hostUsers", "imagePullSecrets", "readinessGates", "resources", "os",
		"nodeSelector", "affinity", "topologySpreadConstraints", "preemptionPolicy").and(members{
		"containers":         containers,
		"initContainers":     containers,
		"volumes":            each(volume(metadata).check),
		"securityContext":    podSecurity().check,
		"serviceAccountName": only(sallyport.CodeOtherAccount, "", "default"),
		"serviceAccount":     only(sallyport.CodeOtherAccount, "", "default"),
		"hostNetwork":        only(sallyport.CodeHostAccess, false),
		"hostPID":            only(sallyport.CodeHostAccess, false),
		"hostIPC":            only(sallyport.CodeHostAccess, false),
		"nodeName":           never(sallyport.CodeHostAccess, "the scheduler chooses the node"),
		"dnsPolicy":          only(sallyport.CodeNotApplicable, "ClusterFirst", "Default"),
		"schedulerName":      only(sallyport.CodeNotApplicable, "default-scheduler"),
		"priorityClassName":  checkPriority,
		"tolerations":        each(checkToleration),
	})
}

// checkPriority refuses the priorities that evict what the cluster itself needs.
func checkPriority(at string, v any) error {
	if name, ok := v.(string); !ok || strings.HasPrefix(name, "system-") {
		return failf(sallyport.CodeHostAccess, "%s is %.64s: pods of that priority evict those of the cluster itself", at, fmt.Sprint(v))
	}
	return nil
}

// checkToleration refuses to place pods beside the control plane.
func checkToleration(at string, v any) error {
	t, _ := v.(map[string]any)
	switch key := text(t, "key"); {
	case key == "":
		return failf(sallyport.CodeHostAccess, "%s tolerates every taint; want a key", at)
	case strings.HasPrefix(key, "node-role.kubernetes.io/"):
		return failf(sallyport.CodeHostAccess, "%s places pods on nodes of the control plane", at)
	}
	return nil
}

func container() members {
	probe := handler().and(plain("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold", "terminationGracePeriodSeconds"))
	hook := handler().check
	return plain("name", "image", "command", "args", "workingDir", "imagePullPolicy", "terminationMessagePath", "terminationMessagePolicy",
		"stdin", "stdinOnce", "tty", "restartPolicy", "resizePolicy").and(members{
		"resources":       plain("limits", "requests").check,
		"ports":           each(plain("name", "containerPort", "protocol").and(members{"hostPort": only(sallyport.CodeHostAccess, int64(0))}).check),
		"env":             each(variable().check),
		"envFrom":         each(plain("prefix", "configMapRef").and(members{others: readsSecrets("variables")}).check),
		"volumeMounts":    each(plain("name", "mountPath", "subPath", "subPathExpr", "readOnly", "recursiveReadOnly").and(members{"mountPropagation": only(sallyport.CodeHostAccess, "None")}).check),
		"livenessProbe":   probe.check,
		"readinessProbe":  probe.check,
		"startupProbe":    probe.check,
		"lifecycle":       plain("stopSignal").and(members{"postStart": hook, "preStop": hook}).check,
		"securityContext": containerSecurity().check,
	})
}

func variable() members {
	from := plain("configMapKeyRef", "fieldRef", "resourceFieldRef").and(members{others: readsSecrets("variables")})
	return plain("name", "value").and(members{"valueFrom": from.check})
}

func readsSecrets(what string) rule {
	return never(sallyport.CodeReadsSecrets, "the tool takes "+what+" from ConfigMaps and the pod itself alone")
}

// handler is what a probe or a hook does. With a host it would be the kubelet
// that makes requests to wherever the agent likes.
func handler() members {
	host := never(sallyport.CodeHostAccess, "the node would make requests to another host")
	return plain("exec", "grpc", "sleep").and(members{
		"httpGet":   plain("path", "port", "scheme", "httpHeaders").and(members{"host": host}).check,
		"tcpSocket": plain("port").and(members{"host": host}).check,
	})
}

// volume permits the kinds of volume that hold no data but that of the
// namespace's ConfigMaps, or none at first.
func volume(metadata rule) members {
	source := plain("configMap", "downwardAPI").and(members{
		"serviceAccountToken": never(sallyport.CodeOtherAccount, "its token is of use elsewhere"),
		others:                readsSecrets("projected volumes"),
	})
	claim := members{"metadata": metadata, "spec": claimSpec().check}
	return plain("name", "emptyDir", "configMap", "downwardAPI").and(members{
		"projected":             plain("defaultMode").and(members{"sources": each(source.check)}).check,
		"ephemeral":             members{"volumeClaimTemplate": claim.check}.check,
		"persistentVolumeClaim": never(sallyport.CodeReadsSecrets, "the claim may hold data of another workload; use an ephemeral volume, or a StatefulSet with volumeClaimTemplates"),
		"hostPath":              never(sallyport.CodeHostAccess, "it is a directory of the node"),
		others:                  never(sallyport.CodeReadsSecrets, "a volume of this kind may need a secret or lead out of the namespace"),
	})
}

// claimSpec is a claim of a volume that is made for it: not one that exists, nor
// a copy of another's.
func claimSpec() members { return plain("accessModes", "resources", "storageClassName", "volumeMode") }

// safeSysctls are those of the baseline Pod Security Standard.
func safeSysctls() []any {
	return []any{
		"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.tcp_syncookies",
		"net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout",
		"net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
	}
}

// security is what pods and containers have in common.
func security() members {
	confined := plain("localhostProfile").and(members{"type": only(sallyport.CodeHostAccess, "RuntimeDefault", "Localhost")})
	return plain("runAsGroup").and(members{
		"runAsNonRoot":    only(sallyport.CodeHostAccess, true),
		"runAsUser":       checkUser,
		"seccompProfile":  confined.check,
		"appArmorProfile": confined.check,
		"seLinuxOptions": plain("level").and(members{
			"type": only(sallyport.CodeHostAccess, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"),
			"user": only(sallyport.CodeHostAccess, ""), "role": only(sallyport.CodeHostAccess, ""),
		}).check,
		"windowsOptions": members{"hostProcess": only(sallyport.CodeHostAccess, false)}.check,
	})
}

func checkUser(at string, v any) error {
	if id, ok := v.(int64); !ok || id == 0 {
		return failf(sallyport.CodeHostAccess, "%s is %.64s; want another user than root", at, fmt.Sprint(v))
	}
	return nil
}

func podSecurity() members {
	sysctl := plain("value").and(members{"name": only(sallyport.CodeHostAccess, safeSysctls()...)})
	return security().and(plain("fsGroup", "fsGroupChangePolicy", "supplementalGroups", "supplementalGroupsPolicy")).and(members{"sysctls": each(sysctl.check)})
}

func containerSecurity() members {
	return security().and(plain("readOnlyRootFilesystem")).and(members{
		"privileged":               only(sallyport.CodeHostAccess, false),
		"allowPrivilegeEscalation": only(sallyport.CodeHostAccess, false),
		"procMount":                only(sallyport.CodeHostAccess, "Default"),
		"capabilities":             plain("drop").and(members{"add": each(only(sallyport.CodeHostAccess, "NET_BIND_SERVICE"))}).check,
	})
}

// checkRestricted refuses pods that leave out what the restricted Pod Security
// Standard wants to be said.
func checkRestricted(at string, spec map[string]any) error {
	pod, _ := spec["securityContext"].(map[string]any)
	for _, kind := range []string{"initContainers", "containers"} {
		for n, c := range list(spec, kind) {
			own, _ := c["securityContext"].(map[string]any)
			drop, _, _ := unstructured.NestedStringSlice(own, "capabilities", "drop")
			var lacks string
			switch {
			case own["allowPrivilegeEscalation"] != false:
				lacks = "allowPrivilegeEscalation: false"
			case !slices.Contains(drop, "ALL"):
				lacks = `capabilities: {drop: ["ALL"]}`
			case own["runAsNonRoot"] == nil && pod["runAsNonRoot"] == nil:
				lacks = "runAsNonRoot: true"
			case own["seccompProfile"] == nil && pod["seccompProfile"] == nil:
				lacks = "seccompProfile: {type: RuntimeDefault}"
			default:
				continue
			}
			return failf(sallyport.CodeHostAccess, "%s.%s[%d].securityContext lacks %s, which the restricted Pod Security Standard wants", at, kind, n, lacks)
		}
	}
	return nil
}

// checkMerged refuses to change the pods of a workload that has other members
// already, even if the manifest does not name them: apply keeps them. Annotations
// it has may stay, since only a manifest's own are set by the agent.
func checkMerged(live, merged map[string]any) error {
	was, _, _ := unstructured.NestedMap(live, "spec", "template")
	is, _, _ := unstructured.NestedMap(merged, "spec", "template")
	if reflect.DeepEqual(was, is) {
		return nil
	}
	if err := podTemplate(anything)("spec.template", is); err != nil {
		return failf(codeOf(err), "the pods would keep settings of the present workload: %v", err)
	}
	return nil
}
