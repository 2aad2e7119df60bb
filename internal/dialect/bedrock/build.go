package bedrock

import (
	"net/http"

	"github.com/spanway/spanway/internal/llm"
)

// BuildRequest implements llm.Outbound.
func (Dialect) BuildRequest(r *llm.Request, _ string, _ *llm.Loss) (llm.API, []byte, error) {
	return "", nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented, "%s requests cannot be sent to Bedrock", r.API)
}
