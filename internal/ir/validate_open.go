package ir

import "slices"

// everyTarget lists the targets of r.
func (r *routeFile) everyTarget() []targetFile {
	out := slices.Concat(r.Targets...)
	if r.To != "" {
		out = append(out, targetFile{Backend: r.To})
	}
	return out
}

// plain checks that a route with a backend of http has no other, and nothing that looks at calls of models.
func (v *validator) plain(field string, r *routeFile) {
	plain, others := false, false
	for _, t := range r.everyTarget() {
		if b, ok := v.file.Backends[t.Backend]; ok {
			plain, others = plain || b.Provider == httpProvider, others || b.Provider != httpProvider
		}
	}
	switch {
	case !plain:
	case others:
		v.add(field, Problem{Message: "has backends of http beside others", Allowed: "http alone, or none of it"})
	case len(r.Policies) > 0:
		v.add(field+".policies", Problem{Message: "policies look at calls of models, and http has none"})
	case len(r.Match.Models) > 0:
		v.add(field+".match.models", Problem{Message: "calls to http name no model"})
	case r.AnyPath != "":
		v.add(field+".anyPath", Problem{Message: "says which calls are chats, and http has none"})
	}
}

// placed are providers whose paths depend on more than the client's path.
var placed = [...]string{"azure", "bedrock", "cohere", demoProvider, "foundry", "gemini", "ollama", "vertexai"}

// failOpen checks that calls of a route which fails open can go on without us.
func (v *validator) failOpen(field string, r *routeFile) {
	if !r.FailOpen {
		return
	}
	field += ".failOpen"
	refuse := func(why string) { v.add(field, Problem{Message: "cannot send calls on without the gateway: " + why}) }
	switch {
	case len(r.Policies) > 0:
		refuse("the route has policies")
		return
	case len(r.Match.Models) > 0:
		refuse("the route depends on the model")
		return
	case r.AnyPath != "":
		refuse("the route takes any path, and the provider does not")
		return
	}
	for _, t := range r.everyTarget() {
		b, ok := v.file.Backends[t.Backend]
		if !ok || t.Weight == 0 && r.To == "" {
			continue
		}
		name := "backend " + t.Backend + " "
		switch {
		case b.needsSecret():
			refuse(name + "needs a credential of ours; key: passthrough or none does not")
		case t.Model != "" || b.Model != "" || b.Models != nil:
			refuse(name + "gets another model than the client's")
		case b.Demo || b.Path != "" || b.Dialect != "" || slices.Contains(placed[:], b.Provider):
			refuse(name + "does not take paths as clients send them")
		default:
			continue
		}
		return
	}
}

// needsSecret reports whether calls to b carry something that Envoy must not be told.
func (b *backendFile) needsSecret() bool {
	own := func(c Credential) bool { return c != (Credential{}) && !c.Passthrough }
	return own(b.Key) || own(b.Auth.Key) || len(b.Headers) > 0 || b.Provider == "bedrock"
}
