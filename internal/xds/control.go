package xds

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	injectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/credential_injector/v3"
	codecv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/upstream_codec/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	genericv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/injected_credentials/generic/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// ControlTLS is how an Envoy trusts the Server that it asks, and how the Server knows the Envoy. The files may be exchanged as
// Kubernetes exchanges them, by a move within their folder: each new connection trusts the newest authority, each new stream sends
// the newest token.
type ControlTLS struct {
	CAFile     string // PEM, what the Server's certificate is verified by
	ServerName string // the name that the certificate must have; "" = the host of Boot.Control
	TokenFile  string // sent as "authorization: Bearer TOKEN"
	// SecretsDir is the folder where Envoy finds what ControlSecrets makes: files that name the two others, and hold no secret.
	SecretsDir string
}

// Names of the secrets in ControlTLS.SecretsDir, each in a file of its own: Envoy 1.40 takes no file with two.
const (
	authoritySecret = "control-ca"
	tokenSecret     = "control-token"
)

// Bounds of the connection to a Server that is not on this machine.
const (
	controlConnect  = 5 * time.Second
	controlBackoff  = 500 * time.Millisecond // before a stream is opened again, doubled each time
	controlPatience = 5 * time.Second        // the longest
)

// ControlSecrets is the content of o.TLS.SecretsDir by the files' names. The files are apart from the bootstrap, since Envoy 1.40
// follows a token's file only when the secret that names it comes by the secret discovery service.
func ControlSecrets(o Boot) (map[string]*discoveryv3.DiscoveryResponse, error) {
	if o.TLS == nil {
		return nil, errors.New("secrets of the control plane: no TLS")
	}
	out := map[string]*discoveryv3.DiscoveryResponse{}
	for _, s := range []*tlsv3.Secret{
		{Name: authoritySecret, Type: &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
			TrustedCa: file(o.TLS.CAFile), WatchedDirectory: folder(o.TLS.CAFile)}}},
		{Name: tokenSecret, Type: &tlsv3.Secret_GenericSecret{GenericSecret: &tlsv3.GenericSecret{Secret: &corev3.DataSource{
			Specifier: &corev3.DataSource_Filename{Filename: o.TLS.TokenFile}, WatchedDirectory: folder(o.TLS.TokenFile)}}}},
	} {
		packed, err := anypb.New(s)
		if err != nil {
			return nil, fmt.Errorf("secret %s: %w", s.GetName(), err)
		}
		out[secretFile(s.GetName())] = &discoveryv3.DiscoveryResponse{Resources: []*anypb.Any{packed}}
	}
	return out, nil
}

func secretFile(name string) string { return name + ".yaml" }

func folder(file string) *corev3.WatchedDirectory {
	return &corev3.WatchedDirectory{Path: filepath.Dir(file)}
}

// controlCluster is that of the Server at o.Control.
func (b *build) controlCluster(o *Boot) *clusterv3.Cluster {
	c := b.grpcCluster(controlCluster, o.Control)
	if c == nil || o.TLS == nil {
		return c
	}
	name := o.controlName()
	c.ConnectTimeout = durationpb.New(controlConnect)
	c.CircuitBreakers = breakers(math.MaxUint32)
	c.TransportSocket = &corev3.TransportSocket{Name: tlsSocket, ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: b.pack(&tlsv3.UpstreamTlsContext{
		Sni: name,
		CommonTlsContext: &tlsv3.CommonTlsContext{TlsParams: params(""), AlpnProtocols: []string{"h2"},
			ValidationContextType: &tlsv3.CommonTlsContext_CombinedValidationContext{CombinedValidationContext: &tlsv3.CommonTlsContext_CombinedCertificateValidationContext{
				DefaultValidationContext: &tlsv3.CertificateValidationContext{MatchTypedSubjectAltNames: []*tlsv3.SubjectAltNameMatcher{{
					SanType: tlsv3.SubjectAltNameMatcher_DNS, Matcher: exactly(name)}}},
				ValidationContextSdsSecretConfig: o.TLS.secret(authoritySecret, o.TLS.CAFile)}}},
	})}}
	p := &httpv3.HttpProtocolOptions{
		UpstreamProtocolOptions: explicit(&httpv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{Http2ProtocolOptions: &corev3.Http2ProtocolOptions{
				ConnectionKeepalive: &corev3.KeepaliveSettings{Interval: durationpb.New(pingInterval), Timeout: durationpb.New(pingTimeout)}}}}),
		HttpFilters: []*hcmv3.HttpFilter{
			b.filter("envoy.filters.http.credential_injector", &injectorv3.CredentialInjector{Overwrite: true, Credential: b.extension("envoy.http.injected_credentials.generic",
				&genericv3.Generic{Credential: o.TLS.secret(tokenSecret, o.TLS.TokenFile), Header: "authorization", HeaderValuePrefix: "Bearer "})}),
			b.filter("envoy.filters.http.upstream_codec", &codecv3.UpstreamCodec{}),
		},
	}
	c.TypedExtensionProtocolOptions = map[string]*anypb.Any{protocolOptions: b.pack(p)}
	return c
}

// secret names a secret of the folder, whose file is read again when something is moved into the folder of what the secret names.
func (t *ControlTLS) secret(name, watched string) *tlsv3.SdsSecretConfig {
	return &tlsv3.SdsSecretConfig{Name: name, SdsConfig: &corev3.ConfigSource{ResourceApiVersion: corev3.ApiVersion_V3,
		ConfigSourceSpecifier: &corev3.ConfigSource_PathConfigSource{PathConfigSource: &corev3.PathConfigSource{
			Path: filepath.Join(t.SecretsDir, secretFile(name)), WatchedDirectory: folder(watched)}}}}
}

// controlName is the name by which the Server is verified.
func (o *Boot) controlName() string {
	if o.TLS.ServerName != "" {
		return o.TLS.ServerName
	}
	host, _, _ := splitAddress(o.Control) // what is wrong with it was said
	return host
}

// controlService is how the Server is asked.
func (o *Boot) controlService() *corev3.GrpcService {
	s := &corev3.GrpcService_EnvoyGrpc{ClusterName: controlCluster}
	if o.TLS != nil {
		s.Authority = o.controlName()
		s.RetryPolicy = &corev3.RetryPolicy{RetryBackOff: &corev3.BackoffStrategy{
			BaseInterval: durationpb.New(controlBackoff), MaxInterval: durationpb.New(controlPatience)}}
	}
	return &corev3.GrpcService{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{EnvoyGrpc: s}}
}

// discovered is where listeners or clusters come from. An Envoy that somebody else started waits for them as long as it takes, so
// that it is not ready before it has been told something.
func (o *Boot) discovered() *corev3.ConfigSource {
	s := ads()
	if o.TLS != nil {
		s.InitialFetchTimeout = durationpb.New(0)
	}
	return s
}
