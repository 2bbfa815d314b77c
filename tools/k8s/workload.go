package k8s

import (
	"fmt"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sallyport/sallyport"
)

// checkTemplate refuses a workload that would give an agent more than the object:
// a secret, another ServiceAccount, or the node. An agent that chooses the program
// of a container has everything that the container has.
func checkTemplate(o map[string]any) error {
	spec, _, _ := unstructured.NestedMap(o, "spec", "template", "spec")
	for _, check := range []func(map[string]any) error{checkAccount, checkVolumes, checkHost} {
		if err := check(spec); err != nil {
			return err
		}
	}
	for _, kind := range []string{"initContainers", "containers", "ephemeralContainers"} {
		for _, c := range list(spec, kind) {
			if err := checkContainer(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkMerged refuses to change the pods of a workload that has such members
// already, even if the manifest does not name them: apply keeps them.
func checkMerged(live, merged map[string]any) error {
	was, _, _ := unstructured.NestedMap(live, "spec", "template")
	is, _, _ := unstructured.NestedMap(merged, "spec", "template")
	if reflect.DeepEqual(was, is) {
		return nil
	}
	if err := checkTemplate(merged); err != nil {
		return failf(codeOf(err), "the pods would keep settings of the present workload: %v", err)
	}
	return nil
}

func checkAccount(spec map[string]any) error {
	for _, member := range []string{"serviceAccountName", "serviceAccount"} {
		if name := spec[member]; name != nil && name != "" && name != "default" {
			return failf(sallyport.CodeOtherAccount, "%s is %v; want the default ServiceAccount, because the workload's pods would act as another account", member, name)
		}
	}
	return nil
}

// checkVolumes permits the kinds of volume that hold no data but that of the
// namespace's ConfigMaps and PersistentVolumeClaims.
func checkVolumes(spec map[string]any) error {
	for _, v := range list(spec, "volumes") {
		for kind := range v {
			switch kind {
			case "name", "emptyDir", "configMap", "downwardAPI", "persistentVolumeClaim", "ephemeral":
			case "projected":
				if err := checkProjected(v); err != nil {
					return err
				}
			case "hostPath":
				return failf(sallyport.CodeHostAccess, "the volume %s is a directory of its node", text(v, "name"))
			case "secret":
				return failf(sallyport.CodeReadsSecrets, "the volume %s is a secret", text(v, "name"))
			default:
				return failf(sallyport.CodeReadsSecrets, "the volume %s is of the kind %.64q, which may need a secret or lead out of the namespace", text(v, "name"), kind)
			}
		}
	}
	return nil
}

func checkProjected(v map[string]any) error {
	for _, source := range list(v, "projected", "sources") {
		for kind := range source {
			switch kind {
			case "configMap", "downwardAPI":
			case "serviceAccountToken":
				return failf(sallyport.CodeOtherAccount, "the volume %s holds a token", text(v, "name"))
			default:
				return failf(sallyport.CodeReadsSecrets, "the volume %s is projected of %.64q", text(v, "name"), kind)
			}
		}
	}
	return nil
}

func checkHost(spec map[string]any) error {
	for _, member := range []string{"hostNetwork", "hostPID", "hostIPC"} {
		if v := spec[member]; v != nil && v != false {
			return failf(sallyport.CodeHostAccess, "%s is %v", member, v)
		}
	}
	return checkHostProcess("the pod", spec)
}

func checkContainer(c map[string]any) error {
	name := "the container " + text(c, "name")
	for _, v := range list(c, "env") {
		from, _ := v["valueFrom"].(map[string]any)
		for source := range from {
			if !slices.Contains([]string{"configMapKeyRef", "fieldRef", "resourceFieldRef"}, source) {
				return failf(sallyport.CodeReadsSecrets, "%s takes %s from %.64q", name, text(v, "name"), source)
			}
		}
	}
	for _, from := range list(c, "envFrom") {
		for source := range from {
			if source != "configMapRef" && source != "prefix" {
				return failf(sallyport.CodeReadsSecrets, "%s takes its environment from %.64q", name, source)
			}
		}
	}
	return checkSecurity(name, c)
}

func checkSecurity(name string, c map[string]any) error {
	security, _ := c["securityContext"].(map[string]any)
	if v := security["privileged"]; v != nil && v != false {
		return failf(sallyport.CodeHostAccess, "%s is privileged", name)
	}
	if mount := security["procMount"]; mount != nil && mount != "Default" {
		return failf(sallyport.CodeHostAccess, "%s has procMount %v", name, mount)
	}
	capabilities, _ := security["capabilities"].(map[string]any)
	added, _ := capabilities["add"].([]any)
	for _, a := range added {
		if a != "NET_BIND_SERVICE" {
			return failf(sallyport.CodeHostAccess, "%s adds the capability %.64s", name, fmt.Sprint(a))
		}
	}
	return checkHostProcess(name, c)
}

func checkHostProcess(name string, o map[string]any) error {
	if v, _, _ := unstructured.NestedFieldNoCopy(o, "securityContext", "windowsOptions", "hostProcess"); v != nil && v != false {
		return failf(sallyport.CodeHostAccess, "%s is a process of its host", name)
	}
	return nil
}
