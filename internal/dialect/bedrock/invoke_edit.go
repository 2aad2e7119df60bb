package bedrock

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// EditText implements llm.Codec. The names of the members that hold text mean the same for every model that has them. Claude takes
// back thinking that it has signed only as it was: a signed block whose text changes becomes a block of text.
func (invokeCodec) EditText(body []byte, edit llm.TextEdit) ([]byte, error) {
	e := invokeEditor{editor{dialect.Texts{Body: body, Edit: edit}}}
	it := jsonscan.Object(body)
	for it.Next() {
		e.member(string(it.Key()), it.Value())
	}
	if err := it.Err(); err != nil {
		return nil, malformed(err)
	}
	return e.Result(), nil
}

// invokeEditor walks the texts of a body in its order.
type invokeEditor struct{ editor }

func (e *invokeEditor) member(key string, v []byte) {
	switch key {
	case "prompt", "suffix", "inputText", "message", "query", "texts", "queries", "search_queries":
		e.Values(llm.RoleUser, v)
	case "preamble":
		e.Offer(llm.RoleSystem, v)
	case "system":
		e.content(llm.RoleSystem, v)
	case "messages":
		e.list(v, e.message)
	case "chat_history":
		e.list(v, e.turn)
	case "tool_results":
		e.list(v, e.result)
	case "documents":
		e.texts(v, func(key string) bool { return key != "id" && key != "_excludes" })
	case "inputs", "sources", "text_prompts", "textToImageParams", "imageVariationParams", "inPaintingParams", "outPaintingParams", "colorGuidedGenerationParams",
		"textToVideoParams", "singleEmbeddingParams", "segmentedEmbeddingParams":
		e.texts(v, func(key string) bool { return key == "text" || key == "negativeText" || key == "value" })
	}
}

// texts offers the strings in v that are members of which is says yes, or items of lists of them, or v itself.
func (e *invokeEditor) texts(v []byte, is func(key string) bool) {
	switch jsonscan.KindOf(v) {
	case jsonscan.Text:
		e.Offer(llm.RoleUser, v)
	case jsonscan.List:
		e.list(v, func(v []byte) { e.texts(v, is) })
	case jsonscan.Dict:
		e.members(v, func(key string, v []byte) {
			if jsonscan.KindOf(v) != jsonscan.Text || is(key) {
				e.texts(v, is)
			}
		})
	}
}

// turn is a turn of Command R's chat_history.
func (e *invokeEditor) turn(m []byte) {
	role := turnRole(member(m, "role"))
	e.members(m, func(key string, v []byte) {
		switch key {
		case "message":
			e.Offer(role, v)
		case "tool_calls":
			e.list(v, func(t []byte) { e.Values(role, member(t, "parameters")) })
		case "tool_results":
			e.list(v, e.result)
		}
	})
}

// result is one of Command R's tool_results: the arguments of the call, and what came of it.
func (e *invokeEditor) result(t []byte) {
	e.members(t, func(key string, v []byte) {
		switch key {
		case "call":
			e.Values(llm.RoleAssistant, member(v, "parameters"))
		case "outputs":
			e.Values(llm.RoleTool, v)
		}
	})
}

func turnRole(v []byte) llm.Role {
	switch word(v) {
	case "CHATBOT":
		return llm.RoleAssistant
	case "SYSTEM":
		return llm.RoleSystem
	case "TOOL":
		return llm.RoleTool
	}
	return llm.RoleUser
}

// message is a message of Anthropic's, Nova's or OpenAI's kind.
func (e *invokeEditor) message(m []byte) {
	role := messageRole(member(m, "role"))
	e.members(m, func(key string, v []byte) {
		switch key {
		case "content":
			e.content(role, v)
		case "reasoning_content", "reasoning", "refusal", "tool_plan":
			e.Offer(role, v)
		case "tool_calls":
			e.list(v, func(t []byte) { e.Arguments(role, member(member(t, "function"), "arguments")) })
		}
	})
}

func messageRole(v []byte) llm.Role {
	switch word(v) {
	case "tool", "function":
		return llm.RoleTool
	case "developer":
		return llm.RoleSystem
	}
	return roleOf(v)
}

// content is a string, or a list of strings and blocks.
func (e *invokeEditor) content(role llm.Role, v []byte) {
	if jsonscan.KindOf(v) == jsonscan.Text {
		e.Offer(role, v)
		return
	}
	e.list(v, func(b []byte) {
		if jsonscan.KindOf(b) == jsonscan.Text {
			e.Offer(role, b)
			return
		}
		if kind := word(member(b, "type")); kind != "" {
			e.typed(role, kind, b)
			return
		}
		e.members(b, func(kind string, v []byte) { e.block(role, kind, v) })
	})
}

// typed is a block that names its type, as Anthropic's and OpenAI's do.
func (e *invokeEditor) typed(role llm.Role, kind string, b []byte) {
	switch kind {
	case "thinking":
		e.thinking(role, b)
		return
	case "tool_result":
		role = llm.RoleTool
	}
	e.members(b, func(key string, v []byte) {
		switch key {
		case "text", "refusal":
			e.Offer(role, v)
		case "content":
			e.content(role, v)
		case "input":
			e.Arguments(role, v)
		case "title", "context":
			e.Offer(role, v)
		case "citations":
			e.Found(role, v)
		case "source":
			e.members(v, func(key string, inner []byte) {
				switch {
				case key == "data" && word(member(v, "type")) == "text":
					e.Offer(role, inner)
				case key == "content":
					e.content(role, inner)
				}
			})
		}
	})
}

func (e *invokeEditor) thinking(role llm.Role, b []byte) {
	text := member(b, "thinking")
	if jsonscan.String(member(b, "signature")) == "" {
		e.Offer(role, text)
		return
	}
	s := jsonscan.String(text)
	if s == "" {
		return
	}
	if s, changed := e.Edit(role, s); changed {
		e.Replace(b, append(jsonscan.AppendString([]byte(`{"type":"text","text":`), s), '}'))
	}
}
