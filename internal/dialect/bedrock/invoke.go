package bedrock

import (
	"net/http"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/frame"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// parseInvoke scans the body of an InvokeModel request for model.
func parseInvoke(_ string, body []byte) (*llm.Request, error) {
	it := jsonscan.Object(body)
	for it.Next() {
	}
	if err := it.Err(); err != nil {
		return nil, malformed(err)
	}
	return llm.NewRequest(llm.BedrockInvoke, llm.Bedrock, llm.OpChat, body, invokeCodec{}), nil
}

// invokeCodec reads requests of InvokeModel.
type invokeCodec struct{}

// Conversation implements llm.Codec.
func (invokeCodec) Conversation([]byte) (*llm.Conversation, error) {
	return nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented, "InvokeModel requests cannot be translated")
}

// EditText implements llm.Codec.
func (invokeCodec) EditText(body []byte, _ llm.TextEdit) ([]byte, error) { return body, nil }

// Field implements llm.Codec.
func (invokeCodec) Field(f llm.Field) string { return string(f) }

// newInvokeReader reads the response of InvokeModel or InvokeModelWithResponseStream.
func newInvokeReader(h *llm.Head, want llm.Want) llm.Reader {
	return dialect.NewReader(llm.Bedrock, dialect.FramingOf(h, dialect.Whole), &invokeDecoder{fault: faultOf(h), want: want})
}

type invokeDecoder struct {
	fault fault
	want  llm.Want
}

// Decode implements dialect.Decoder.
func (d *invokeDecoder) Decode(f *frame.Frame, ev *llm.Event) {
	d.fault.decode(f, ev)
}

// rewriteInvoke is Rewrite for InvokeModel.
func rewriteInvoke(dst []byte, _ *llm.Request, ev *llm.Event) ([]byte, error) {
	return append(dst, ev.Raw...), nil
}
