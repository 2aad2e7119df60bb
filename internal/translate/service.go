package translate

import "github.com/spanway/spanway/internal/ir"

// place is where a Service's port is.
type place struct {
	URL       string
	Endpoints []string // host:port of those that are ready; nil = by URL's host, empty = none is ready
	HTTP2     string   // as ir.Backend's
	TLS       ir.ClientTLS
}

// service is where port of a Service is. A fault says why nobody can be asked.
func (t *translator) service(namespace, name string, port int32) (p place, fault string) {
	return place{}, ""
}
