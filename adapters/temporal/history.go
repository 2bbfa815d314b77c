package temporal

import (
	"context"
	"errors"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"

	"github.com/sallyport/sallyport/activities"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/workflows/wire"
)

// maxSignals bounds how many signals of one run are read: a flood of signals
// only ends the call's wait.
const maxSignals = 1000

// personPrincipal is the type of principal that the Temporal server computes
// from a person's token. Services have other types, and no vote.
const personPrincipal = "jwt"

// History reads approve signals from workflow histories.
type History struct {
	client client.Client
	codec  *Codec
}

// NewHistory uses a Temporal client that may read histories.
func NewHistory(c client.Client, codec *Codec) (*History, error) {
	if c == nil || codec == nil {
		return nil, errors.New("temporal: the history reader needs a client and a codec")
	}
	return &History{c, codec}, nil
}

// Signals implements [activities.Signals].
func (h *History) Signals(ctx context.Context, workflowID, runID string, after int64) ([]activities.Signal, error) {
	var signals []activities.Signal
	events := h.client.GetWorkflowHistory(ctx, workflowID, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() && len(signals) < maxSignals {
		e, err := events.Next()
		if err != nil {
			return nil, outOfReach(err)
		}
		s := e.GetWorkflowExecutionSignaledEventAttributes()
		if s == nil || s.GetSignalName() != wire.ApproveSignal || e.GetEventId() <= after {
			continue
		}
		signals = append(signals, h.signal(e, s))
	}
	return signals, nil
}

// signal reads the person and the vote from one and the same event.
func (h *History) signal(e *historypb.HistoryEvent, s *historypb.WorkflowExecutionSignaledEventAttributes) activities.Signal {
	sig := activities.Signal{EventID: e.GetEventId(), At: e.GetEventTime().AsTime()}
	if p := e.GetPrincipal(); p.GetType() == personPrincipal {
		sig.Principal = p.GetName()
	}
	payloads := s.GetInput().GetPayloads()
	if len(payloads) != 1 {
		sig.Malformed = "it must be one JSON object"
		return sig
	}
	plain, err := h.codec.Decode([]*commonpb.Payload{payloads[0]})
	if err != nil {
		sig.Malformed = err.Error()
		return sig
	}
	canonical, err := strict.JSON(plain[0].GetData(), strict.TakenLimits)
	if err == nil {
		err = strict.Decode(canonical, &sig.Paper)
	}
	if err != nil {
		sig.Malformed = err.Error()
	}
	return sig
}
