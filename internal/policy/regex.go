package policy

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// What a guard does with text that it flags.
const (
	actionMask   = "mask"
	actionReject = "reject"
	actionCheck  = "check" // ask, and do as the answer says
)

// What a guard did.
const (
	resultPassed   = "passed"
	resultMasked   = "masked"
	resultRejected = "rejected"
)

// kindRegex is the Report.Kind of a RegexGuard.
const kindRegex = "regex"

// RegexGuard finds text by patterns and by the forms of well-known kinds of personal data, in requests and in responses, and
// masks it or refuses the call. Matches that overlap are masked as one, under the name of the first.
//
// A stream is checked in segments that end at a border between words, once it is known that no match goes over the border.
// What a client gets does therefore not depend on how the provider cut its stream. See [ir.Guard] for the settings.
type RegexGuard struct {
	name      string
	request   string
	response  string
	rejection llm.Error
	detectors []detector
	rules     []rule // beside detectors
	reach     int
}

// rule is how a detector's matches are reported and masked.
type rule struct {
	name string
	text string // the placeholder
	json string // as part of a JSON string
	bare string // as a JSON value
}

// NewRegexGuard compiles g, whose Regex must be set. It fails for an unknown builtin or action, a pattern that is not RE2, a
// status that is none, and when there is nothing to find.
func NewRegexGuard(g ir.Guard) (Policy, error) {
	p := &RegexGuard{name: g.Name, request: g.Request, response: g.Response}
	p.rejection = llm.Error{Status: g.Reject.Status, Type: Rejected, Message: g.Reject.Message}
	for _, action := range []string{g.Request, g.Response} {
		switch action {
		case "", actionMask:
		case actionReject:
			if s := g.Reject.Status; s < 200 || s > 599 {
				return nil, fmt.Errorf("guard %s: status %d of a rejection is not one of 200 to 599", g.Name, s)
			}
		default:
			return nil, fmt.Errorf("guard %s: unknown action %q: use mask or reject", g.Name, action)
		}
	}
	if g.Regex == nil || len(g.Regex.Builtins)+len(g.Regex.Patterns) == 0 {
		return nil, fmt.Errorf("guard %s: no builtins and no patterns", g.Name)
	}
	for _, name := range g.Regex.Builtins {
		d, ok := builtin(name)
		if !ok {
			return nil, fmt.Errorf("guard %s: unknown builtin %q: use SSN, CREDIT_CARD, PHONE_NUMBER or EMAIL", g.Name, name)
		}
		p.add(d)
	}
	for _, c := range g.Regex.Patterns {
		d, err := newPattern(c.Name, c.Regex)
		if err != nil {
			return nil, fmt.Errorf("guard %s: %w", g.Name, err)
		}
		p.add(d)
	}
	return p, nil
}

func (g *RegexGuard) add(d detector) {
	quoted := string(jsonscan.AppendString(nil, d.placeholder))
	g.detectors = append(g.detectors, d)
	g.rules = append(g.rules, rule{name: d.name, text: d.placeholder, json: quoted[1 : len(quoted)-1], bare: quoted})
	g.reach = max(g.reach, d.reach)
}

// Name implements Policy.
func (g *RegexGuard) Name() string { return g.name }

// Blocking implements Policy: a RegexGuard does no I/O.
func (g *RegexGuard) Blocking() bool { return false }

// Check implements Policy.
func (g *RegexGuard) Check(_ context.Context, c *llm.Call, request, _ *Report) (Watch, error) {
	if c.Request == nil {
		return nil, nil
	}
	if g.request != "" {
		if err := g.checkRequest(c.Request, request); err != nil {
			return nil, err
		}
	}
	if g.response == "" {
		return nil, nil
	}
	return newRegexWatch(g), nil
}

func (g *RegexGuard) checkRequest(r *llm.Request, rep *Report) error {
	var f findings
	var matches []match
	var out []byte
	_, err := r.EditText(func(_ llm.Role, s string) (string, bool) {
		text := []byte(s)
		if matches = g.find(matches[:0], text, 0); len(matches) == 0 {
			return s, false
		}
		f.add(g, matches)
		if g.request == actionReject {
			return s, false
		}
		out = g.mask(out[:0], text, matches)
		return string(out), true
	})
	f.report(g, g.request, rep)
	if err != nil {
		return fmt.Errorf("guard %s: check the request: %w", g.name, err)
	}
	if len(f.hits) > 0 && g.request == actionReject {
		return g.refusal()
	}
	return nil
}

// refusal is the error of a refused call, its own each time.
func (g *RegexGuard) refusal() *llm.Error {
	e := g.rejection
	return &e
}

// find appends the matches of all detectors in text that start at from or after it, in order; overlapping ones are one.
func (g *RegexGuard) find(dst []match, text []byte, from int) []match {
	had := len(dst)
	for i := range g.detectors {
		n := len(dst)
		dst = g.detectors[i].find(dst, text, from)
		for j := n; j < len(dst); j++ {
			dst[j].rule = i
		}
	}
	found := dst[had:]
	if len(found) < 2 {
		return dst
	}
	slices.SortFunc(found, func(a, b match) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end), cmp.Compare(a.rule, b.rule))
	})
	n := 1
	for _, m := range found[1:] {
		if last := &found[n-1]; m.start < last.end {
			last.end = max(last.end, m.end)
			continue
		}
		found[n] = m
		n++
	}
	return dst[:had+n]
}

// mask appends text with the placeholder of each match in its place.
func (g *RegexGuard) mask(dst, text []byte, matches []match) []byte {
	from := 0
	for _, m := range matches {
		dst = append(dst, text[from:m.start]...)
		dst = append(dst, g.rules[m.rule].text...)
		from = m.end
	}
	return append(dst, text[from:]...)
}

// findings are what a guard found on one side of a call.
type findings struct {
	rules []int // without repetition
	hits  []Hit
}

// add notes the matches of one text or segment.
func (f *findings) add(g *RegexGuard, matches []match) {
	var names []string
	for _, m := range matches {
		if name := g.rules[m.rule].name; !slices.Contains(names, name) {
			names = append(names, name)
		}
		if !slices.Contains(f.rules, m.rule) {
			f.rules = append(f.rules, m.rule)
		}
	}
	if len(f.hits) < MaxHits {
		f.hits = append(f.hits, Hit{Time: time.Now(), Rule: strings.Join(names, ",")})
	}
}

// report fills in rep for one side.
func (f *findings) report(g *RegexGuard, action string, rep *Report) {
	*rep = Report{Ran: true, Kind: kindRegex, Action: action, Result: resultPassed, Hits: f.hits}
	if len(f.hits) == 0 {
		return
	}
	if rep.Result = resultMasked; action == actionReject {
		rep.Result = resultRejected
	}
	var names []string
	for i := range g.rules {
		if name := g.rules[i].name; slices.Contains(f.rules, i) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	rep.Rule = strings.Join(names, ",")
}
