package openai

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// editor offers the texts of a request to an edit.
type editor struct{ dialect.Texts }

// run walks body with walk and returns it with the edits made, body itself when there are none.
func run(body []byte, edit llm.TextEdit, walk func(e *editor, it *jsonscan.Iter)) ([]byte, error) {
	e := editor{dialect.Texts{Body: body, Edit: edit}}
	it := jsonscan.Object(body)
	for it.Next() {
		walk(&e, &it)
	}
	if err := it.Err(); err != nil {
		return nil, malformed(body, err)
	}
	return e.Result(), nil
}

// text offers v when it is a text and not empty.
func (e *editor) text(role llm.Role, v []byte) {
	if isText(v) {
		e.Offer(role, v)
	}
}

// texts offers v, or each text of the array v.
func (e *editor) texts(role llm.Role, v []byte) {
	e.text(role, v)
	if jsonscan.KindOf(v) == jsonscan.List {
		for it := jsonscan.Array(v); it.Next(); {
			e.text(role, it.Value())
		}
	}
}

// content offers a content: a text, or parts whose member text or refusal is one.
func (e *editor) content(role llm.Role, v []byte) {
	e.text(role, v)
	if jsonscan.KindOf(v) != jsonscan.List {
		return
	}
	for it := jsonscan.Array(v); it.Next(); {
		e.part(role, it.Value())
	}
}

func (e *editor) part(role llm.Role, v []byte) {
	for it := jsonscan.Object(v); it.Next(); {
		switch string(it.Key()) {
		case "text", "refusal", "summary", "stdout", "stderr": // summary is OpenRouter's, the last two are a shell's
			e.text(role, it.Value())
		case "thinking": // Mistral
			e.content(role, it.Value())
		case "annotations":
			e.Found(role, it.Value())
		}
	}
}

// promptCodec reads the APIs whose request is a prompt: the named member, a text or a list of texts. Tokens are no text.
type promptCodec struct{ member string }

// Conversation implements llm.Codec: each prompt is a message of the user.
func (c promptCodec) Conversation(body []byte) (*llm.Conversation, error) {
	out := new(llm.Conversation)
	it := jsonscan.Object(body)
	for it.Next() {
		v := it.Value()
		switch key := string(it.Key()); key {
		case c.member:
			for _, s := range jsonscan.Strings(v) {
				out.Messages = append(out.Messages, llm.Message{Role: llm.RoleUser, Parts: []llm.Part{{Text: s}}})
			}
			tokens(out, key, v)
		case "user":
			out.User = jsonscan.String(v)
		case "input_type":
			out.InputType = inputType(jsonscan.String(v))
		case "model", "dimensions", "output_dimension", "encoding_format": // of Params
		default:
			extra(out, key, key, v)
		}
	}
	if err := it.Err(); err != nil {
		return nil, malformed(body, err)
	}
	if c.member == "input" {
		for _, m := range out.Messages {
			out.Inputs = append(out.Inputs, m.Parts)
		}
	}
	return out, nil
}

// tokens notes a prompt of which some is tokens: they are those of one provider's models.
func tokens(c *llm.Conversation, key string, v []byte) {
	for _, e := range elements(v) {
		if jsonscan.KindOf(e) != jsonscan.Text {
			extra(c, key, key, v)
			return
		}
	}
}

// inputType is what embeddings are for. OpenAI has no word for it: Voyage has query and document, NVIDIA query and passage.
func inputType(word string) string {
	switch word {
	case "query":
		return llm.InputSearchQuery
	case "document", "passage":
		return llm.InputSearchDocument
	}
	return word
}

// EditText implements llm.Codec.
func (c promptCodec) EditText(body []byte, edit llm.TextEdit) ([]byte, error) {
	return run(body, edit, func(e *editor, it *jsonscan.Iter) {
		switch string(it.Key()) {
		case c.member, "suffix":
			e.texts(llm.RoleUser, it.Value())
		}
	})
}
