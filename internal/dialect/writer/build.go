package writer

import (
	"bytes"
	"net/http"
	"slices"
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// carried are the fields of a conversation that Writer's chat has a place for.
var carried = []llm.Field{
	llm.FieldMessages, llm.FieldSystem, llm.FieldTemperature, llm.FieldTopP, llm.FieldMaxTokens, llm.FieldStop, llm.FieldChoices,
	llm.FieldLogprobs, llm.FieldTools, llm.FieldToolChoice, llm.FieldImage, llm.FieldImageURL, llm.FieldName,
}

// taken are the members of a request in which what is carried goes.
var taken = []string{"model", "messages", "temperature", "top_p", "max_tokens", "stop", "n", "logprobs", "tools", "tool_choice",
	"stream", "stream_options"}

// BuildRequest implements llm.Outbound: it is OpenAI's, for what Writer has of it.
func (Dialect) BuildRequest(r *llm.Request, model string, loss *llm.Loss) (llm.API, []byte, error) {
	if !r.Chats() {
		return "", nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented, "Requests of %s cannot be sent to a Writer provider.", r.API)
	}
	c, err := r.Conversation()
	if err != nil {
		return "", nil, err
	}
	if err := loss.Check(r, c, "Writer", carried...); err != nil {
		return "", nil, err
	}
	if err := check(r, c); err != nil {
		return "", nil, err
	}
	_, body, err := openai.Dialect{}.BuildRequest(r, model, loss)
	if err != nil {
		return "", nil, err
	}
	m := dialect.MembersOf(body)
	for _, name := range m.Names() {
		if !slices.Contains(taken, name) {
			m.Drop(name) // with leave
		}
	}
	if choice := m.Get("tool_choice"); choice != nil { // in an object of its own (API reference, tool_choice)
		m.Replace(jsonscan.At(body, choice), slices.Concat([]byte(`{"value":`), bytes.Clone(choice), []byte{'}'}))
	}
	return llm.WriterChat, m.Result(""), nil
}

// check refuses content that Writer has no place for, also where losses are allowed: a message without it says something else.
func check(r *llm.Request, c *llm.Conversation) error {
	for i := range c.Messages {
		for j := range c.Messages[i].Parts {
			p := &c.Messages[i].Parts[j]
			media := p.Kind == llm.PartBlob || p.Kind == llm.PartURI
			if p.Kind == llm.PartFile || p.Kind == llm.PartOther || media && p.MIME != "" && !strings.HasPrefix(p.MIME, "image/") {
				e := llm.Errorf(http.StatusBadRequest, "invalid_request_error", "%s: Writer takes texts and images only.", r.Field(llm.FieldContent))
				e.Param = r.Field(llm.FieldContent)
				return e
			}
		}
	}
	return nil
}
