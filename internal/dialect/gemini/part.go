package gemini

import (
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// elements calls f for the elements of the list v, or for v itself when it is an object: Google's JSON parser takes a lone
// value for a list of one, and its own examples make use of that.
func elements(v []byte, f func(v []byte)) {
	switch jsonscan.KindOf(v) {
	case jsonscan.Dict:
		f(v)
	case jsonscan.List:
		for it := jsonscan.Array(v); it.Next(); {
			f(it.Value())
		}
	}
}

// eachPart calls f for what one Part of a Content holds: for the part as readPart reads it, and before it for its signature when
// it is no thought, as reasoning without text. Parts are passed by value: a pointer would have each allocated.
func eachPart(v []byte, f func(p llm.Part, text []byte)) {
	p, text := readPart(v)
	if p.Signature != "" && p.Kind != llm.PartReasoning {
		f(llm.Part{Kind: llm.PartReasoning, Signature: p.Signature}, nil)
		if p.Signature = ""; p.Text == "" && (p.Kind == llm.PartText || p.Kind == llm.PartOther && p.Name == "") {
			return // the signature was all
		}
	}
	f(p, text)
}

// framePart is eachPart for a response: the signature of a text comes after it, as it does when Gemini sends it alone at the end
// of a stream, so that it does not part the text from what came before.
func framePart(v []byte, f func(p llm.Part, text []byte)) {
	signature := ""
	tell := func() {
		if signature != "" {
			f(llm.Part{Kind: llm.PartReasoning, Signature: signature}, nil)
			signature = ""
		}
	}
	eachPart(v, func(p llm.Part, value []byte) {
		if p.Kind == llm.PartReasoning && value == nil {
			signature = p.Signature
			return
		}
		if p.Kind != llm.PartText {
			tell()
		}
		f(p, value)
	})
	tell()
}

// readPart reads one Part of a Content. text is the value that p.Text came from, nil when there is none: a string for text
// and thoughts, else a JSON value that p.Text holds verbatim. Raw is v for a part of an unknown kind.
func readPart(v []byte) (p llm.Part, text []byte) {
	p.Kind = llm.PartOther
	unknown, thought := "", false
	if jsonscan.KindOf(v) != jsonscan.Dict {
		p.Raw = v
		return p, nil
	}
	for it := jsonscan.Object(v); it.Next(); {
		val := it.Value()
		switch string(it.Key()) {
		case "text":
			if jsonscan.KindOf(val) == jsonscan.Text {
				p.Kind, p.Text, text = llm.PartText, jsonscan.String(val), val
			}
		case "thought":
			thought = jsonscan.Bool(val)
		case "thoughtSignature", "thought_signature":
			p.Signature = jsonscan.String(val)
		case "functionCall", "function_call":
			text = readCall(&p, llm.PartToolCall, "args", val)
		case "functionResponse", "function_response":
			text = readCall(&p, llm.PartToolResult, "response", val)
		case "inlineData", "inline_data":
			readMedia(&p, llm.PartBlob, val)
		case "fileData", "file_data":
			readMedia(&p, llm.PartURI, val)
		case "executableCode", "executable_code", "codeExecutionResult", "code_execution_result",
			"toolCall", "tool_call", "toolResponse", "tool_response":
			p.Kind, p.Name, p.Text, text = llm.PartServerTool, string(it.Key()), string(val), val
			p.ID = jsonscan.String(member(val, "id"))
		default:
			unknown = string(it.Key())
		}
	}
	switch {
	case p.Kind == llm.PartOther:
		p.Name, p.Raw = unknown, v
	case p.Kind == llm.PartText && thought:
		p.Kind = llm.PartReasoning
	}
	return p, text
}

// member returns a member of an object, nil when v is none.
func member(v []byte, name string) []byte {
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return nil
	}
	return jsonscan.Get(v, name)
}

// readCall reads FunctionCall or FunctionResponse; payload names its JSON.
func readCall(p *llm.Part, kind llm.PartKind, payload string, v []byte) (text []byte) {
	p.Kind = kind
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return nil
	}
	for it := jsonscan.Object(v); it.Next(); {
		switch string(it.Key()) {
		case "id":
			p.ID = jsonscan.String(it.Value())
		case "name":
			p.Name = jsonscan.String(it.Value())
		case payload:
			if text = it.Value(); jsonscan.IsNull(text) {
				text = nil
			}
			p.Text = string(text)
		}
	}
	return text
}

// readMedia reads Blob or FileData.
func readMedia(p *llm.Part, kind llm.PartKind, v []byte) {
	p.Kind = kind
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return
	}
	for it := jsonscan.Object(v); it.Next(); {
		switch string(it.Key()) {
		case "mimeType", "mime_type":
			p.MIME = jsonscan.String(it.Value())
		case "data":
			p.Data = jsonscan.String(it.Value())
		case "fileUri", "file_uri":
			p.URI = jsonscan.String(it.Value())
		case "displayName", "display_name":
			p.Name = jsonscan.String(it.Value())
		}
	}
}
