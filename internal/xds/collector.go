package xds

import (
	"fmt"
	"hash/fnv"
	"net/url"
	"strings"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/spanway/spanway/internal/ir"
)

// collectorTimeout bounds the connection to a collector.
const collectorTimeout = 5 * time.Second

// collectorGRPC is the service of a collector by gRPC.
func (b *build) collectorGRPC(e *ir.EnvoyExport) *corev3.GrpcService {
	s := &corev3.GrpcService{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: b.collector(e), Authority: e.Authority}}}
	if e.Timeout > 0 {
		s.Timeout = durationpb.New(e.Timeout)
	}
	return s
}

// collectorHTTP is the service of a collector by HTTP, at path where its endpoint has none.
func (b *build) collectorHTTP(e *ir.EnvoyExport, path string) *corev3.HttpService {
	return &corev3.HttpService{HttpUri: &corev3.HttpUri{Uri: withPath(at(e.Authority, e.Endpoint), path), Timeout: durationpb.New(e.Timeout),
		HttpUpstreamType: &corev3.HttpUri_Cluster{Cluster: b.collector(e)}}}
}

// collector makes the cluster of a collector, once, and returns its name.
func (b *build) collector(e *ir.EnvoyExport) string {
	u, err := url.Parse(e.Endpoint)
	if err != nil || u.Host == "" {
		b.fail("envoy: endpoint %q: want http(s)://host[:port]", e.Endpoint)
		return ""
	}
	h := fnv.New32a()
	_, _ = fmt.Fprintf(h, "%q %q %q %q", u.Scheme, u.Host, e.Protocol, fmt.Sprint(e.TLS)) // a hash takes every write
	name := fmt.Sprintf("%s@%08x", collectorCluster, h.Sum32())
	if b.collectors[name] != nil {
		return name
	}
	c := b.cluster(name, u.Hostname(), portOf(u), e.Endpoints)
	c.AltStatName = collectorCluster
	c.ConnectTimeout = durationpb.New(collectorTimeout)
	c.CircuitBreakers = b.breakers()
	var alpn []string
	o := &httpv3.HttpProtocolOptions{}
	if e.Protocol == "grpc" {
		o.UpstreamProtocolOptions = explicit(&httpv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{Http2ProtocolOptions: &corev3.Http2ProtocolOptions{}}})
		alpn = []string{"h2"}
	} else {
		o.UpstreamProtocolOptions = explicit(&httpv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_HttpProtocolOptions{HttpProtocolOptions: &corev3.Http1ProtocolOptions{}}})
	}
	c.TypedExtensionProtocolOptions = map[string]*anypb.Any{protocolOptions: b.pack(o)}
	if u.Scheme == "https" {
		c.TransportSocket = b.transport(&tlsv3.UpstreamTlsContext{CommonTlsContext: &tlsv3.CommonTlsContext{AlpnProtocols: alpn}},
			"envoy: "+u.Host, &e.TLS, u.Hostname())
	}
	b.collectors[name] = c
	return name
}

// at is endpoint, a URL, with another authority, if there is one: Envoy connects to the endpoint's cluster, whatever the URL says.
func at(authority, endpoint string) string {
	scheme, rest, _ := strings.Cut(endpoint, "://")
	if authority == "" {
		return endpoint
	}
	_, path, below := strings.Cut(rest, "/")
	if below {
		path = "/" + path
	}
	return scheme + "://" + authority + path
}

// collected are the clusters that collector made.
func (b *build) collected() []*clusterv3.Cluster {
	var out []*clusterv3.Cluster
	for _, c := range b.collectors {
		out = append(out, c)
	}
	return out
}

// extension is an extension's configuration.
func (b *build) extension(name string, m proto.Message) *corev3.TypedExtensionConfig {
	return &corev3.TypedExtensionConfig{Name: name, TypedConfig: b.pack(m)}
}
