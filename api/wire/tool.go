package wire

import (
	"encoding/json"

	"github.com/sallyport/sallyport"
)

// Tool is a tool as the API shows it to an agent.
type Tool struct {
	Name        string           `json:"name"`
	Title       string           `json:"title"`
	Description string           `json:"description"`
	Digest      sallyport.Digest `json:"digest"`
	InputSchema json.RawMessage  `json:"input_schema"`
	Annotations Annotations      `json:"annotations"`
}

// Annotations say what a tool may do to its target, by its manifest.
type Annotations struct {
	ReadOnly    bool `json:"read_only"`
	Destructive bool `json:"destructive"`
}

// Preview is the response of a dry run.
type Preview struct {
	Effect      sallyport.Effect      `json:"effect"`
	Reasons     []sallyport.Reason    `json:"reasons"`
	Hint        string                `json:"hint,omitempty"`
	Approval    *sallyport.Terms      `json:"approval"`
	Obligations sallyport.Obligations `json:"obligations"`
	Revision    string                `json:"revision"`
	Intent      Intent                `json:"intent"`
}
