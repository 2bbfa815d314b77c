package docs_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/telemetry"
)

// scrape makes the gateway's metrics with every label, and returns what
// Prometheus reads of them.
func scrape(t *testing.T) string {
	t.Helper()
	tel, err := telemetry.Start(t.Context(), telemetry.Options{Service: "example", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tel.Shutdown(context.WithoutCancel(t.Context())) }()
	m := tel.Metrics()
	m.Call(t.Context(), sallyport.Intent{Action: "scale", Resource: "deployment"}, "succeeded")
	m.Step(t.Context(), "run", time.Second, sallyport.Errorf(sallyport.Unavailable, sallyport.CodeUnavailable, "it did not answer"))
	m.Notification(t.Context(), "requested", "delivered")
	failing := tel.HTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Pattern = "/v1/calls/:id"
		w.WriteHeader(http.StatusInternalServerError)
	}))
	failing.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/calls/x", nil))
	w := httptest.NewRecorder()
	tel.MetricsHandler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

// metric is one that Prometheus reads.
type metric struct {
	name, kind, help string
	labels           map[string]bool
}

// metrics are those of a scrape that are the gateway's own.
func metrics(text string) []metric {
	var all []metric
	label := regexp.MustCompile(`(\w+)="`)
	for line := range strings.Lines(text) {
		words := strings.SplitN(strings.TrimSpace(line), " ", 4)
		switch {
		case words[0] == "#" && words[1] == "HELP":
			all = append(all, metric{name: words[2], help: words[3], labels: map[string]bool{}})
		case words[0] == "#":
			all[len(all)-1].kind = words[3]
		default:
			for _, m := range label.FindAllStringSubmatch(line, -1) {
				all[len(all)-1].labels[m[1]] = true
			}
		}
	}
	return slices.DeleteFunc(all, func(m metric) bool {
		return !regexp.MustCompile(`^(agent|sallyport|http)_`).MatchString(m.name)
	})
}

// TestMetricsPage: the page lists what Prometheus reads.
func TestMetricsPage(t *testing.T) {
	var page strings.Builder
	page.WriteString("| metric | type | unit | labels | meaning |\n| --- | --- | --- | --- | --- |\n")
	for _, m := range metrics(scrape(t)) {
		delete(m.labels, "le") // Prometheus's own, of a bucket
		labels := slices.Sorted(maps.Keys(m.labels))
		fmt.Fprintf(&page, "| `%s` | %s | %s | `%s` | %s |\n", m.name, m.kind, unit(m.name), strings.Join(labels, "`, `"), m.help)
	}
	generated(t, "docs/reference/metrics.md", page.String())
}

// unit is what a metric's name says of its unit, as Prometheus has it.
func unit(name string) string {
	for _, u := range []string{"seconds", "bytes"} {
		if strings.HasSuffix(name, "_"+u) {
			return u
		}
	}
	return "count"
}

// TestLabelsAreExplained: the page says of each label which values it has.
func TestLabelsAreExplained(t *testing.T) {
	page, _, _ := strings.Cut(read(t, "docs/reference/metrics.md"), "## All metrics")
	for _, m := range metrics(scrape(t)) {
		for label := range m.labels {
			if label != "le" && !strings.Contains(page, "`"+label+"`") {
				t.Errorf("docs/reference/metrics.md does not explain the label %s of %s", label, m.name)
			}
		}
	}
}
