package policy

import (
	"context"
	"fmt"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
)

// Enrich puts messages around those of the client, in the client's own wire format. Conversations and prompts are enriched, other calls
// are left alone.
type Enrich struct{ before, after []llm.Turn }

// NewEnrich compiles e. It fails for a role that is none.
func NewEnrich(e *ir.Enrich) (Policy, error) {
	p := &Enrich{}
	for _, side := range []struct {
		from []ir.Message
		to   *[]llm.Turn
	}{{e.Prepend, &p.before}, {e.Append, &p.after}} {
		for _, m := range side.from {
			switch m.Role {
			case "system", "developer", "user", "assistant":
				*side.to = append(*side.to, llm.Turn{Role: m.Role, Text: m.Content})
			default:
				return nil, fmt.Errorf("enrich: unknown role %q: use system, developer, user or assistant", m.Role)
			}
		}
	}
	return p, nil
}

// Name implements Policy.
func (*Enrich) Name() string { return "enrich" }

// Blocking implements Policy: an Enrich does no I/O.
func (*Enrich) Blocking() bool { return false }

// Check implements Policy.
func (p *Enrich) Check(_ context.Context, c *llm.Call, _, _ *Report) (Watch, error) {
	if converses(c.Request) && len(p.before)+len(p.after) > 0 {
		return nil, c.Request.Enrich(p.before, p.after)
	}
	return nil, nil
}

// converses reports whether r is a conversation, or a prompt.
func converses(r *llm.Request) bool {
	return r != nil && (r.Chats() || r.Op == llm.OpTextCompletion)
}
