package k8s

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sallyport/sallyport"
)

// appliedKind is a kind that k8s_apply_manifest applies.
type appliedKind struct {
	apiVersion string
	resource   string
	template   bool                        // it has a pod template at /spec/template
	more       func(metadata rule) members // what a manifest may set beside metadata
}

// appliedKinds include no Secrets, no RBAC, and no kinds that decide about other
// objects.
func appliedKinds() map[string]appliedKind {
	return map[string]appliedKind{
		"ConfigMap": {apiVersion: "v1", resource: "configmaps", more: func(rule) members {
			return plain("data", "binaryData", "immutable")
		}},
		"DaemonSet": {apiVersion: "apps/v1", resource: "daemonsets", template: true, more: func(metadata rule) members {
			return spec(workload(metadata, "updateStrategy"))
		}},
		"Deployment": {apiVersion: "apps/v1", resource: "deployments", template: true, more: func(metadata rule) members {
			return spec(workload(metadata, "replicas", "strategy", "paused", "progressDeadlineSeconds"))
		}},
		"HorizontalPodAutoscaler": {apiVersion: "autoscaling/v2", resource: "horizontalpodautoscalers", more: func(rule) members {
			return spec(plain("scaleTargetRef", "minReplicas", "maxReplicas", "metrics", "behavior"))
		}},
		"Ingress": {apiVersion: "networking.k8s.io/v1", resource: "ingresses", more: func(rule) members {
			return spec(ingress())
		}},
		"PodDisruptionBudget": {apiVersion: "policy/v1", resource: "poddisruptionbudgets", more: func(rule) members {
			return spec(plain("minAvailable", "maxUnavailable", "selector", "unhealthyPodEvictionPolicy"))
		}},
		"Service": {apiVersion: "v1", resource: "services", more: func(rule) members {
			return spec(service())
		}},
		"StatefulSet": {apiVersion: "apps/v1", resource: "statefulsets", template: true, more: func(metadata rule) members {
			claim := plain("apiVersion", "kind").and(members{"metadata": metadata, "spec": claimSpec().check})
			return spec(workload(metadata, "replicas", "serviceName", "podManagementPolicy", "updateStrategy", "ordinals", "persistentVolumeClaimRetentionPolicy").
				and(members{"volumeClaimTemplates": each(claim.check)}))
		}},
	}
}

// Kinds that k8s_apply_manifest takes, with their API versions.
func Kinds() map[string]string {
	all := map[string]string{}
	for kind, k := range appliedKinds() {
		all[kind] = k.apiVersion
	}
	return all
}

func (k appliedKind) gvr() schema.GroupVersionResource {
	gv, _ := schema.ParseGroupVersion(k.apiVersion) // always nil for the constants above
	return gv.WithResource(k.resource)
}

// members are what a manifest of the kind may set.
func (k appliedKind) members(metadata rule) members {
	return plain("apiVersion", "kind").and(members{"metadata": metadata}).and(k.more(metadata))
}

func spec(m members) members { return members{"spec": m.check} }

func workload(metadata rule, more ...string) members {
	return plain("selector", "minReadySeconds", "revisionHistoryLimit").and(plain(more...)).and(members{"template": podTemplate(metadata)})
}

// service has no addresses of its own choice: traffic for other hosts would
// come to its pods, or its clients would be sent to another host.
func service() members {
	return plain("selector", "sessionAffinity", "sessionAffinityConfig", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy",
		"externalTrafficPolicy", "trafficDistribution", "publishNotReadyAddresses", "allocateLoadBalancerNodePorts", "loadBalancerSourceRanges").and(members{
		"type":      only(sallyport.CodeNotApplicable, "ClusterIP", "NodePort", "LoadBalancer"),
		"clusterIP": only(sallyport.CodeNotApplicable, "", "None"),
		"ports":     each(plain("name", "port", "targetPort", "nodePort", "protocol", "appProtocol").check),
	})
}

func ingress() members {
	backend := members{"service": plain("name", "port").check}.check
	path := plain("path", "pathType").and(members{"backend": backend})
	http := members{"paths": each(path.check)}
	return plain("ingressClassName", "tls").and(members{
		"defaultBackend": backend,
		"rules":          each(plain("host").and(members{"http": http.check}).check),
	})
}

// metadata takes labels and annotations, but none that look like the gateway's
// own, and of annotations those that the tool or the operators list.
func metadata(listed []string) members {
	listed = slices.Concat(Annotations(), listed)
	annotation := func(at, key string) error {
		if !strings.Contains(key, "/") || slices.ContainsFunc(listed, func(l string) bool {
			return key == l || strings.HasSuffix(l, "/") && strings.HasPrefix(key, l)
		}) {
			return nil
		}
		return failf(sallyport.CodeNotApplicable, "remove %.200q from %s: controllers and admission obey annotations, and kubernetes.annotations of the worker's configuration does not list this one", key, at)
	}
	return plain("name", "namespace").and(members{
		"labels":      keys(func(string, string) error { return nil }),
		"annotations": keys(annotation),
	})
}

// Annotations that k8s_apply_manifest sets, beside those without a prefix: they
// are for people and their tools, and change nothing in the cluster. Some are
// prefixes, which end with a slash.
func Annotations() []string {
	return []string{"app.kubernetes.io/", "checksum/", "kubernetes.io/change-cause", "kubernetes.io/description", restartedAt, "prometheus.io/"}
}

// marksPrefix is the prefix of the gateway's own annotations and labels.
const marksPrefix = "sallyport.dev"

// keys checks the keys of labels or annotations.
func keys(check func(at, key string) error) rule {
	return func(at string, v any) error {
		values, ok := v.(map[string]any)
		if !ok {
			return failf(sallyport.CodeNotApplicable, "%s must be an object", at)
		}
		for _, key := range slices.Sorted(maps.Keys(values)) {
			if prefix, _, _ := strings.Cut(key, "/"); prefix == marksPrefix || strings.HasSuffix(prefix, "."+marksPrefix) {
				return failf(sallyport.CodeNotApplicable, "remove %.64q from %s: only the gateway sets it", key, at)
			}
			if err := check(at, key); err != nil {
				return err
			}
		}
		return nil
	}
}
