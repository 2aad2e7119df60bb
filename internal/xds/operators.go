package xds

import (
	"cmp"
	"net/http"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	healthv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/health_check/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// HealthPath is answered at Boot.Ready with status 200, and with 503 from when Envoy was told to fail its health check: for load
// balancers. It asks nothing of the administration interface.
const HealthPath = "/envoy-hc"

// operatorsTimeout bounds an answer to an operator.
const operatorsTimeout = 15 * time.Second

// operators adds to out what answers probes and Prometheus: each listener hands a path or two on to the administration interface, all
// else is not found.
func (b *build) operators(o *Boot, out *bootstrapv3.Bootstrap) {
	s := out.GetStaticResources()
	metrics := []*routev3.Route{handOn("/metrics", cmp.Or(o.MetricsFrom, "/stats/prometheus"))}
	if o.StatsFrom != "" {
		metrics = append(metrics, handOn("/stats", o.StatsFrom))
	}
	for _, l := range []struct {
		name, address string
		routes        []*routev3.Route
	}{
		{readyListener, o.Ready, []*routev3.Route{handOn("/ready", "/ready")}},
		{statsListener, o.Stats, metrics},
	} {
		if l.address == "" {
			continue
		}
		if out.Admin == nil {
			b.fail("%s: the administration interface is off", l.name)
			return
		}
		host, port, err := splitAddress(l.address)
		if err != nil {
			b.fail("%s: %w", l.name, err)
			return
		}
		m := &hcmv3.HttpConnectionManager{StatPrefix: l.name, RouteSpecifier: &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: &routev3.RouteConfiguration{
			Name: l.name, VirtualHosts: []*routev3.VirtualHost{{Name: l.name, Domains: []string{"*"}, Routes: l.routes}}}}}
		if l.name == readyListener {
			m.HttpFilters = append(m.HttpFilters, b.filter("envoy.filters.http.health_check", &healthv3.HealthCheck{PassThroughMode: wrapperspb.Bool(false),
				Headers: []*routev3.HeaderMatcher{header(":path", exactly(HealthPath))}}))
		}
		m.HttpFilters = append(m.HttpFilters, b.filter("envoy.filters.http.router", &routerv3.Router{}))
		s.Listeners = append(s.Listeners, &listenerv3.Listener{Name: l.name, Address: everywhere(host, port), FilterChains: []*listenerv3.FilterChain{{
			Filters: []*listenerv3.Filter{b.networkFilter("envoy.filters.network.http_connection_manager", m)}}}})
	}
	if len(s.Listeners) > 0 {
		s.Clusters = append(s.Clusters, &clusterv3.Cluster{Name: adminCluster, ClusterDiscoveryType: static, ConnectTimeout: durationpb.New(time.Second),
			LoadAssignment: assignment(adminCluster, out.Admin.GetAddress())})
	}
}

// handOn is a route that sends one path to the administration interface.
func handOn(path, to string) *routev3.Route {
	return &routev3.Route{
		Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Path{Path: path}, Headers: []*routev3.HeaderMatcher{
			header(":method", exactly(http.MethodGet))}},
		Action: &routev3.Route_Route{Route: &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: adminCluster},
			PrefixRewrite: to, Timeout: durationpb.New(operatorsTimeout)}}}
}

// everywhere is host:port, and IPv4's interfaces too where host is all of IPv6's.
func everywhere(host string, port uint32) *corev3.Address {
	if host == "" {
		host = "::"
	}
	a := socket(host, port)
	a.GetSocketAddress().Ipv4Compat = host == "::"
	return a
}
