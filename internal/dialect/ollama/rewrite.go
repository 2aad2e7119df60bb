package ollama

import (
	"bytes"
	"fmt"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// Rewrite implements llm.Inbound, as dialect.Rewrite does. Log probabilities tell the text that was changed: none are left.
func (Dialect) Rewrite(dst []byte, _ *llm.Request, ev *llm.Event) ([]byte, error) {
	rw := dialect.Rewrite{Data: ev.Raw, Parts: ev.Parts}
	if len(bytes.TrimSpace(ev.Raw)) > 0 {
		m, err := scan(ev.Raw)
		if err != nil {
			return dst, fmt.Errorf("rewrite a frame: %w", err)
		}
		eachPart(&m, func(p llm.Part, text []byte) { rw.Part(&p, text) })
		rw.Void(m.logprobs)
	}
	return rw.Append(dst)
}
