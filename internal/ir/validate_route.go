package ir

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
)

// Bounds of a regex guard.
const (
	maxPatterns = 100
	maxRegex    = 4096 // bytes of one pattern
)

// routes checks every route, alone and beside the others.
func (v *validator) routes() {
	if len(v.file.Routes) == 0 {
		v.add("routes", Problem{Message: "no route: nothing would be answered", Allowed: "at least one, with match and to"})
	}
	names, matches := make(map[string]string), make(map[string]int)
	for i := range v.file.Routes {
		r, field := &v.file.Routes[i], index("routes", i)
		v.unique(names, field+".name", r.name())
		if len(r.name()) > maxName || !isHeaderValue(r.name()) {
			v.bad(field+".name", "not a route's name", fmt.Sprintf("at most %d bytes without control characters", maxName))
		}
		v.match(field+".match", &r.Match)
		m := fmt.Sprintf("%q %q", r.Match.match(), slices.Sorted(slices.Values(r.Listeners)))
		first, taken := matches[m]
		switch {
		case v.told[field+".match"]:
		case taken:
			v.add(field+".match", Problem{Message: "never matches: " + index("routes", first) + " has the same match and stands before it"})
		default:
			matches[m] = i
		}
		v.listenersOf(field, r)
		v.answer(field, r)
		v.targets(field, r)
		v.rewrite(field, r)
		v.cors(field, r.CORS)
		v.plain(field, r)
		v.failOpen(field, r)
		v.retry(field+".retry", &r.Retry)
		v.policies(field+".policies", r.Policies)
		v.headerEdits(field+".headers.request", &r.Headers.Request)
		v.headerEdits(field+".headers.response", &r.Headers.Response)
	}
}

// match checks one match.
func (v *validator) match(field string, m *matchFile) {
	paths := 0
	for _, p := range []struct{ key, text string }{{"path", m.Path}, {"exact", m.Exact}, {"regex", m.Regex}} {
		if p.text == "" {
			continue
		}
		if paths++; paths > 1 {
			v.bad(join(field, p.key), "a second condition on the path", "one of path, exact and regex")
		}
		if p.key == "regex" {
			v.regex(field+".regex", p.text)
		} else {
			v.path(join(field, p.key), p.text)
		}
	}
	for i, h := range m.Hosts {
		if !isHost(strings.TrimPrefix(h, "*.")) {
			v.bad(index(field+".hosts", i), "not a host", "a host name without port, or *.suffix")
		}
	}
	for i, method := range m.Methods {
		if !isToken(method) {
			v.bad(index(field+".methods", i), "not a method", "GET, POST and so on")
		}
	}
	for i, model := range m.Models {
		if model == "" {
			v.bad(index(field+".models", i), "an empty name of a model", "")
		}
	}
	v.headerMatches(field+".headers", m.Headers)
	v.query(field+".query", m.Query)
}

// headerMatches checks what headers must be.
func (v *validator) headerMatches(field string, m map[string]headerFile) {
	for _, name := range headerNames(v, field, m) {
		h, at := m[name], join(field, name)
		if h.Exact != "" && h.Regex != "" {
			v.add(at, Problem{Message: "exact and regex at once", Allowed: "one of the two"})
		}
		v.regex(at+".regex", h.Regex)
	}
}

// regex checks a regular expression; "" is none.
func (v *validator) regex(field, text string) *regexp.Regexp {
	if text == "" {
		return nil
	}
	re, err := regexp.Compile(text)
	if err != nil {
		message := "not a regular expression"
		if why := (*syntax.Error)(nil); errors.As(err, &why) { // its text repeats the pattern
			message += ": " + why.Code.String()
		}
		v.bad(field, message, "RE2 syntax, which has no lookaround and no backreferences")
		return nil
	}
	if err := CheckRegex(text); err != nil {
		v.bad(field, err.Error(), "")
		return nil
	}
	return re
}

// targets checks where a route sends its calls.
func (v *validator) targets(field string, r *routeFile) {
	switch {
	case r.To != "" && r.Targets != nil:
		v.bad(field+".to", "to and targets at once", "one of the two")
	case r.To != "":
		v.reference(field+".to", r.To)
	case v.told[field] || v.told[field+".to"] || v.told[field+".targets"]:
	case len(r.Targets) == 0 && r.Redirect == nil && r.Direct == nil:
		v.add(field, Problem{Message: "has no target", Allowed: "to: BACKEND, or targets"})
	}
	for i, group := range r.Targets {
		at, weight := index(field+".targets", i), 0
		for j := range group {
			weight += group[j].Weight
			item := index(at, j)
			if _, listed := v.at[item]; !listed {
				item = at
			}
			v.reference(item+".backend", group[j].Backend)
		}
		if weight == 0 && !v.hasProblem(at) {
			v.add(at, Problem{Message: "no target with a weight over 0"})
		}
	}
}

// hasProblem reports whether field or something inside it is wrong already.
func (v *validator) hasProblem(field string) bool {
	return slices.ContainsFunc(v.problems, func(p Problem) bool {
		rest, inside := strings.CutPrefix(p.Field, field)
		return inside && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// reference checks that backend, the value of field, is there.
func (v *validator) reference(field, backend string) {
	if _, ok := v.file.Backends[backend]; ok || backend == "" {
		return
	}
	names := slices.Sorted(maps.Keys(v.file.Backends))
	v.add(field, Problem{
		Message:    "no such backend",
		Found:      v.found(field),
		Allowed:    strings.Join(names, ", "),
		Suggestion: suggest(backend, names),
	})
}

// retry checks when another attempt is made.
func (v *validator) retry(field string, r *retryFile) {
	words := []string{"5xx", "connect", "reset", "timeout"}
	for i, on := range r.On {
		code, err := strconv.Atoi(on)
		if slices.Contains(words, on) || err == nil && code >= 400 && code <= 599 {
			continue
		}
		at := index(field+".on", i)
		if _, listed := v.at[at]; !listed {
			at = field + ".on"
		}
		if v.told[at] {
			continue
		}
		v.add(at, Problem{
			Message:    "not a reason to try again",
			Found:      v.found(at),
			Allowed:    "a status code from 400 to 599, " + strings.Join(words, ", "),
			Suggestion: suggest(on, words),
		})
	}
	if r.Backoff.Base > r.Backoff.Max {
		v.bad(field+".backoff.base", "the first pause is longer than the longest", "at most "+r.Backoff.Max.String())
	}
}

// policies checks the steps of a route.
func (v *validator) policies(field string, policies []policyFile) {
	names := make(map[string]string)
	for i, p := range policies {
		at := index(field, i)
		steps := 0
		for _, there := range []bool{p.Guard != nil, p.Enrich != nil, p.Defaults != nil} {
			if there {
				steps++
			}
		}
		if steps > 1 {
			v.add(at, Problem{Message: "several steps in one policy", Allowed: "one each; they run in the order of the list"})
		}
		switch {
		case p.Guard != nil:
			v.guard(at+".guard", p.Guard, names)
		case p.Enrich != nil:
			if len(p.Enrich.Prepend)+len(p.Enrich.Append) == 0 && !v.hasProblem(at) {
				v.add(at+".enrich", Problem{Message: "has no message", Allowed: "prepend, append or both"})
			}
		case p.Defaults != nil:
			v.defaults(at+".defaults", p.Defaults)
		case !v.told[at] && !v.hasProblem(at):
			v.add(at, Problem{Message: "an empty policy", Allowed: "guard, enrich, defaults"})
		}
	}
}

// defaults checks fields of request bodies.
func (v *validator) defaults(field string, fields []fieldFile) {
	if len(fields) == 0 {
		v.add(field, Problem{Message: "has no field"})
	}
	names := make(map[string]string)
	for i := range fields {
		v.unique(names, index(field, i)+".field", fields[i].Field)
	}
}

// guard checks one prompt guard; names are those of its route.
func (v *validator) guard(field string, g *guardFile, names map[string]string) {
	kinds := 0
	for _, there := range []bool{g.Regex != nil, g.Webhook != nil, g.Moderation != nil} {
		if there {
			kinds++
		}
	}
	switch {
	case kinds > 1:
		v.bad(field, "regex, webhook or moderation at once", "one of them; a route may have several guards")
	case g.Regex != nil:
		v.unique(names, field+".name", g.name())
		v.sides(field, g, "mask", "reject")
		v.regexGuard(field+".regex", g.Regex)
	case g.Webhook != nil:
		v.unique(names, field+".name", g.name())
		v.sides(field, g, "true")
		v.webhook(field+".webhook", g.Webhook)
	case g.Moderation != nil:
		v.unique(names, field+".name", g.name())
		if g.Response != "" && g.Response != "false" {
			v.bad(field+".response", "a moderation API looks at requests only", "")
		} else {
			v.sides(field, g, "reject")
		}
		v.url(field+".moderation.url", g.Moderation.URL)
		v.clientTLS(field+".moderation.tls", &g.Moderation.TLS, g.Moderation.URL)
	case !v.told[field]:
		v.add(field, Problem{Message: "has nothing to look for", Allowed: "regex, webhook, moderation"})
	}
}

// sides checks what of a call a guard looks at, and what it may do there.
func (v *validator) sides(field string, g *guardFile, actions ...string) {
	allowed := strings.Join(actions, " or ")
	checked := false
	for _, side := range []struct{ key, action string }{{".request", g.Request}, {".response", g.Response}} {
		if side.action == "" || side.action == "false" {
			continue
		}
		if checked = true; !slices.Contains(actions, side.action) && !v.hasProblem(field+side.key) {
			v.bad(field+side.key, "not for this kind of guard", allowed)
		}
	}
	if !checked && !v.hasProblem(field) {
		v.add(field, Problem{Message: "checks nothing", Allowed: "request, response or both, each " + allowed})
	}
}

// webhook checks a guard that asks another service.
func (v *validator) webhook(field string, w *webhookFile) {
	v.url(field+".url", w.URL)
	v.clientTLS(field+".tls", &w.TLS, w.URL)
	v.headerMatches(field+".forwardHeaders", w.ForwardHeaders)
	for name := range w.ForwardHeaders {
		if slices.Contains(hopHeaders[:], strings.ToLower(name)) {
			v.add(join(field+".forwardHeaders", name), Problem{Message: "a header that belongs to the connection"})
		}
	}
}

// regexGuard checks a guard that finds text by patterns; at is its field.
func (v *validator) regexGuard(at string, r *regexGuardFile) {
	if len(r.Builtins)+len(r.Patterns) == 0 {
		v.add(at, Problem{Message: "has no pattern", Allowed: "builtins, patterns or both"})
	}
	if len(r.Patterns) > maxPatterns {
		v.add(at+".patterns", Problem{Message: "too many patterns", Found: strconv.Itoa(len(r.Patterns)), Allowed: "at most " + strconv.Itoa(maxPatterns)})
		return
	}
	for i, p := range r.Patterns {
		v.pattern(index(at+".patterns", i), &p)
	}
}

// pattern checks one pattern of a guard.
func (v *validator) pattern(field string, p *patternFile) {
	if !isVariable(p.Name) || len(p.Name) > maxName {
		v.bad(field+".name", "not a pattern's name", `letters, digits and "_", the first no digit`)
	}
	if len(p.Regex) > maxRegex {
		v.add(field+".regex", Problem{Message: "too long", Found: strconv.Itoa(len(p.Regex)) + " bytes", Allowed: "at most " + strconv.Itoa(maxRegex)})
		return
	}
	at := field + ".regex"
	if _, mapping := v.at[at]; !mapping {
		at = field
	}
	if re := v.regex(at, p.Regex); re != nil && re.MatchString("") {
		v.bad(at, "matches the empty text, so it matches everywhere", "")
	}
}

// isHost reports whether s is a host name or an IPv4 address.
func isHost(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '-' && c != '.' && c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return s != "" && len(s) <= 253
}
