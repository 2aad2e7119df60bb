package telemetry

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spanway/spanway/internal/llm"
)

// The values of ir.Telemetry.Conventions.
const (
	conventionGenAI         = "genai"
	conventionLatest        = "genai-latest"
	conventionOpenInference = "openinference"
)

// naming is the conventions that name what is exported. A record is always kept in the names of the semantic conventions
// 1.41, which metrics, the console and filters read; the other conventions are functions of the finished record.
type naming struct {
	genAI         bool // gen_ai.* stays
	latest        bool // in the names after 1.41
	openInference *openInference
}

// newNaming makes what the conventions of the configuration say; none is genai.
func newNaming(conventions []string, e environment) (naming, error) {
	if len(conventions) == 0 {
		return naming{genAI: true}, nil
	}
	var n naming
	for _, c := range conventions {
		switch c {
		case conventionGenAI:
			n.genAI = true
		case conventionLatest:
			n.genAI, n.latest = true, true
		case conventionOpenInference:
			n.openInference = newOpenInference(e)
		default:
			return naming{}, fmt.Errorf("unknown convention %q: use %s, %s or %s", c, conventionGenAI, conventionLatest,
				conventionOpenInference)
		}
	}
	if n.latest && slices.Contains(conventions, conventionGenAI) {
		return naming{}, fmt.Errorf("conventions %s and %s name the same things differently: use one", conventionGenAI, conventionLatest)
	}
	return n, nil
}

// add gives the spans of t, which is finished and measured, the names of the further conventions.
func (n *naming) add(t *Trace) {
	if !n.latest && n.openInference == nil {
		return
	}
	for i := range t.Spans {
		s := &t.Spans[i]
		if n.openInference != nil {
			n.openInference.describe(s)
		}
		if n.latest {
			s.renameLatest()
		}
	}
}

// strip removes what GenAI conventions name, where none of them is on.
func (n *naming) strip(t *Trace) {
	if n.genAI {
		return
	}
	for i := range t.Spans {
		s := &t.Spans[i]
		s.Attrs = slices.DeleteFunc(s.Attrs, func(a Attr) bool {
			return strings.HasPrefix(names[a.Key], "gen_ai.") || strings.HasPrefix(names[a.Key], "openai.")
		})
	}
}

// SetContent records the conversation on s as every convention that is on wants it: see Span.SetContent. Either of r and res
// may be nil. It is for calls whose content the user wants captured. It is safe for concurrent use on different spans.
func (p *Pipeline) SetContent(s *Span, r *llm.Request, res *llm.Result) {
	if p.naming.genAI {
		s.SetContent(r, res)
	}
	if o := p.naming.openInference; o != nil {
		o.setContent(s, r, res)
	}
}
