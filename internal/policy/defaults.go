package policy

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Defaults puts members into the bodies of requests: where the client did not, or whatever it did. What counts is that a member is
// there, not what it says. Conversations and prompts get them, other calls are left alone.
type Defaults struct{ fields []ir.FieldDefault }

// NewDefaults compiles fields, of which several may be of one name: of those that override the last counts, else the first. It fails for
// a value that is no JSON.
func NewDefaults(fields []ir.FieldDefault) (Policy, error) {
	p := &Defaults{}
	for _, f := range fields {
		if f.Field == "" {
			return nil, fmt.Errorf("defaults: a field without a name")
		}
		if err := jsonscan.Validate([]byte(f.Value)); err != nil {
			return nil, fmt.Errorf("defaults: field %s: the value is not JSON: %w", f.Field, err)
		}
		i := slices.IndexFunc(p.fields, func(o ir.FieldDefault) bool { return o.Field == f.Field })
		switch {
		case i < 0:
			p.fields = append(p.fields, f)
		case f.Override:
			p.fields[i] = f
		}
	}
	return p, nil
}

// Name implements Policy.
func (*Defaults) Name() string { return "defaults" }

// Blocking implements Policy: Defaults do no I/O.
func (*Defaults) Blocking() bool { return false }

// Check implements Policy.
func (p *Defaults) Check(_ context.Context, c *llm.Call, _, _ *Report) (Watch, error) {
	r := c.Request
	if !converses(r) {
		return nil, nil
	}
	there := make([]bool, len(p.fields))
	var edits []jsonscan.Edit
	end, changed := 0, false
	it := jsonscan.Object(r.Raw)
	for it.Next() {
		end = it.At()[1]
		edited := false
		for i := range p.fields {
			f := &p.fields[i]
			if !names(r.Dialect, string(it.Key()), f.Field) {
				continue
			}
			if there[i] = true; f.Override && !edited {
				edits, edited, changed = append(edits, jsonscan.Edit{At: it.At(), With: []byte(f.Value)}), true, true
			}
		}
	}
	if err := it.Err(); err != nil {
		return nil, llm.Errorf(http.StatusBadRequest, "invalid_request_error", "the request body is not a JSON object: %v", err)
	}
	var add []byte
	for i := range p.fields {
		if f := &p.fields[i]; !there[i] {
			add = append(jsonscan.AppendString(append(add, ','), f.Field), ':')
			add = append(add, f.Value...)
		}
	}
	if len(add) > 0 {
		if end == 0 { // after the brace, without a comma
			end, add = bytes.IndexByte(r.Raw, '{')+1, add[1:]
		}
		edits, changed = append(edits, jsonscan.Edit{At: [2]int{end, end}, With: add}), true
	}
	if changed {
		r.Replace(jsonscan.Apply(make([]byte, 0, len(r.Raw)+len(add)+64), r.Raw, edits))
	}
	return nil, nil
}

// names reports whether a member called key is field. Google's parser takes every name in two spellings, camelCase and snake_case.
func names(d llm.Dialect, key, field string) bool {
	if d != llm.Gemini {
		return key == field
	}
	return strings.EqualFold(strings.ReplaceAll(key, "_", ""), strings.ReplaceAll(field, "_", ""))
}
