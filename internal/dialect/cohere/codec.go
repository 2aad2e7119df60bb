package cohere

import (
	"bytes"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// The codecs of the APIs that are read for captures and guards, embed's for translations too.
type (
	chatV1Codec   struct{} // chat, version 1
	generateCodec struct{}
	embedCodec    struct{}
	rerankCodec   struct{}
)

// Conversation implements llm.Codec. Version 1 is not translated, so that Extra stays empty.
func (chatV1Codec) Conversation(body []byte) (*llm.Conversation, error) {
	c := new(llm.Conversation)
	var message []llm.Part
	var results []llm.Message
	it := jsonscan.Object(body)
	for it.Next() {
		switch v := it.Value(); string(it.Key()) {
		case "preamble":
			if s := jsonscan.String(v); s != "" {
				c.System = append(c.System, llm.Part{Text: s})
			}
		case "chat_history":
			elements(v, func(v []byte) { c.Messages = append(c.Messages, historyMessage(v)) })
		case "message":
			if s := jsonscan.String(v); s != "" {
				message = []llm.Part{{Text: s}}
			}
		case "tool_results":
			if parts := resultsV1(v); len(parts) > 0 {
				results = []llm.Message{{Role: llm.RoleTool, Parts: parts}}
			}
		case "tools":
			elements(v, func(v []byte) { c.Tools = append(c.Tools, toolV1(v)) })
		case "response_format":
			if s := jsonscan.Get(v, "schema"); jsonscan.KindOf(s) == jsonscan.Dict {
				c.OutputSchema = bytes.Clone(s)
			}
		}
	}
	if err := it.Err(); err != nil {
		return nil, malformed(err)
	}
	if message != nil {
		c.Messages = append(c.Messages, llm.Message{Role: llm.RoleUser, Parts: message})
	}
	c.Messages = append(c.Messages, results...)
	return c, nil
}

// historyMessage reads one of chat_history.
func historyMessage(v []byte) llm.Message {
	m := llm.Message{Role: roleV1(jsonscan.Get(v, "role"))}
	if s := jsonscan.String(jsonscan.Get(v, "message")); s != "" {
		m.Parts = append(m.Parts, llm.Part{Text: s})
	}
	elements(jsonscan.Get(v, "tool_calls"), func(v []byte) { m.Parts = append(m.Parts, callV1(v)) })
	m.Parts = append(m.Parts, resultsV1(jsonscan.Get(v, "tool_results"))...)
	return m
}

// roleV1 is the neutral role: clients write the reference's capitals, or not.
func roleV1(v []byte) llm.Role {
	switch role := bytes.ToUpper([]byte(jsonscan.String(v))); string(role) {
	case "SYSTEM":
		return llm.RoleSystem
	case "CHATBOT":
		return llm.RoleAssistant
	case "TOOL":
		return llm.RoleTool
	}
	return llm.RoleUser
}

// callV1 reads a tool call of version 1: it has no id, and its arguments are an object.
func callV1(v []byte) llm.Part {
	p := llm.Part{Kind: llm.PartToolCall, Name: jsonscan.String(jsonscan.Get(v, "name"))}
	if args := jsonscan.Get(v, "parameters"); !jsonscan.IsNull(args) {
		p.Text = string(args)
	}
	return p
}

// resultsV1 reads tool_results: each is the call and what came of it.
func resultsV1(v []byte) []llm.Part {
	var out []llm.Part
	elements(v, func(v []byte) {
		out = append(out, llm.Part{
			Kind: llm.PartToolResult, Name: jsonscan.String(jsonscan.Get(v, "call", "name")), Text: string(jsonscan.Get(v, "outputs")),
		})
	})
	return out
}

func toolV1(v []byte) llm.Tool {
	return llm.Tool{Name: jsonscan.String(jsonscan.Get(v, "name")), Description: jsonscan.String(jsonscan.Get(v, "description")), Raw: bytes.Clone(v)}
}

// Conversation implements llm.Codec: the prompt is one message of the user.
func (generateCodec) Conversation(body []byte) (*llm.Conversation, error) {
	c := new(llm.Conversation)
	it := jsonscan.Object(body)
	for it.Next() {
		if string(it.Key()) == "prompt" {
			c.Messages = []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{{Text: jsonscan.String(it.Value())}}}}
		}
	}
	if err := it.Err(); err != nil {
		return nil, malformed(err)
	}
	return c, nil
}

// Conversation implements llm.Codec: the query is a message of the user, and what is to be ranked is another.
func (rerankCodec) Conversation(body []byte) (*llm.Conversation, error) {
	c := new(llm.Conversation)
	it := jsonscan.Object(body)
	for it.Next() {
		var parts []llm.Part
		switch v := it.Value(); string(it.Key()) {
		case "query":
			parts = []llm.Part{{Text: jsonscan.String(v)}}
		case "documents":
			elements(v, func(v []byte) { parts = append(parts, llm.Part{Text: valueText(v)}) })
		}
		if len(parts) > 0 {
			c.Messages = append(c.Messages, llm.Message{Role: llm.RoleUser, Parts: parts})
		}
	}
	if err := it.Err(); err != nil {
		return nil, malformed(err)
	}
	return c, nil
}

// Conversation implements llm.Codec: one input for each vector, from texts, images or inputs.
func (embedCodec) Conversation(body []byte) (*llm.Conversation, error) {
	c := new(llm.Conversation)
	it := jsonscan.Object(body)
	for it.Next() {
		v := it.Value()
		if absent(v) {
			continue
		}
		switch key := string(it.Key()); key {
		case "model", "embedding_types", "output_dimension", "stream":
		case "texts":
			for _, s := range jsonscan.Strings(v) {
				c.Inputs = append(c.Inputs, []llm.Part{{Text: s}})
			}
			if !jsonscan.OnlyStrings(v) {
				extra(c, key, v)
			}
		case "images":
			for _, s := range jsonscan.Strings(v) {
				c.Inputs = append(c.Inputs, []llm.Part{linked(s)})
			}
		case "inputs":
			elements(v, func(v []byte) { c.Inputs = append(c.Inputs, appendContent(nil, jsonscan.Get(v, "content"))) })
		case "input_type":
			c.InputType = jsonscan.String(v)
		default:
			if key != "truncate" || jsonscan.String(v) != "END" {
				extra(c, key, v)
			}
		}
	}
	if err := it.Err(); err != nil {
		return nil, malformed(err)
	}
	return c, nil
}
