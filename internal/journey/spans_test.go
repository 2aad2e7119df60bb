//go:build linux

package journey

import (
	"strings"
)

// span is one span as the Collector's debug exporter prints it, verbosity detailed.
type span struct {
	service, trace, parent, id, name, kind string
	attributes                             map[string]string // values as printed: Str(x), Int(1)
}

// spans are those of a Collector's log, in its order.
func spans(log string) []span {
	var out []span
	service, resource := "", false
	for line := range strings.Lines(log) {
		line = strings.TrimSpace(line)
		key, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "Resource attributes:":
			resource = true
		case strings.HasPrefix(line, "ScopeSpans #"):
			resource = false
		case resource && key == "-> service.name":
			service = value
		case strings.HasPrefix(line, "Span #"):
			out = append(out, span{service: service, attributes: map[string]string{}})
		}
		if len(out) == 0 || resource {
			continue
		}
		s := &out[len(out)-1]
		switch key = strings.TrimSpace(key); {
		case strings.HasPrefix(key, "-> "):
			s.attributes[strings.TrimPrefix(key, "-> ")] = value
		case strings.HasPrefix(key, "Trace ID"):
			s.trace = value
		case strings.HasPrefix(key, "Parent ID"):
			s.parent = value
		case key == "ID":
			s.id = value
		case key == "Name":
			s.name = value
		case key == "Kind":
			s.kind = value
		}
	}
	return out
}
