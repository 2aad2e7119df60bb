// Package xds turns the configuration into what Envoy has to be told: [Build] makes the resources of an [ir.Gateway], which
// [Static] and [Dynamic] put into a bootstrap, and [Server] publishes to a running Envoy.
//
// What Envoy is told holds no secret: credentials, and the headers that carry them, are set by the processor (internal/extproc),
// whose two streams, R of the call and U of each attempt, are wired here. The names that both sides know are in names.go.
// Facts about Envoy are those of section 6 of the design, seen on Envoy 1.40.
package xds

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/provider"
)

// Options is what the process knows and the configuration does not say.
type Options struct {
	// Processor is where the processor's gRPC server listens: unix:PATH (unix:@NAME for an abstract socket) or HOST:PORT; "" = there
	// is none, and a route that needs it is an error.
	Processor string
	// DemoURL is where the built-in demo provider answers; "" when it does not run.
	DemoURL string
	// Roots is a PEM file of authorities, for backends that name none; "" = none was found. SystemRoots finds one.
	Roots string
	// Listen gives other addresses (host:port) to listeners, by name: Envoy cannot be asked which port it got for port 0.
	Listen map[string]string
	// ADS makes resources refer to each other by the aggregated discovery service, for a Server. Without it listeners hold
	// their routes, for a static bootstrap.
	ADS bool
}

// Resources are what one configuration tells Envoy, each kind sorted by name. They are not to be changed.
type Resources struct {
	Listeners []*listenerv3.Listener
	Routes    []*routev3.RouteConfiguration // with Options.ADS; listeners hold them otherwise
	Clusters  []*clusterv3.Cluster          // their endpoints included
	Secrets   []*tlsv3.Secret               // listeners' certificates, by file name or with their keys

	asked map[string][]string // by routes' names: the domains they ask for
}

// Build makes the resources of g. It reads no file and gives equal resources for equal arguments. Its errors are the
// configuration's author's to mend.
func Build(g *ir.Gateway, o Options) (*Resources, error) {
	b := &build{g: g, o: o, backends: map[string]*backend{}, collectors: map[string]*clusterv3.Cluster{},
		entries: make([][]*routev3.Route, len(g.Routes)), plans: make([]*xdsmatcherv3.Matcher_OnMatch, len(g.Routes))}
	if err := b.locate(); err != nil {
		return nil, err
	}
	b.decide()
	b.direct = b.directClusters()
	r := &Resources{Clusters: b.clusters(), Secrets: b.secrets(), asked: make(map[string][]string, len(g.Routes))}
	for i := range g.Routes {
		r.asked[g.Routes[i].Name] = domains(&g.Routes[i])
	}
	for i := range g.Listeners {
		l := &g.Listeners[i]
		routes := b.table(l)
		r.Listeners = append(r.Listeners, b.listener(l, routes))
		if o.ADS {
			r.Routes = append(r.Routes, routes)
		}
	}
	r.Clusters = append(r.Clusters, b.collected()...)
	if b.err != nil {
		return nil, b.err
	}
	slices.SortFunc(r.Listeners, func(x, y *listenerv3.Listener) int { return strings.Compare(x.Name, y.Name) })
	slices.SortFunc(r.Routes, func(x, y *routev3.RouteConfiguration) int { return strings.Compare(x.Name, y.Name) })
	slices.SortFunc(r.Clusters, func(x, y *clusterv3.Cluster) int { return strings.Compare(x.Name, y.Name) })
	slices.SortFunc(r.Secrets, func(x, y *tlsv3.Secret) int { return strings.Compare(x.Name, y.Name) })
	return r, nil
}

// build makes the resources of one configuration. The first error of its methods is kept.
type build struct {
	g          *ir.Gateway
	o          Options
	backends   map[string]*backend
	ways       []directness                    // of the routes, in their order
	entries    [][]*routev3.Route              // of the routes, those that were made
	plans      []*xdsmatcherv3.Matcher_OnMatch // likewise
	collectors map[string]*clusterv3.Cluster   // by name
	direct     []*clusterv3.Cluster            // for calls that go without the processor
	err        error
}

// backend is one of the configuration's, with its place.
type backend struct {
	*ir.Backend
	url     *url.URL
	cluster string
}

// locate finds the places of all backends.
func (b *build) locate() error {
	for i := range b.g.Backends {
		c := &b.g.Backends[i]
		if c.Broken != "" {
			b.backends[c.Name] = &backend{Backend: c, url: &url.URL{}, cluster: c.Name} // there is no such cluster
			continue
		}
		u, err := provider.Address(c, b.o.DemoURL)
		if err != nil {
			return fmt.Errorf("backend %q: %w", c.Name, err)
		}
		b.backends[c.Name] = &backend{Backend: c, url: u, cluster: ClusterName(c.Name, u.Scheme, u.Host, c.HTTP2, c.TLS)}
	}
	return nil
}

// fail keeps the first error.
func (b *build) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf(format, args...)
	}
}

// pack wraps m as an extension's configuration, always in the same bytes.
func (b *build) pack(m proto.Message) *anypb.Any {
	a := &anypb.Any{}
	if err := anypb.MarshalFrom(a, m, proto.MarshalOptions{Deterministic: true}); err != nil {
		b.fail("%s: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	return a
}
