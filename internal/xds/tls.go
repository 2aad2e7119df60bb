package xds

import (
	"net/netip"
	"os"
	"path/filepath"
	"strconv"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/spanway/spanway/internal/ir"
)

const tlsSocket = "envoy.transport_sockets.tls"

// rootFiles are where systems keep the authorities that they trust, as crypto/x509 has them for Linux.
var rootFiles = []string{
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/pki/tls/cacert.pem",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	"/etc/ssl/cert.pem",
}

// SystemRoots finds the file of the authorities that the system trusts: SSL_CERT_FILE, else where systems keep it; "" = there
// is none.
func SystemRoots() string {
	if f := os.Getenv("SSL_CERT_FILE"); f != "" {
		return f
	}
	for _, f := range rootFiles {
		if st, err := os.Stat(f); err == nil && st.Mode().IsRegular() {
			return f
		}
	}
	return ""
}

// clientTLS is how a server is verified that answers as host; who names it in errors.
func (b *build) clientTLS(who string, t *ir.ClientTLS, host string) *corev3.TransportSocket {
	return b.transport(&tlsv3.UpstreamTlsContext{CommonTlsContext: &tlsv3.CommonTlsContext{}}, who, t, host)
}

// transport is clientTLS with what c says already.
func (b *build) transport(c *tlsv3.UpstreamTlsContext, who string, t *ir.ClientTLS, host string) *corev3.TransportSocket {
	if t.ServerName != "" {
		host = t.ServerName
	}
	c.CommonTlsContext.TlsParams = params("")
	san := &tlsv3.SubjectAltNameMatcher{SanType: tlsv3.SubjectAltNameMatcher_IP_ADDRESS}
	if _, err := netip.ParseAddr(host); err != nil {
		c.Sni, san.SanType = host, tlsv3.SubjectAltNameMatcher_DNS
	}
	san.Matcher = &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: host}}
	if !t.InsecureSkipVerify {
		roots := file(t.CAFile)
		switch {
		case t.CAFile != "":
		case t.CA != "":
			roots = content(t.CA)
		case b.o.Roots != "":
			roots = file(b.o.Roots)
		default:
			b.fail("%s: Envoy needs a file with the authorities that sign the server's certificate, and the system's was not found: set tls.ca, or SSL_CERT_FILE in the environment", who)
		}
		c.CommonTlsContext.ValidationContextType = &tlsv3.CommonTlsContext_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
			TrustedCa: roots, MatchTypedSubjectAltNames: []*tlsv3.SubjectAltNameMatcher{san}}}
	}
	if t.CertFile != "" {
		c.CommonTlsContext.TlsCertificates = []*tlsv3.TlsCertificate{{CertificateChain: file(t.CertFile), PrivateKey: file(t.KeyFile)}}
	}
	return &corev3.TransportSocket{Name: tlsSocket, ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: b.pack(c)}}
}

// serverTLS is l's TLS. Its certificates are secrets of their own, so that they can change without the listener: Envoy reads files
// again, and content comes as the rest does. Of several it takes the one with the name that the client asks for, else the first.
func (b *build) serverTLS(l *ir.Listener) *corev3.TransportSocket {
	common := &tlsv3.CommonTlsContext{TlsParams: params(l.TLS.MinVersion), AlpnProtocols: []string{"h2", "http/1.1"}}
	if l.TLS.CertFile != "" {
		common.TlsCertificateSdsSecretConfigs = append(common.TlsCertificateSdsSecretConfigs, b.secret(certificateOf(l)))
	}
	for i := range l.TLS.Pairs {
		common.TlsCertificateSdsSecretConfigs = append(common.TlsCertificateSdsSecretConfigs, b.secret(pairOf(l, i)))
	}
	if len(common.TlsCertificateSdsSecretConfigs) == 0 {
		b.fail("listener %q: TLS without a certificate", l.Name)
	}
	c := &tlsv3.DownstreamTlsContext{CommonTlsContext: common}
	if l.TLS.ClientCAFile != "" {
		c.RequireClientCertificate = wrapperspb.Bool(true)
		common.ValidationContextType = &tlsv3.CommonTlsContext_ValidationContext{
			ValidationContext: &tlsv3.CertificateValidationContext{TrustedCa: file(l.TLS.ClientCAFile)}}
	}
	return &corev3.TransportSocket{Name: tlsSocket, ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: b.pack(c)}}
}

// certificateOf is the name of the secret that holds l's certificate of a file, pairOf that of one of its others.
func certificateOf(l *ir.Listener) string { return "certificate " + l.Name }

func pairOf(l *ir.Listener, i int) string { return certificateOf(l) + "/" + strconv.Itoa(i) }

func (b *build) secret(name string) *tlsv3.SdsSecretConfig {
	s := &tlsv3.SdsSecretConfig{Name: name}
	if b.o.ADS {
		s.SdsConfig = ads()
	}
	return s
}

// secrets are the listeners' certificates. Those in files are told by name, never by content. With ADS Envoy reads them again when
// something is moved into the certificate's folder, as a rename over a file does, and Kubernetes' exchange of its ..data. Keys that the
// configuration itself holds are the only secrets that Envoy is told: it does not show them, not even to whoever administers it.
func (b *build) secrets() []*tlsv3.Secret {
	var out []*tlsv3.Secret
	for i := range b.g.Listeners {
		l := &b.g.Listeners[i]
		if l.TLS == nil {
			continue
		}
		if l.TLS.CertFile != "" {
			c := &tlsv3.TlsCertificate{CertificateChain: file(l.TLS.CertFile), PrivateKey: file(l.TLS.KeyFile)}
			if b.o.ADS {
				c.WatchedDirectory = &corev3.WatchedDirectory{Path: filepath.Dir(l.TLS.CertFile)}
			}
			out = append(out, &tlsv3.Secret{Name: certificateOf(l), Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: c}})
		}
		for n, p := range l.TLS.Pairs {
			c := &tlsv3.TlsCertificate{CertificateChain: content(p.Cert), PrivateKey: content(string(p.Key))}
			out = append(out, &tlsv3.Secret{Name: pairOf(l, n), Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: c}})
		}
	}
	return out
}

// params are the versions of TLS that are spoken, from least on.
func params(least string) *tlsv3.TlsParameters {
	p := &tlsv3.TlsParameters{TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_2, TlsMaximumProtocolVersion: tlsv3.TlsParameters_TLSv1_3}
	if least == "1.3" {
		p.TlsMinimumProtocolVersion = tlsv3.TlsParameters_TLSv1_3
	}
	return p
}

func file(path string) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: path}}
}

func content(text string) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: text}}
}

func ads() *corev3.ConfigSource {
	return &corev3.ConfigSource{ResourceApiVersion: corev3.ApiVersion_V3, ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}}}
}
