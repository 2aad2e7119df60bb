package translate

import (
	"sync"

	"github.com/spanway/spanway/internal/ir"
)

// defaultsFile is a configuration that sets nothing, with one of each thing.
const defaultsFile = `
backends: {a: {provider: http, url: "http://a"}}
routes: [{match: {path: /}, to: a}]
telemetry: {traces: [{otlp: {}}]}
envoy: {tracing: {}}
`

// defaults is what the native file means where it is silent, so that objects that are silent mean the same. Nobody changes it:
// take copies of its parts.
var defaults = sync.OnceValue(func() *ir.Gateway {
	none := func(string) (string, bool) { return "", false }
	g, err := ir.Load("defaults", []byte(defaultsFile), ir.LoadOptions{Getenv: none})
	if err != nil { // a test loads it
		return &ir.Gateway{Backends: make([]ir.Backend, 1), Routes: make([]ir.Route, 1)}
	}
	return g
})
