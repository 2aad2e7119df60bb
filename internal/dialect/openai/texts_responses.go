package openai

import (
	"slices"
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// response walks a Responses object or one of its streaming events.
func (t *texts) response(data []byte) {
	var typ string
	var val, item, part, object, probs []byte
	at := 0
	for it := jsonscan.Object(data); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "type":
			typ = jsonscan.String(v)
		case "delta", "text", "refusal", "arguments", "input", "code", "diff":
			val = v
		case "annotation":
			dialect.Asides(v, t.aside)
		case "logprobs":
			probs = v
		case "output_index":
			at = index(v, 0)
		case "item":
			item = v
		case "part":
			part = v
		case "response":
			object = v
		}
	}
	switch {
	case typ == "":
		t.output(jsonscan.Get(data, "output"))
	case object != nil:
		t.output(jsonscan.Get(object, "output"))
	case item != nil:
		t.item(item, at, typ != "response.output_item.added")
	case part != nil:
		t.itemPart(part, at)
	default:
		if kind, ok := eventKind(typ); ok && jsonscan.KindOf(val) == jsonscan.Text {
			t.tell(llm.Part{Kind: kind, Index: at, Logprobs: logprobs(probs)}, val, strings.HasSuffix(typ, ".done"))
		}
	}
}

// eventKind is what the text of a streaming event belongs to; ok is false for an event without text.
func eventKind(typ string) (kind llm.PartKind, ok bool) {
	name, found := strings.CutSuffix(typ, ".delta")
	if !found {
		if name, found = strings.CutSuffix(typ, ".done"); !found {
			return 0, false
		}
	}
	switch name {
	case "response.output_text":
		return llm.PartText, true
	case "response.refusal":
		return llm.PartRefusal, true
	case "response.reasoning_text", "response.reasoning_summary_text":
		return llm.PartReasoning, true
	case "response.function_call_arguments", "response.custom_tool_call_input":
		return llm.PartToolCall, true
	case "response.mcp_call_arguments", "response.code_interpreter_call_code", "response.apply_patch_call_operation_diff":
		return llm.PartServerTool, true
	}
	return 0, false
}

// tell adds p. In a closing event its text is repeated when an earlier frame told some of it.
func (t *texts) tell(p llm.Part, v []byte, closing bool) {
	seen := len(t.told) >= maxTold
	known := false
	for _, x := range t.told {
		if x.kind == p.Kind && x.index == p.Index {
			seen, known = x.frame < t.frame, true
		}
	}
	p.Repeat = closing && seen
	t.add(p, v)
	if !known && len(t.told) < maxTold && len(v) > 2 {
		t.told = append(t.told, told{p.Kind, p.Index, t.frame})
	}
}

func (t *texts) output(v []byte) {
	if jsonscan.KindOf(v) != jsonscan.List {
		return
	}
	all := jsonscan.Array(v)
	for n := 0; all.Next(); n++ {
		t.item(all.Value(), n, true)
	}
}

// item walks an output item. Calls that the client runs are tool calls; what the provider runs (web_search_call,
// file_search_call, mcp_call and others) are server tools. What reasoning has encrypted is the provider's last word of it in
// an item that is complete.
func (t *texts) item(v []byte, at int, complete bool) {
	var typ, id, callID, name string
	var sealed []byte
	var args []byte
	var lists [2][]byte // content and summary, in the order of the bytes
	n := 0
	for it := jsonscan.Object(v); it.Next(); {
		switch m := it.Value(); string(it.Key()) {
		case "type":
			typ = jsonscan.String(m)
		case "id":
			id = jsonscan.String(m)
		case "call_id":
			callID = jsonscan.String(m)
		case "name":
			name = jsonscan.String(m)
		case "arguments", "input", "code":
			args = m
		case "encrypted_content":
			sealed = m
		case "content", "summary":
			if n < len(lists) && jsonscan.KindOf(m) == jsonscan.List {
				lists[n] = m
				n++
			}
		}
	}
	switch {
	case typ == "message" || typ == "reasoning":
		for _, list := range lists[:n] {
			for it := jsonscan.Array(list); it.Next(); {
				t.itemPart(it.Value(), at)
			}
		}
		if typ == "reasoning" && complete && isText(sealed) {
			t.seal(at, sealed)
		}
	case typ == "function_call" || typ == "custom_tool_call":
		t.tell(llm.Part{Kind: llm.PartToolCall, Index: at, ID: callID, Name: name}, args, true)
	case strings.HasSuffix(typ, "_call") || typ == "mcp_approval_request":
		if name == "" {
			name = typ
		}
		t.tell(llm.Part{Kind: llm.PartServerTool, Index: at, ID: id, Name: name}, args, true)
		t.found(v)
	case strings.HasSuffix(typ, "_output"):
		t.found(v)
	}
}

// found adds what a tool on the provider's side did and found, by the item that tells of it.
func (t *texts) found(item []byte) {
	for it := jsonscan.Object(item); it.Next(); {
		switch string(it.Key()) {
		case "action", "queries", "results", "outputs", "output", "operation", "error", "revised_prompt":
			dialect.Asides(it.Value(), t.aside)
		}
	}
}

// itemPart walks a content part of an output item.
func (t *texts) itemPart(v []byte, at int) {
	kind, key := llm.PartText, "text"
	switch jsonscan.String(jsonscan.Get(v, "type")) {
	case "refusal":
		kind, key = llm.PartRefusal, "refusal"
	case "reasoning_text", "summary_text":
		kind = llm.PartReasoning
	}
	if s := jsonscan.Get(v, key); isText(s) {
		t.tell(llm.Part{Kind: kind, Index: at, Logprobs: logprobs(jsonscan.Get(v, "logprobs"))}, s, true)
	}
	dialect.Asides(jsonscan.Get(v, "annotations"), t.aside)
}

// seal adds what the reasoning of the item at has encrypted: a part without a text, repeated when an earlier frame told it.
func (t *texts) seal(at int, v []byte) {
	p := unseal(nil, jsonscan.String(v))[0]
	p.Index, p.Repeat = at, slices.Contains(t.sealed, at)
	t.add(p, nil)
	if !p.Repeat && len(t.sealed) < maxTold {
		t.sealed = append(t.sealed, at)
	}
}
