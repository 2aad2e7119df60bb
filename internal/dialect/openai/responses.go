package openai

import (
	"strings"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// response decodes a Responses object or one of its streaming events (API reference, "Responses", "Streaming events").
func (d *decoder) response(data []byte, ev *llm.Event) bool {
	var typ string
	var object, failed []byte
	it := jsonscan.Object(data)
	for it.Next() {
		switch v := it.Value(); string(it.Key()) {
		case "type":
			typ = d.event.Of(v)
		case "response":
			object = v
		case "error":
			failed = v
		}
	}
	if it.Err() != nil {
		return false
	}
	switch {
	case typ == "error":
		if jsonscan.KindOf(failed) != jsonscan.Dict {
			failed = data
		}
		ev.Err, ev.Last = newError(failed, d.status), true
	case typ == "": // a whole response
		d.responseObject(data, ev)
	case object != nil:
		d.responseObject(object, ev)
		ev.Last = typ == "response.completed" || typ == "response.incomplete" || typ == "response.failed"
	case typ == "response.output_item.added" || strings.HasSuffix(typ, ".delta"):
		ev.Choices = append(ev.Choices, llm.Choice{})
	}
	if d.want == llm.WantParts {
		d.texts.begin(ev.Parts)
		d.texts.response(data)
		ev.Parts = d.texts.parts
	}
	return true
}

// responseObject reads what is said about the response itself. Its status stands for the finish reason that the API has
// not: "completed", or why it is incomplete.
func (d *decoder) responseObject(v []byte, ev *llm.Event) {
	var status, reason string
	var output, failed []byte
	for it := jsonscan.Object(v); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "id":
			ev.ID = d.id.Of(v)
		case "model":
			ev.Model = d.model.Of(v)
		case "service_tier":
			ev.ServiceTier = d.tier.Of(v)
		case "conversation":
			if ev.Conversation = jsonscan.String(v); ev.Conversation == "" {
				ev.Conversation = jsonscan.String(jsonscan.Get(v, "id"))
			}
		case "status":
			status = jsonscan.String(v)
		case "incomplete_details":
			reason = jsonscan.String(jsonscan.Get(v, "reason"))
		case "usage":
			d.setUsage(v, ev)
		case "error":
			failed = v
		case "output":
			output = v
		}
	}
	ev.Err = newError(failed, d.status)
	if ev.Err == nil && status == "failed" {
		ev.Err = &llm.Error{Type: "failed", Message: "The response failed and the provider did not say why."}
	}
	c := llm.Choice{}
	switch status {
	case "completed":
		c.Finish = status
	case "incomplete":
		if c.Finish = reason; reason == "" {
			c.Finish = status
		}
	}
	if c.Finish != "" || len(output) > len("[]") && jsonscan.KindOf(output) == jsonscan.List {
		ev.Choices = append(ev.Choices, c)
	}
}
