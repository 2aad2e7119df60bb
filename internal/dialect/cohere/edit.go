package cohere

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// editBody calls offer for the members of body and returns body with the edits that were offered.
func editBody(body []byte, edit llm.TextEdit, offer func(t *dialect.Texts, key string, v []byte)) ([]byte, error) {
	t := dialect.Texts{Body: body, Edit: edit}
	it := jsonscan.Object(body)
	for it.Next() {
		offer(&t, string(it.Key()), it.Value())
	}
	if err := it.Err(); err != nil {
		return nil, malformed(err)
	}
	return t.Result(), nil
}

// EditText implements llm.Codec.
func (chatCodec) EditText(body []byte, edit llm.TextEdit) ([]byte, error) {
	return editBody(body, edit, func(t *dialect.Texts, key string, v []byte) {
		switch key {
		case "messages":
			elements(v, func(v []byte) { offerMessage(t, v) })
		case "documents":
			elements(v, func(v []byte) { offerDocument(t, llm.RoleUser, v) })
		}
	})
}

func offerMessage(t *dialect.Texts, v []byte) {
	role := llm.RoleUser
	if s := jsonscan.String(jsonscan.Get(v, "role")); s != "" {
		role = llm.Role(s)
	}
	for it := jsonscan.Object(v); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "content":
			offerContent(t, role, v)
		case "tool_plan":
			t.Offer(role, v)
		case "tool_calls":
			elements(v, func(v []byte) { t.Arguments(role, jsonscan.Get(v, "function", "arguments")) })
		case "citations":
			elements(v, func(v []byte) { offerCitation(t, role, v) })
		}
	}
}

// offerContent offers a content, which is a text or a list of parts.
func offerContent(t *dialect.Texts, role llm.Role, v []byte) {
	t.Offer(role, v)
	elements(v, func(v []byte) {
		for it := jsonscan.Object(v); it.Next(); {
			switch string(it.Key()) {
			case "text", "thinking":
				t.Offer(role, it.Value())
			case "document":
				offerDocument(t, role, it.Value())
			}
		}
	})
}

// offerDocument offers a document of version 2, which is a text or {"id":…,"data":…}.
func offerDocument(t *dialect.Texts, role llm.Role, v []byte) {
	t.Offer(role, v)
	if jsonscan.KindOf(v) == jsonscan.Dict {
		t.Values(role, jsonscan.Get(v, "data"))
	}
}

// offerCitation offers what was cited, and the documents that it came from.
func offerCitation(t *dialect.Texts, role llm.Role, v []byte) {
	for it := jsonscan.Object(v); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "text":
			t.Offer(role, v)
		case "sources":
			elements(v, func(v []byte) {
				for it := jsonscan.Object(v); it.Next(); {
					switch string(it.Key()) {
					case "document", "tool_output":
						t.Values(role, it.Value())
					}
				}
			})
		}
	}
}

// EditText implements llm.Codec.
func (chatV1Codec) EditText(body []byte, edit llm.TextEdit) ([]byte, error) {
	return editBody(body, edit, func(t *dialect.Texts, key string, v []byte) {
		switch key {
		case "preamble":
			t.Offer(llm.RoleSystem, v)
		case "message":
			t.Offer(llm.RoleUser, v)
		case "chat_history":
			elements(v, func(v []byte) { offerHistory(t, v) })
		case "documents":
			elements(v, func(v []byte) { offerFields(t, llm.RoleUser, v) })
		case "tool_results":
			elements(v, func(v []byte) { offerResult(t, v) })
		}
	})
}

func offerHistory(t *dialect.Texts, v []byte) {
	role := roleV1(jsonscan.Get(v, "role"))
	for it := jsonscan.Object(v); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "message":
			t.Offer(role, v)
		case "tool_calls":
			elements(v, func(v []byte) { t.Values(role, jsonscan.Get(v, "parameters")) })
		case "tool_results":
			elements(v, func(v []byte) { offerResult(t, v) })
		}
	}
}

// offerResult offers one of tool_results: the arguments of the call, and what came of it.
func offerResult(t *dialect.Texts, v []byte) {
	for it := jsonscan.Object(v); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "call":
			t.Values(llm.RoleAssistant, jsonscan.Get(v, "parameters"))
		case "outputs":
			t.Values(llm.RoleTool, v)
		}
	}
}

// offerFields offers the fields of a document of version 1, but for those that the model does not see: its id, and the list
// of the fields that are kept from the model.
func offerFields(t *dialect.Texts, role llm.Role, v []byte) {
	t.Offer(role, v)
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return
	}
	for it := jsonscan.Object(v); it.Next(); {
		switch string(it.Key()) {
		case "id", "_excludes":
		default:
			t.Values(role, it.Value())
		}
	}
}

// EditText implements llm.Codec.
func (generateCodec) EditText(body []byte, edit llm.TextEdit) ([]byte, error) {
	return editBody(body, edit, func(t *dialect.Texts, key string, v []byte) {
		if key == "prompt" {
			t.Offer(llm.RoleUser, v)
		}
	})
}

// EditText implements llm.Codec.
func (embedCodec) EditText(body []byte, edit llm.TextEdit) ([]byte, error) {
	return editBody(body, edit, func(t *dialect.Texts, key string, v []byte) {
		switch key {
		case "texts":
			elements(v, func(v []byte) { t.Offer(llm.RoleUser, v) })
		case "inputs":
			elements(v, func(v []byte) { offerContent(t, llm.RoleUser, jsonscan.Get(v, "content")) })
		}
	})
}

// EditText implements llm.Codec.
func (rerankCodec) EditText(body []byte, edit llm.TextEdit) ([]byte, error) {
	return editBody(body, edit, func(t *dialect.Texts, key string, v []byte) {
		switch key {
		case "query":
			t.Offer(llm.RoleUser, v)
		case "documents":
			elements(v, func(v []byte) { offerFields(t, llm.RoleUser, v) })
		}
	})
}
