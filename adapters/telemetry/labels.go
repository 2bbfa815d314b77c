package telemetry

import "sync"

const (
	other = "other"

	maxAgents = 1000 // agents with numbers of their own
	maxPairs  = 32   // pairs of action and resource of one agent
	maxSteps  = 32
	maxLabel  = 64 // characters of a label's value

	results = 3 // values of the label result
)

// labels bounds the values of labels. What comes first keeps its name and the
// rest becomes "other". Agents are counted apart, because a tool may take an
// action's resource from the agent's arguments.
type labels struct {
	mu    sync.Mutex
	pairs map[string]map[pair]bool // by agent
	steps map[string]bool
}

type pair struct{ action, resource string }

func newLabels() *labels {
	return &labels{pairs: map[string]map[pair]bool{}, steps: map[string]bool{}}
}

// call returns the labels under which a call is counted.
func (l *labels) call(agent, action, resource string) (agentLabel, actionLabel, resourceLabel string) {
	agent = plain(agent)
	p := pair{action: plain(action), resource: plain(resource)}
	l.mu.Lock()
	defer l.mu.Unlock()
	pairs, ok := l.pairs[agent]
	if !ok {
		if len(l.pairs) >= maxAgents {
			return other, other, other
		}
		pairs = map[pair]bool{}
		l.pairs[agent] = pairs
	}
	if !pairs[p] {
		if len(pairs) >= maxPairs {
			return agent, other, other
		}
		pairs[p] = true
	}
	return agent, p.action, p.resource
}

// step returns the label under which a step is timed.
func (l *labels) step(s string) string {
	s = plain(s)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.steps[s] {
		if len(l.steps) >= maxSteps {
			return other
		}
		l.steps[s] = true
	}
	return s
}

// plain returns s if it looks like a name, and "other" if it does not: text
// from agents has no place in a label.
func plain(s string) string {
	if s == "" || len(s) > maxLabel {
		return other
	}
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '/', c == ':', c == '@':
		default:
			return other
		}
	}
	return s
}
