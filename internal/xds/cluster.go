package xds

import (
	"fmt"
	"hash/fnv"
	"math"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	casev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/header_formatters/preserve_case/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/spanway/spanway/internal/ir"
)

// Bounds of connections to providers, as the native data plane's client has them (internal/upstream).
const (
	connectTimeout  = 10 * time.Second
	idleConnection  = 90 * time.Second
	responseHeadKiB = 64
	pingInterval    = 30 * time.Second // to a processor that is not on this machine
	pingTimeout     = 10 * time.Second
)

// maxResponseHeaders is the most fields that a response's head may have; its bytes are bounded before that.
const maxResponseHeaders = 1000

const protocolOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

// ClusterName is the name of a backend's cluster: NAME@HASH, eight hex digits of a hash over all that says which server is
// reached and how (scheme http or https, host as in the Host header, http2 auto or h2c). A call that was planned before a reload
// can so never send its credential to a new place. At which addresses that server is at the moment (ir.Backend.Endpoints) is no part
// of it: they change in place.
func ClusterName(name, scheme, host, http2 string, t ir.ClientTLS) string {
	h := fnv.New32a()
	_, _ = fmt.Fprintf(h, "%q %q %q %q %q %q %q %t", // a hash takes every write
		scheme, host, http2, t.CAFile, t.CertFile, t.KeyFile, t.ServerName, t.InsecureSkipVerify)
	if t.CA != "" {
		_, _ = fmt.Fprintf(h, " %q", t.CA) // likewise
	}
	return fmt.Sprintf("%s@%08x", name, h.Sum32())
}

// clusters are those of the processor, of the backends if it sends calls to them, and of those to which calls go without it.
func (b *build) clusters() []*clusterv3.Cluster {
	if b.o.Processor == "" {
		return b.direct
	}
	none := &clusterv3.Cluster{Name: noneCluster, ClusterDiscoveryType: static, LoadAssignment: &endpointv3.ClusterLoadAssignment{ClusterName: noneCluster}}
	none.CircuitBreakers = b.breakers()
	out := []*clusterv3.Cluster{none, b.processorCluster()}
	if b.asks() {
		for i := range b.g.Backends {
			if be := b.backends[b.g.Backends[i].Name]; be.Broken == "" {
				out = append(out, b.backendCluster(be))
			}
		}
	}
	return append(out, b.direct...)
}

var static = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}

// backendCluster is that of a backend, whose attempts the processor makes. It never is without a host, as cluster says.
func (b *build) backendCluster(be *backend) *clusterv3.Cluster {
	c := b.plainCluster(be.cluster, be, b.upstreamFilters())
	if len(c.LoadAssignment.Endpoints[0].LbEndpoints) == 0 {
		c.LoadAssignment = assignment(be.cluster, nobody)
	}
	return c
}

// plainCluster is a cluster of be with filters.
func (b *build) plainCluster(name string, be *backend, filters []*hcmv3.HttpFilter) *clusterv3.Cluster {
	c := b.cluster(name, be.url.Hostname(), portOf(be.url), be.Endpoints)
	c.AltStatName = statName(be.Name)
	c.ConnectTimeout = durationpb.New(connectTimeout)
	c.CircuitBreakers = b.breakers()
	o := b.protocols(be)
	o.HttpFilters = filters
	c.TypedExtensionProtocolOptions = map[string]*anypb.Any{protocolOptions: b.pack(o)}
	if be.url.Scheme == "https" {
		c.TransportSocket = b.clientTLS("backend "+strconv.Quote(be.Name), &be.TLS, be.url.Hostname())
	}
	return c
}

// cluster is a cluster of the hosts at endpoints (host:port), of none where it is empty; without it, of one host: a fixed address, or a
// name to look up. A name that is not found leaves it with an address at which nobody can listen: Envoy retries where a connection is
// refused, but not where a cluster has no host.
func (b *build) cluster(name, host string, port uint32, endpoints []string) *clusterv3.Cluster {
	if endpoints != nil {
		return &clusterv3.Cluster{Name: name, ClusterDiscoveryType: static, LoadAssignment: assignment(name, b.sockets(name, endpoints)...)}
	}
	c := &clusterv3.Cluster{Name: name, ClusterDiscoveryType: static, LoadAssignment: assignment(name, socket(host, port))}
	if _, err := netip.ParseAddr(host); err != nil {
		c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STRICT_DNS}
		c.DnsLookupFamily = clusterv3.Cluster_V4_PREFERRED
		last := assignment(name, nobody).Endpoints[0]
		last.Priority = 1
		c.LoadAssignment.Endpoints = append(c.LoadAssignment.Endpoints, last)
	}
	return c
}

// nobody is an address at which nobody can listen.
var nobody = socket("127.0.0.1", 0)

// sockets are the addresses of endpoints; who names theirs in errors.
func (b *build) sockets(who string, endpoints []string) []*corev3.Address {
	out := make([]*corev3.Address, 0, len(endpoints))
	for _, e := range endpoints {
		a, err := netip.ParseAddrPort(e)
		if err != nil {
			b.fail("%s: endpoint %q: want the IP address and the port of a host", who, e)
			continue
		}
		out = append(out, socket(a.Addr().String(), uint32(a.Port())))
	}
	return out
}

// statName is name as a part of statistics' names, in which Envoy reads a dot as the part's end.
func statName(name string) string { return strings.ReplaceAll(name, ".", "_") }

// breakers bound what one cluster may hold, by limits.connections: Envoy's defaults (1024 requests, 3 retries at once) would
// refuse calls that the native data plane carries.
func (b *build) breakers() *clusterv3.CircuitBreakers {
	return breakers(uint32(min(b.g.Limits.Connections, math.MaxUint32)))
}

func breakers(n uint32) *clusterv3.CircuitBreakers {
	v := wrapperspb.UInt32(n)
	return &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{
		{MaxConnections: v, MaxPendingRequests: v, MaxRequests: v, MaxRetries: v}}}
}

// protocols is how be is spoken to: as ALPN says over TLS, HTTP/2 by prior knowledge, or HTTP/1.1.
func (b *build) protocols(be *backend) *httpv3.HttpProtocolOptions {
	o := &httpv3.HttpProtocolOptions{CommonHttpProtocolOptions: &corev3.HttpProtocolOptions{
		IdleTimeout: durationpb.New(idleConnection), MaxResponseHeadersKb: wrapperspb.UInt32(responseHeadKiB),
		MaxHeadersCount: wrapperspb.UInt32(maxResponseHeaders)}}
	switch {
	case be.HTTP2 == "h2c" && be.url.Scheme == "http":
		o.UpstreamProtocolOptions = explicit(&httpv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{Http2ProtocolOptions: &corev3.Http2ProtocolOptions{}}})
	case be.url.Scheme == "https":
		o.UpstreamProtocolOptions = &httpv3.HttpProtocolOptions_AutoConfig{AutoConfig: &httpv3.HttpProtocolOptions_AutoHttpConfig{
			HttpProtocolOptions: b.http1(), Http2ProtocolOptions: &corev3.Http2ProtocolOptions{}}}
	default:
		o.UpstreamProtocolOptions = explicit(&httpv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_HttpProtocolOptions{HttpProtocolOptions: b.http1()}})
	}
	return o
}

func explicit(c *httpv3.HttpProtocolOptions_ExplicitHttpConfig) *httpv3.HttpProtocolOptions_ExplicitHttpConfig_ {
	return &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{ExplicitHttpConfig: c}
}

// http1 writes header names as net/http does, for some servers read them as they were first written; or as they came, if the
// configuration wants that.
func (b *build) http1() *corev3.Http1ProtocolOptions {
	if b.g.Envoy.HTTP.PreserveHeaderCase {
		return &corev3.Http1ProtocolOptions{HeaderKeyFormat: &corev3.Http1ProtocolOptions_HeaderKeyFormat{
			HeaderFormat: &corev3.Http1ProtocolOptions_HeaderKeyFormat_StatefulFormatter{
				StatefulFormatter: b.extension("envoy.http.stateful_header_formatters.preserve_case", &casev3.PreserveCaseFormatterConfig{})}}}
	}
	return &corev3.Http1ProtocolOptions{HeaderKeyFormat: &corev3.Http1ProtocolOptions_HeaderKeyFormat{
		HeaderFormat: &corev3.Http1ProtocolOptions_HeaderKeyFormat_ProperCaseWords_{
			ProperCaseWords: &corev3.Http1ProtocolOptions_HeaderKeyFormat_ProperCaseWords{}}}}
}

// processorCluster is the processor's: it is never over a breaker, for calls without it fail.
func (b *build) processorCluster() *clusterv3.Cluster {
	return b.grpcCluster(processorCluster, b.o.Processor)
}

// grpcCluster is that of a gRPC server of ours at address.
func (b *build) grpcCluster(name, address string) *clusterv3.Cluster {
	var c *clusterv3.Cluster
	h2 := &corev3.Http2ProtocolOptions{}
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		c = &clusterv3.Cluster{Name: name, ClusterDiscoveryType: static, LoadAssignment: assignment(name, pipe(path))}
	} else {
		host, port, err := splitAddress(address)
		if err != nil {
			b.fail("%s: %w", name, err)
			return nil
		}
		c = b.cluster(name, host, port, nil)
		h2.ConnectionKeepalive = &corev3.KeepaliveSettings{Interval: durationpb.New(pingInterval), Timeout: durationpb.New(pingTimeout)}
	}
	c.ConnectTimeout = durationpb.New(time.Second)
	c.CircuitBreakers = breakers(math.MaxUint32)
	c.TypedExtensionProtocolOptions = map[string]*anypb.Any{protocolOptions: b.pack(&httpv3.HttpProtocolOptions{
		UpstreamProtocolOptions: explicit(&httpv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{Http2ProtocolOptions: h2}})})}
	return c
}

func assignment(name string, hosts ...*corev3.Address) *endpointv3.ClusterLoadAssignment {
	group := &endpointv3.LocalityLbEndpoints{}
	for _, a := range hosts {
		group.LbEndpoints = append(group.LbEndpoints, &endpointv3.LbEndpoint{HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: a}}})
	}
	return &endpointv3.ClusterLoadAssignment{ClusterName: name, Endpoints: []*endpointv3.LocalityLbEndpoints{group}}
}

func socket(host string, port uint32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: host, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port}}}}
}

func pipe(path string) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: path}}}
}

// splitAddress reads host:port; an empty host is every interface.
func splitAddress(address string) (host string, port uint32, err error) {
	host, p, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("address %q: want host:port", address)
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("address %q: port %q is not a number to 65535", address, p)
	}
	return host, uint32(n), nil
}

func portOf(u *url.URL) uint32 {
	if n, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
		return uint32(n)
	}
	if u.Scheme == "https" {
		return 443
	}
	return 80
}
