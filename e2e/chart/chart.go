// Package chart renders the Helm chart as Helm does, for the tests.
package chart

import (
	"fmt"
	"path"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
)

// Render returns what the chart in a directory makes of values that are laid
// over its own, by the names of its templates. Templates that make nothing
// are left out.
func Render(dir, namespace string, values map[string]any) (map[string]string, error) {
	c, err := loader.LoadDir(dir)
	if err != nil {
		return nil, err
	}
	all, err := chartutil.ToRenderValues(c, values, chartutil.ReleaseOptions{Name: "sallyport", Namespace: namespace, IsInstall: true}, nil)
	if err != nil {
		return nil, err
	}
	rendered, err := engine.Engine{Strict: true}.Render(c, all)
	if err != nil {
		return nil, fmt.Errorf("the chart in %s: %w", dir, err)
	}
	files := map[string]string{}
	for name, text := range rendered {
		if text = strings.TrimSpace(text); path.Ext(name) == ".yaml" && text != "" {
			files[path.Base(name)] = text + "\n"
		}
	}
	return files, nil
}
