package temporal

import (
	"context"

	"go.temporal.io/sdk/client"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/activities"
)

// principals drops the principals of a server that is too old to have computed
// them. It asks for the version each time, as the server may be upgraded or
// replaced.
type principals struct {
	history  activities.Signals
	temporal client.Client
}

// NewSignals reads the signals of calls, with the principals that the server
// has computed.
func NewSignals(c client.Client, codec *Codec) (activities.Signals, error) {
	h, err := NewHistory(c, codec)
	if err != nil {
		return nil, err
	}
	return principals{h, c}, nil
}

// Signals implements [activities.Signals].
func (p principals) Signals(ctx context.Context, workflowID, runID string, after int64) ([]activities.Signal, error) {
	version, err := serverVersion(ctx, p.temporal)
	if err != nil {
		return nil, sallyport.Errorf(sallyport.Unavailable, sallyport.CodeUnavailable, "%w", err)
	}
	signals, err := p.history.Signals(ctx, workflowID, runID, after)
	if err != nil || carriesPrincipals(version) {
		return signals, err
	}
	for i := range signals {
		signals[i].Principal = ""
	}
	return signals, nil
}
