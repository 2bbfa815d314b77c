package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/api"
)

func TestNewRefuses(t *testing.T) {
	for lacks, change := range map[string]func(*api.Options){
		"Identifier": func(o *api.Options) { o.Identifier = nil },
		"Signer":     func(o *api.Options) { o.Signer = nil },
		"Recorder":   func(o *api.Options) { o.Recorder = nil },
		"Reader":     func(o *api.Options) { o.Reader = nil },
		"Calls":      func(o *api.Options) { o.Calls = nil },
		"Catalogue":  func(o *api.Options) { o.Catalogue = nil },
		"Preview":    func(o *api.Options) { o.Preview = nil },
		"Metrics":    func(o *api.Options) { o.Metrics = nil },
		"Logger":     func(o *api.Options) { o.Logger = nil },
		"Now":        func(o *api.Options) { o.Now = nil },
		"Random":     func(o *api.Options) { o.Random = nil },
		"RateLimit":  func(o *api.Options) { o.RateLimit.Burst = 0 },
		"ReadLimit":  func(o *api.Options) { o.ReadLimit = api.RateLimit{} },
		"Ready":      func(o *api.Options) { o.Ready = []api.Check{{Name: "x"}} },
		"MaxWait":    func(o *api.Options) { o.MaxWait = time.Hour },
	} {
		o := newGateway(t).options
		change(&o)
		if _, err := api.New(o); err == nil || !strings.Contains(err.Error(), lacks) {
			t.Errorf("%s: %v", lacks, err)
		}
	}
}
