package gemini

import (
	"github.com/spanway/spanway/internal/llm"
)

// BuildRequest implements llm.Outbound.
func (Dialect) BuildRequest(r *llm.Request, _ string) (llm.API, []byte, error) {
	return "", nil, llm.Errorf(501, "UNIMPLEMENTED", "Requests of %s cannot be sent to a %s provider.", r.Dialect, llm.Gemini)
}

// NewWriter implements llm.Inbound.
func (Dialect) NewWriter(r *llm.Request) (llm.Writer, error) {
	return nil, llm.Errorf(501, "UNIMPLEMENTED", "Requests of %s cannot be answered by a provider of another dialect.", r.Dialect)
}
