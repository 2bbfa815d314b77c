package activities

import (
	"context"
	"testing"

	"github.com/sallyport/sallyport"
)

// shelf is a catalogue of one tool.
type shelf struct{ Catalogue }

func (shelf) Tool(name string) (sallyport.Tool, bool) {
	if name != "db_write" {
		return sallyport.Tool{}, false
	}
	return sallyport.Tool{Name: name}, true
}

// gatekeeper is a policy that hides tools or gives no answer, and counts questions.
type gatekeeper struct {
	Policy

	visible bool
	err     error
	asked   int
}

func (p *gatekeeper) Visible(context.Context, sallyport.Agent, sallyport.Tool) (bool, error) {
	p.asked++
	return p.visible, p.err
}

// TestPolicyIsAskedAboutAnyName: neither an error of policy nor the time that it
// takes tells an agent a hidden tool from none.
func TestPolicyIsAskedAboutAnyName(t *testing.T) {
	down := sallyport.Errorf(sallyport.Unavailable, sallyport.CodeUnavailable, "no policy is loaded")
	for name, p := range map[string]gatekeeper{"Hidden": {}, "Shown": {visible: true}, "Down": {visible: true, err: down}} {
		for _, tool := range []string{"db_write", "no_such_tool"} {
			t.Run(name+"/"+tool, func(t *testing.T) {
				asked := p
				e := Evaluator{Catalogue: shelf{}, Policy: &asked}
				found, ok, err := e.Sees(t.Context(), sallyport.Agent{ID: "deploy-bot"}, tool)
				if want := name == "Shown" && tool == "db_write"; ok != want || (found.Name != "") != want {
					t.Errorf("Sees = %+v, %t", found, ok)
				}
				if (err != nil) != (name == "Down") || asked.asked != 1 {
					t.Errorf("err = %v after %d questions; want one question", err, asked.asked)
				}
			})
		}
	}
}
