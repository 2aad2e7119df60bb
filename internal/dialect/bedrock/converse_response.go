package bedrock

import (
	"net/http"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/frame"
	"github.com/spanway/spanway/internal/llm"
)

func newConverseReader(h *llm.Head, want llm.Want) llm.Reader {
	return dialect.NewReader(llm.Bedrock, dialect.FramingOf(h, dialect.Whole), &decoder{fault: faultOf(h), want: want})
}

// decoder decodes one response of Converse or ConverseStream.
type decoder struct {
	fault fault
	want  llm.Want
}

// Decode implements dialect.Decoder.
func (d *decoder) Decode(f *frame.Frame, ev *llm.Event) {
	if d.fault.decode(f, ev) {
		return
	}
}

func rewriteConverse(dst []byte, ev *llm.Event) ([]byte, error) { return append(dst, ev.Raw...), nil }

func newConverseWriter(*llm.Request, *llm.Loss) (llm.Writer, error) {
	return nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented, "Converse is answered by Bedrock only")
}
