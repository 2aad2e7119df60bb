package bedrock

import (
	"net/http"

	"github.com/spanway/spanway/internal/llm"
)

func newConverseWriter(*llm.Request, *llm.Loss) (llm.Writer, error) {
	return nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented, "Converse is answered by Bedrock only")
}
