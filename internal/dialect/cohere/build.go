package cohere

import (
	"net/http"

	"github.com/spanway/spanway/internal/llm"
)

// BuildRequest implements llm.Outbound.
func (Dialect) BuildRequest(r *llm.Request, _ string, _ *llm.Loss) (llm.API, []byte, error) {
	return "", nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented, "Requests of %s cannot be sent to Cohere.", r.API)
}

// NewWriter implements llm.Inbound.
func (Dialect) NewWriter(r *llm.Request, _ *llm.Loss) (llm.Writer, error) {
	return nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented, "Requests of %s cannot be answered by another provider.", r.API)
}
