package xds

import (
	"cmp"
	"math"
	"slices"
	"time"

	rulesv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	healthv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/health_check/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	limitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/connection_limit/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	earlyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/spanway/spanway/internal/ir"
)

// Bounds of clients' requests and connections, as the native data plane has them (internal/proxy).
const (
	headPatience = 15 * time.Second  // for a request's head
	bodyPatience = 60 * time.Second  // for the whole request
	idlePatience = 120 * time.Second // of a connection without calls
)

// maxHeadKiB is the largest request head that Envoy can be told to take.
const maxHeadKiB = 8192

func (b *build) listener(l *ir.Listener, routes *routev3.RouteConfiguration) *listenerv3.Listener {
	address := l.Address
	if a := b.o.Listen[l.Name]; a != "" {
		address = a
	}
	host, port, err := splitAddress(address)
	if err != nil {
		b.fail("listener %q: %w", l.Name, err)
		return nil
	}
	chain := &listenerv3.FilterChain{Filters: []*listenerv3.Filter{
		b.networkFilter("envoy.filters.network.connection_limit", &limitv3.ConnectionLimit{
			StatPrefix: statName(l.Name), MaxConnections: wrapperspb.UInt64(uint64(max(b.g.Limits.Connections, 1)))}),
		b.networkFilter("envoy.filters.network.http_connection_manager", b.manager(l, routes)),
	}}
	if l.TLS != nil {
		chain.TransportSocket = b.serverTLS(l)
	}
	return &listenerv3.Listener{Name: l.Name, Address: everywhere(host, port), FilterChains: []*listenerv3.FilterChain{chain}}
}

func (b *build) networkFilter(name string, m proto.Message) *listenerv3.Filter {
	return &listenerv3.Filter{Name: name, ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: b.pack(m)}}
}

// manager is l's HTTP connection manager. Requests and responses cross it as they are: what Envoy would add, change or
// normalise for itself is switched off.
func (b *build) manager(l *ir.Listener, routes *routev3.RouteConfiguration) *hcmv3.HttpConnectionManager {
	scheme := "http"
	if l.TLS != nil {
		scheme = "https"
	}
	m := &hcmv3.HttpConnectionManager{
		StatPrefix:                    statName(l.Name),
		CodecType:                     hcmv3.HttpConnectionManager_AUTO,
		HttpProtocolOptions:           b.clientHTTP1(),
		CommonHttpProtocolOptions:     &corev3.HttpProtocolOptions{IdleTimeout: durationpb.New(idlePatience), MaxHeadersCount: wrapperspb.UInt32(b.maxHeaders())},
		MaxRequestHeadersKb:           wrapperspb.UInt32(b.headKiB()),
		RequestHeadersTimeout:         durationpb.New(headPatience),
		RequestTimeout:                durationpb.New(bodyPatience),
		SchemeHeaderTransformation:    &corev3.SchemeHeaderTransformation{Transformation: &corev3.SchemeHeaderTransformation_SchemeToOverwrite{SchemeToOverwrite: scheme}},
		GenerateRequestId:             wrapperspb.Bool(b.g.Envoy.Tracing != nil), // it holds the decision whether to sample
		PreserveExternalRequestId:     true,
		NormalizePath:                 wrapperspb.Bool(false),
		PathWithEscapedSlashesAction:  hcmv3.HttpConnectionManager_KEEP_UNCHANGED,
		EarlyHeaderMutationExtensions: b.earlyMutations(),
		LocalReplyConfig:              b.localReplies(),
		AccessLog:                     b.callLogs(),
		Tracing:                       b.tracing(),
	}
	b.clients(m)
	if m.Tracing != nil && b.o.Processor != "" {
		m.HttpFilters = append(m.HttpFilters, b.spanFilter())
	}
	if b.shared() {
		m.HttpFilters = append(m.HttpFilters, b.corsFilter())
	}
	if b.o.Processor != "" {
		m.HttpFilters = append(m.HttpFilters, b.processorR(l))
	}
	if slices.ContainsFunc(b.ways, func(d directness) bool { return d != never }) {
		m.HttpFilters = append(m.HttpFilters, b.directFilters()...)
	}
	m.HttpFilters = append(m.HttpFilters, b.filter("envoy.filters.http.router", &routerv3.Router{
		SuppressEnvoyHeaders: true, UpstreamLog: b.attemptLogs()}))
	if b.o.ADS {
		m.RouteSpecifier = &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{ConfigSource: ads(), RouteConfigName: routes.Name}}
	} else {
		m.RouteSpecifier = &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: routes}
	}
	return m
}

// clientHTTP1 is how HTTP/1 is spoken with clients.
func (b *build) clientHTTP1() *corev3.Http1ProtocolOptions {
	h1, c := b.http1(), &b.g.Envoy.HTTP
	h1.AcceptHttp_10, h1.DefaultHostForHttp_10 = !c.AcceptHTTP10.Set || c.AcceptHTTP10.V, cmp.Or(c.DefaultHost, "localhost")
	ignored := []*matcherv3.StringMatcher{expression(".*")}
	if len(c.Upgrades) > 0 { // HTTP/2 and TLS are offered by clients that can do without (RFC 9113, section 3.1; RFC 2817)
		ignored = []*matcherv3.StringMatcher{expression("(?i)(h2c|tls/.*)")}
	}
	h1.IgnoreHttp_11Upgrade = ignored
	return h1
}

// clients puts into m what the configuration says of how clients are spoken with.
func (b *build) clients(m *hcmv3.HttpConnectionManager) {
	c := &b.g.Envoy.HTTP
	if c.IdleTimeout > 0 {
		m.CommonHttpProtocolOptions.IdleTimeout = durationpb.New(c.IdleTimeout)
	}
	m.StreamIdleTimeout = durationpb.New(c.StreamIdleTimeout)
	m.ServerHeaderTransformation = serverHeaders[c.ServerHeader]
	m.UseRemoteAddress = wrapperspb.Bool(!c.UseRemoteAddress.Set || c.UseRemoteAddress.V)
	m.XffNumTrustedHops = c.XFFTrustedHops
	m.SkipXffAppend = !b.forwards()
	for _, name := range c.Upgrades { // on for the routes that say so
		m.UpgradeConfigs = append(m.UpgradeConfigs, &hcmv3.HttpConnectionManager_UpgradeConfig{UpgradeType: name, Enabled: wrapperspb.Bool(false)})
	}
	if c.HealthPath != "" {
		m.HttpFilters = append(m.HttpFilters, b.filter("envoy.filters.http.health_check", &healthv3.HealthCheck{PassThroughMode: wrapperspb.Bool(false),
			Headers: []*routev3.HeaderMatcher{header(":path", exactly(c.HealthPath))}}))
	}
}

// forwards reports whether backends get to know, in X-Forwarded-For, who called.
func (b *build) forwards() bool {
	c := &b.g.Envoy.HTTP
	return c.UseRemoteAddress.Set || c.XFFTrustedHops > 0
}

var serverHeaders = map[string]hcmv3.HttpConnectionManager_ServerHeaderTransformation{
	"": hcmv3.HttpConnectionManager_PASS_THROUGH, "PassThrough": hcmv3.HttpConnectionManager_PASS_THROUGH,
	"Overwrite": hcmv3.HttpConnectionManager_OVERWRITE, "AppendIfAbsent": hcmv3.HttpConnectionManager_APPEND_IF_ABSENT,
}

// earlyMutations take out of a client's request what would steer Envoy or the processor's wiring. The client's request id is
// kept aside: one that is not of Envoy's making switches Envoy's tracing off.
func (b *build) earlyMutations() []*corev3.TypedExtensionConfig {
	id := set(RequestIDHeader, "%REQ(X-REQUEST-ID)%", corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD)
	m := &earlyv3.HeaderMutation{Mutations: []*rulesv3.HeaderMutation{removePrefix("x-spanway-"), removePrefix("x-envoy-"), id,
		{Action: &rulesv3.HeaderMutation_Remove{Remove: "x-request-id"}}}}
	return []*corev3.TypedExtensionConfig{{Name: "spanway.clean", TypedConfig: b.pack(m)}}
}

func removePrefix(p string) *rulesv3.HeaderMutation {
	return &rulesv3.HeaderMutation{Action: &rulesv3.HeaderMutation_RemoveOnMatch_{RemoveOnMatch: &rulesv3.HeaderMutation_RemoveOnMatch{
		KeyMatcher: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: p}}}}}
}

func (b *build) headKiB() uint32 {
	return uint32(min(max((b.g.Limits.Headers+1023)/1024, 1), maxHeadKiB))
}

// maxHeaders lets the bytes of a head be its bound, not the number of its fields: the shortest takes four.
func (b *build) maxHeaders() uint32 {
	return uint32(min(max(b.g.Limits.Headers/4, 1), math.MaxUint32))
}
