package dialect

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Calls joins the fragments of tool calls, for dialects that send calls whole. The zero value is ready to use; it holds at
// most llm.MaxBody bytes of them.
type Calls struct {
	calls []call
	size  int
}

type call struct {
	part llm.Part
	text []byte
}

// Add joins p, a tool call or a fragment of one, to the call that it continues. It fails with an *llm.Error of status 502
// past the bound.
func (c *Calls) Add(p *llm.Part) error {
	if c.size+len(p.Text) > llm.MaxBody {
		return llm.Errorf(http.StatusBadGateway, "response_too_large", "The provider's tool calls are too large.")
	}
	c.size += len(p.Text)
	for i := range c.calls {
		q := &c.calls[i]
		if q.part.Choice == p.Choice && q.part.Index == p.Index {
			q.part.ID, q.part.Name = cmp.Or(q.part.ID, p.ID), cmp.Or(q.part.Name, p.Name)
			q.text = append(q.text, p.Text...)
			return nil
		}
	}
	c.calls = append(c.calls, call{*p, []byte(p.Text)})
	return nil
}

// Take removes the calls of choice and returns them in the order of their beginning.
func (c *Calls) Take(choice int) []llm.Part {
	var taken []llm.Part
	kept := c.calls[:0]
	for _, q := range c.calls {
		if q.part.Choice != choice {
			kept = append(kept, q)
			continue
		}
		q.part.Text = string(q.text)
		c.size -= len(q.text)
		taken = append(taken, q.part)
	}
	c.calls = kept
	return taken
}

// Arguments are the arguments of the tool call p as a JSON object, {} when it has none. It fails when they are something
// else, with an *llm.Error of the status given: 400 for a call in a request, 502 for one in a response.
func Arguments(p *llm.Part, status int) (json.RawMessage, error) {
	args := bytes.TrimSpace([]byte(p.Text))
	if len(args) == 0 {
		return json.RawMessage("{}"), nil
	}
	err := jsonscan.Validate(args)
	if err == nil && jsonscan.KindOf(args) != jsonscan.Dict {
		err = errors.New("expected an object")
	}
	if err != nil {
		return nil, llm.Errorf(status, "invalid_tool_arguments", "The arguments of a call of %q are not a JSON object: %v.", p.Name, err)
	}
	return args, nil
}
