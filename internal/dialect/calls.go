package dialect

import (
	"cmp"
	"encoding/json"
	"net/http"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Calls joins the fragments of tool calls, for dialects that send calls whole. The zero value is ready to use; it holds at
// most llm.MaxBody bytes.
type Calls struct {
	parts []llm.Part
	size  int
}

// Add joins p, a tool call or a fragment of one, to the call that it continues. It fails with an *llm.Error of status 502
// past the bound.
func (c *Calls) Add(p *llm.Part) error {
	if c.size += size(p); c.size > llm.MaxBody {
		return llm.Errorf(http.StatusBadGateway, "response_too_large", "The provider's tool calls are too large.")
	}
	for i := range c.parts {
		q := &c.parts[i]
		if q.Choice == p.Choice && q.Index == p.Index {
			q.Text += p.Text
			q.ID, q.Name = cmp.Or(q.ID, p.ID), cmp.Or(q.Name, p.Name)
			return nil
		}
	}
	c.parts = append(c.parts, *p)
	return nil
}

func size(p *llm.Part) int { return len(p.Text) + len(p.Name) + len(p.ID) }

// Take removes the calls of choice and returns them in the order of their beginning.
func (c *Calls) Take(choice int) []llm.Part {
	var taken []llm.Part
	kept := c.parts[:0]
	for _, p := range c.parts {
		if p.Choice == choice {
			taken = append(taken, p)
			c.size -= size(&p)
		} else {
			kept = append(kept, p)
		}
	}
	c.parts = kept
	return taken
}

// Arguments are the arguments of the tool call p as a JSON object, {} when it has none. It fails when they are something
// else, with an *llm.Error of the status given: 400 for a call in a request, 502 for one in a response.
func Arguments(p *llm.Part, status int) (json.RawMessage, error) {
	if p.Text == "" {
		return json.RawMessage("{}"), nil
	}
	args := []byte(p.Text)
	it := jsonscan.Object(args)
	for it.Next() {
	}
	if err := it.Err(); err != nil {
		return nil, llm.Errorf(status, "invalid_tool_arguments", "The arguments of a call of %q are not a JSON object: %v.", p.Name, err)
	}
	return args, nil
}
