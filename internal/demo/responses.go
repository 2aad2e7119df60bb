package demo

import (
	"encoding/json"
	"net/http"
)

// The types below are those of OpenAI's API reference, "Responses" and "Streaming events".

type responsesUsage struct {
	Input        int `json:"input_tokens"`
	InputDetails struct {
		Cached int `json:"cached_tokens"`
	} `json:"input_tokens_details"`
	Output        int `json:"output_tokens"`
	OutputDetails struct {
		Reasoning int `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
	Total int `json:"total_tokens"`
}

type responsesPart struct {
	Type        string     `json:"type"`
	Text        string     `json:"text"`
	Annotations []struct{} `json:"annotations"`
}

type responsesItem struct {
	Type      string           `json:"type"`
	ID        string           `json:"id"`
	Status    string           `json:"status"`
	Role      string           `json:"role,omitempty"`
	Content   *[]responsesPart `json:"content,omitempty"`
	CallID    string           `json:"call_id,omitempty"`
	Name      string           `json:"name,omitempty"`
	Arguments *string          `json:"arguments,omitempty"`
}

type responsesReason struct {
	Reason string `json:"reason"`
}

type responsesObject struct {
	ID           string           `json:"id"`
	Object       string           `json:"object"`
	Created      int64            `json:"created_at"`
	Status       string           `json:"status"`
	Error        *struct{}        `json:"error"`
	Incomplete   *responsesReason `json:"incomplete_details"`
	Instructions *string          `json:"instructions"`
	Model        string           `json:"model"`
	Output       []responsesItem  `json:"output"`
	Parallel     bool             `json:"parallel_tool_calls"`
	Temperature  float64          `json:"temperature"`
	ToolChoice   string           `json:"tool_choice"`
	Tools        []struct{}       `json:"tools"`
	TopP         float64          `json:"top_p"`
	Usage        *responsesUsage  `json:"usage"`
}

// responsesEvent is any of the streaming events: Type says which of the other fields it has.
type responsesEvent struct {
	Type      string           `json:"type"`
	Sequence  int              `json:"sequence_number"`
	Response  *responsesObject `json:"response,omitempty"`
	ItemID    string           `json:"item_id,omitempty"`
	Output    *int             `json:"output_index,omitempty"`
	Content   *int             `json:"content_index,omitempty"`
	Item      *responsesItem   `json:"item,omitempty"`
	Part      *responsesPart   `json:"part,omitempty"`
	Delta     *string          `json:"delta,omitempty"`
	Text      *string          `json:"text,omitempty"`
	Arguments *string          `json:"arguments,omitempty"`
}

func openAIResponses() endpoint {
	return endpoint{parse: parseResponses, whole: responsesWhole, stream: responsesStream, fail: openAIFail}
}

func parseResponses(_ *http.Request, body []byte) (*prompt, error) {
	var q struct {
		Model           string
		Stream          bool
		Input           json.RawMessage
		Instructions    string
		Tools           []offered
		MaxOutputTokens int `json:"max_output_tokens"`
	}
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, err
	}
	if q.Model == "" {
		return nil, missing("model")
	}
	p := &prompt{model: q.Model, stream: q.Stream, limit: q.MaxOutputTokens}
	p.offer(q.Tools)
	if q.Instructions != "" {
		p.texts = append(p.texts, q.Instructions)
	}
	var items []message
	switch {
	case json.Unmarshal(q.Input, &items) == nil && len(items) > 0:
		p.converse(items)
	case textOf(q.Input) != "":
		p.last = textOf(q.Input)
		p.add(p.last)
	default:
		return nil, missing("input")
	}
	return p, nil
}

// responses is the object as it is before anything was said.
func (a *answer) responses(p *prompt) *responsesObject {
	return &responsesObject{ID: "resp_" + a.id, Object: "response", Created: created, Status: "in_progress", Model: p.model,
		Output: []responsesItem{}, Parallel: true, Temperature: 1, ToolChoice: "auto", Tools: []struct{}{}, TopP: 1}
}

// finish makes r the object after item was said.
func (r *responsesObject) finish(a *answer, item responsesItem) {
	r.Status, r.Output = "completed", []responsesItem{item}
	if a.finish == finishLength {
		r.Status, r.Incomplete = "incomplete", &responsesReason{"max_output_tokens"}
	}
	r.Usage = &responsesUsage{Input: a.in, Output: a.out(), Total: a.in + a.out()}
}

// item is what the answer says, with text or arguments as far as they are known.
func (a *answer) item(status, text string) responsesItem {
	if a.tool != "" {
		return responsesItem{Type: "function_call", ID: "fc_" + a.id, Status: status, CallID: a.callID(), Name: a.tool, Arguments: &text}
	}
	content := []responsesPart{}
	if status != "in_progress" {
		content = append(content, outputText(text))
	}
	return responsesItem{Type: "message", ID: "msg_" + a.id, Status: status, Role: "assistant", Content: &content}
}

// itemStatus is the status of the item when all is said.
func (a *answer) itemStatus() string {
	if a.finish == finishLength {
		return "incomplete"
	}
	return "completed"
}

func outputText(text string) responsesPart {
	return responsesPart{Type: "output_text", Text: text, Annotations: []struct{}{}}
}

func responsesWhole(p *prompt, a *answer) any {
	r := a.responses(p)
	r.finish(a, a.item(a.itemStatus(), a.text()))
	return r
}

func responsesStream(p *prompt, a *answer, w *stream) {
	w.start("text/event-stream")
	sequence, zero, empty, text := 0, 0, "", a.text()
	send := func(e responsesEvent) {
		e.Sequence = sequence
		sequence++
		w.sse(e.Type, e)
	}
	r := a.responses(p)
	send(responsesEvent{Type: "response.created", Response: r})
	send(responsesEvent{Type: "response.in_progress", Response: r})
	item := a.item("in_progress", empty)
	send(responsesEvent{Type: "response.output_item.added", Output: &zero, Item: &item})
	if a.tool != "" {
		for piece := range w.pieces(a) {
			send(responsesEvent{Type: "response.function_call_arguments.delta", ItemID: item.ID, Output: &zero, Delta: &piece})
		}
		send(responsesEvent{Type: "response.function_call_arguments.done", ItemID: item.ID, Output: &zero, Arguments: &text})
	} else {
		part := outputText(empty)
		send(responsesEvent{Type: "response.content_part.added", ItemID: item.ID, Output: &zero, Content: &zero, Part: &part})
		for piece := range w.pieces(a) {
			send(responsesEvent{Type: "response.output_text.delta", ItemID: item.ID, Output: &zero, Content: &zero, Delta: &piece})
		}
		part = outputText(text)
		send(responsesEvent{Type: "response.output_text.done", ItemID: item.ID, Output: &zero, Content: &zero, Text: &text})
		send(responsesEvent{Type: "response.content_part.done", ItemID: item.ID, Output: &zero, Content: &zero, Part: &part})
	}
	item = a.item(a.itemStatus(), text)
	send(responsesEvent{Type: "response.output_item.done", Output: &zero, Item: &item})
	r.finish(a, item)
	send(responsesEvent{Type: "response." + r.Status, Response: r})
}
