package openai

import (
	"bytes"
	"slices"
	"strings"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// chatCodec reads the body of "Create chat completion".
type chatCodec struct{}

// EditText implements llm.Codec.
func (chatCodec) EditText(body []byte, edit llm.TextEdit) ([]byte, error) {
	return run(body, edit, func(e *editor, it *jsonscan.Iter) {
		switch v := it.Value(); string(it.Key()) {
		case "messages":
			if jsonscan.KindOf(v) != jsonscan.List {
				return
			}
			for m := jsonscan.Array(v); m.Next(); {
				e.message(m.Value())
			}
		case "prediction":
			e.content(llm.RoleAssistant, jsonscan.Get(v, "content"))
		}
	})
}

func (e *editor) message(m []byte) {
	role := roleOf(jsonscan.Get(m, "role"))
	for it := jsonscan.Object(m); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "content", "refusal", "reasoning_content", "reasoning", "reasoning_details":
			e.content(role, v)
		case "function_call":
			e.Arguments(role, jsonscan.Get(v, "arguments"))
		case "annotations", "graph_data", "llm_data", "web_search_data", "translation_data": // all but the first are Writer's
			e.Found(role, v)
		case "tool_calls":
			for _, call := range elements(v) {
				e.Arguments(role, jsonscan.Get(call, "function", "arguments"))
				e.text(role, jsonscan.Get(call, "custom", "input"))
			}
		}
	}
}

// roleOf is the neutral role: developer speaks as system does, function (before tools) as tool.
func roleOf(v []byte) llm.Role {
	switch s := jsonscan.String(v); s {
	case "developer":
		return llm.RoleSystem
	case "function":
		return llm.RoleTool
	default:
		return llm.Role(s)
	}
}

// Conversation implements llm.Codec.
func (chatCodec) Conversation(body []byte) (*llm.Conversation, error) {
	c := new(llm.Conversation)
	it := jsonscan.Object(body)
	for it.Next() {
		v := it.Value()
		if jsonscan.IsNull(v) {
			continue
		}
		switch key := string(it.Key()); key {
		case "messages":
			for _, m := range elements(v) {
				c.Messages = append(c.Messages, chatMessage(c, m))
			}
		case "tools":
			for _, t := range elements(v) {
				c.Tools = append(c.Tools, newTool(c, t, jsonscan.Get(t, "function")))
			}
		case "functions":
			for _, f := range elements(v) {
				c.Tools = append(c.Tools, function(c, f))
			}
		case "tool_choice", "function_call":
			toolChoice(c, key, v)
		case "parallel_tool_calls":
			parallel(c, v)
		case "response_format":
			format(c, key, "response_format.json_schema", v, jsonscan.Get(v, "json_schema"))
		case "user":
			c.User = jsonscan.String(v)
		case "logprobs":
			c.Logprobs = jsonscan.Bool(v)
		case "top_logprobs":
			topLogprobs(c, v)
		case "stream_options":
			rest(c, key, v, "include_usage", "include_obfuscation")
		case "thinking", "reasoning":
			reasoningOptions(c, key, v)
		default:
			if !slices.Contains(params, key) {
				extra(c, key, key, v)
			}
		}
	}
	if err := it.Err(); err != nil {
		return nil, malformed(body, err)
	}
	return c, nil
}

// reasoningOptions decodes what hosts take beside reasoning_effort: thinking (Anthropic's object, which LiteLLM takes; DeepSeek
// and Z.ai have its type alone) and reasoning (OpenRouter).
func reasoningOptions(c *llm.Conversation, key string, v []byte) {
	for it := jsonscan.Object(v); it.Next(); {
		m := it.Value()
		if jsonscan.IsNull(m) {
			continue
		}
		switch name := string(it.Key()); {
		case name == "budget_tokens" || name == "max_tokens":
			if n, ok := jsonscan.Int(m); ok {
				c.ThinkingBudget = llm.Some(n)
			}
		case name == "enabled" && jsonscan.Bool(m) || name == "type" && jsonscan.String(m) == "enabled":
			c.Thinking = "on"
		case name == "enabled" || name == "type" && jsonscan.String(m) == "disabled":
			c.Thinking = "off"
		case name == "exclude":
			if jsonscan.Bool(m) {
				c.ShowThinking = llm.Some(false)
			}
		case name == "effort": // of Params
		default:
			extra(c, name, key+"."+name, m)
		}
	}
}

// chatMessage decodes a message. Reasoning comes first and tool calls last, wherever their members stand.
func chatMessage(c *llm.Conversation, m []byte) llm.Message {
	const content = "messages.content"
	out := llm.Message{Role: roleOf(jsonscan.Get(m, "role")), Name: str(m, "name")}
	if out.Role == llm.RoleTool {
		result := llm.Part{ID: str(m, "tool_call_id"), Name: out.Name, Cache: cacheMark(m)}
		out.Parts = toolResult(result, appendContent(c, content, nil, jsonscan.Get(m, "content")))
		rest(c, "messages", m, "role", "name", "content", "tool_call_id", "cache_control")
		return out
	}
	var calls, before []llm.Part
	out.Parts, before = chatReasoning(m)
	for it := jsonscan.Object(m); it.Next(); {
		switch v, key := it.Value(), string(it.Key()); key {
		case "content":
			out.Parts = appendContent(c, content, out.Parts, v)
		case "refusal":
			if isText(v) {
				out.Parts = append(out.Parts, llm.Part{Kind: llm.PartRefusal, Text: jsonscan.String(v)})
			}
		case "tool_calls":
			calls = chatCalls(c, v)
		case "function_call":
			if jsonscan.KindOf(v) == jsonscan.Dict {
				calls = append(calls, llm.Part{Kind: llm.PartToolCall, Name: str(v, "name"), Text: text(jsonscan.Get(v, "arguments"))})
			}
		case "role", "name", "reasoning", "reasoning_content", "reasoning_details", "cache_control":
		default:
			extra(c, key, "messages."+key, v)
		}
	}
	if mark := cacheMark(m); mark != "" && len(out.Parts) > 0 {
		out.Parts[len(out.Parts)-1].Cache = mark
	}
	out.Parts = append(append(out.Parts, before...), calls...)
	return out
}

func chatCalls(c *llm.Conversation, v []byte) []llm.Part {
	var out []llm.Part
	for _, call := range elements(v) {
		f := jsonscan.Get(call, "function")
		if f == nil {
			out = append(out, llm.Part{Kind: llm.PartOther, Name: "custom_tool_call", Raw: bytes.Clone(call)})
			continue
		}
		rest(c, "messages.tool_calls", call, "id", "type", "function", "index", "cache_control")
		out = append(out, llm.Part{Kind: llm.PartToolCall, ID: str(call, "id"), Name: str(f, "name"), Text: text(jsonscan.Get(f, "arguments")),
			Cache: cacheMark(call)})
	}
	return out
}

// chatReasoning is the reasoning of an earlier answer: its text (reasoning_content, or reasoning), and what of it a provider
// signed or sealed (reasoning_details, which has the text once more). What is signed without a text belongs to what comes
// after the answer's text: a call.
func chatReasoning(m []byte) (reasoning, before []llm.Part) {
	plain := str(m, "reasoning_content")
	if plain == "" {
		plain = str(m, "reasoning")
	}
	thought := func(s string) {
		if s != "" {
			reasoning = append(reasoning, llm.Part{Kind: llm.PartReasoning, Text: s})
		}
	}
	for _, d := range elements(jsonscan.Get(m, "reasoning_details")) {
		p := llm.Part{Kind: llm.PartReasoning, Text: str(d, "text"), Signature: str(d, "signature"), Data: str(d, "data")}
		if p.Text == "" {
			p.Text = str(d, "summary")
		}
		if i := strings.Index(plain, p.Text); p.Text != "" && i >= 0 {
			thought(plain[:i])
			plain = plain[i+len(p.Text):]
		}
		switch {
		case p.Text == "" && p.Data == "" && p.Signature != "":
			before = append(before, p)
		case p.Text != "" || p.Data != "":
			reasoning = append(reasoning, p)
		}
	}
	thought(plain)
	return reasoning, before
}
