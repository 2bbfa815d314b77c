//go:build !race

package instance

import (
	"bytes"
	_ "embed"
	"os"
	"path/filepath"
	"text/template"

	"github.com/sallyport/sallyport/gateway"
)

//go:embed sallyport.yaml.tmpl
var configTemplate string

// config writes the gateway's configuration file and reads it back, so that
// what runs is what stands there.
func (r *running) config() (gateway.Config, error) {
	t, err := template.New("sallyport.yaml").Parse(configTemplate)
	if err != nil {
		return gateway.Config{}, err
	}
	executor := r.options.Executor
	if executor != "" { // a relative path would be one of the file's directory
		if executor, err = filepath.Abs(executor); err != nil {
			return gateway.Config{}, err
		}
	}
	var b bytes.Buffer
	err = t.Execute(&b, map[string]string{
		"API": r.api.Addr().String(), "Temporal": r.instance.Temporal, "UI": r.instance.TemporalUI, "People": r.idp.PeopleIssuer(),
		"Executor": executor, "Webhook": r.options.Webhook, "WebhookSecret": WebhookSecret,
	})
	if err != nil {
		return gateway.Config{}, err
	}
	path := r.state.path("sallyport.yaml")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		return gateway.Config{}, err
	}
	return gateway.Load(path)
}
