package xds_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/xds"
)

// secret is part of every secret of the tests' configurations.
const secret = "s3cr3t"

// maker makes configurations by chance.
type maker struct {
	*rand.Rand
	strings.Builder
}

func (m *maker) printf(format string, args ...any) { fmt.Fprintf(m, format, args...) }

// maybe is s, or nothing.
func (m *maker) maybe(s string) string {
	if m.IntN(2) == 0 {
		return ""
	}
	return s
}

func (m *maker) one(of ...string) string { return of[m.IntN(len(of))] }

// configuration is one that ir.Load accepts, the same for the same seed.
func configuration(seed uint64) string {
	m := &maker{Rand: rand.New(rand.NewPCG(seed, 1))}
	m.listeners()
	m.printf("limits: {body: %s, headers: %s, connections: %s}\n", m.one("1B", "10MiB", "1GiB"), m.one("1KiB", "64KiB", "16MiB"), m.one("1", "10000", "10000000"))
	m.printf("telemetry: {traces: [{otlp: {endpoint: 'http://127.0.0.1:4317', headers: {authorization: Bearer %s}}}]}\n", secret)
	n := 1 + m.IntN(4)
	m.printf("backends:\n")
	for i := range n {
		m.printf("  b%d: %s\n", i, m.backend())
	}
	m.printf("  open: {provider: openai, key: passthrough}\n  plain: {provider: http, url: 'http://%s'%s}\n", m.one("127.0.0.1:1", "p.example/base"), m.maybe(", outlierDetection: {}"))
	m.printf("routes:\n")
	for i := range 1 + m.IntN(4) {
		m.route(i, n)
	}
	if m.IntN(2) == 0 {
		m.printf("- {name: open, match: {path: /open}, to: open, failOpen: true, headers: {request: {set: {x-a: 100%%%%}}}}\n- {name: plain, match: {%s}, to: plain, rateLimit: {burst: 2}}\n",
			m.one("path: /plain", "exact: /plain", "regex: /plain.*", "host: plain.example"))
	}
	m.envoy()
	return m.String()
}

func (m *maker) listeners() {
	m.printf("listen: %s\n", m.one("127.0.0.1:8080", ":8080", "'[::1]:8080'", "0.0.0.0:8080"))
	if m.IntN(2) == 0 {
		m.printf("listeners: [{name: %s, address: 127.0.0.1:8443, tls: {cert: cert.pem, key: key.pem%s%s}}]\n",
			m.one("tls", "a b", "ü"), m.maybe(", clientCA: ca.pem"), m.maybe(", minVersion: '1.3'"))
	}
	if m.IntN(2) == 0 {
		m.printf("admin: off\n")
	}
}

func (m *maker) backend() string {
	credential := m.one("", ", key: passthrough", ", key: sk-"+secret, ", key: sk-"+secret+", auth: {header: x-key, prefix: ''}")
	headers := m.maybe(", headers: {x-team: " + secret + "}")
	switch m.IntN(8) {
	case 0:
		return "{provider: openai" + credential + headers + "}"
	case 1:
		return "{provider: azure, url: 'https://r.openai.azure.com', deployment: d, apiVersion: v" + credential + "}"
	case 2:
		return "{provider: bedrock, region: us-east-1, aws: {accessKeyId: AK, secretAccessKey: " + secret + ", sessionToken: " + secret + "}}"
	case 3:
		return "{provider: vertexai, project: p, location: us-central1" + credential + "}"
	case 4:
		return "{demo: true}"
	case 5:
		return "{provider: vllm, url: 'http://" + m.one("127.0.0.1:8000", "[::1]:8000", "vllm.example", "localhost:1/base") + "'" + m.maybe(", http2: h2c") + headers + "}"
	case 6:
		return "{provider: anthropic, url: 'https://" + m.one("127.0.0.1", "[::1]:8443", "a.example") + "', tls: {" +
			m.one("ca: ca.pem", "insecureSkipVerify: true", "ca: ca.pem, cert: cert.pem, key: key.pem", "serverName: other.example") + "}" + credential + "}"
	}
	return "{provider: gemini, outlierDetection: {consecutive5xx: 3}" + credential + headers + "}"
}

func (m *maker) route(i, backends int) {
	target := func() string {
		return fmt.Sprintf("{backend: b%d%s, weight: %d}", m.IntN(backends), m.maybe(", model: m"), 1+m.IntN(9))
	}
	m.printf("- name: %s%d\n  match: {%s%s%s%s%s}\n", m.one("r", "a route ", "ü", "no"), i,
		m.one(fmt.Sprintf("path: /p%d", i), fmt.Sprintf("exact: /e%d", i), fmt.Sprintf("regex: '/x%d/[a-z]+(/.*)?'", i)),
		m.maybe(", hosts: [a.example, '*.b.example']"), m.maybe(", methods: [POST, get]"), m.maybe(", headers: {x-a: b, x-c: {regex: 'd+'}, x-e: {}}"),
		m.maybe(", models: ['gpt-*']"))
	m.printf("  targets: [[%s, %s], %s]\n", target(), target(), target())
	m.printf("  retry: {attempts: %d, on: [%s], perTry: %s, backoff: {base: %s, max: %s}}\n", 1+m.IntN(20),
		m.one("", "connect", "429, 5xx", "reset, timeout", "503, connect, reset"), m.one("0s", "1500ms", "24h"), m.one("0s", "1ms", "1s"), m.one("1s", "1h"))
	m.printf("  timeout: {request: %s, firstByte: %s, idle: %s}\n", m.one("0s", "1h"), m.one("0s", "90s"), m.one("0s", "2m"))
	if m.IntN(2) == 0 {
		m.printf("  headers: {request: {set: {x-s: v}, add: {x-t: v}, remove: [x-u]}, response: {set: {x-v: w}}}\n")
	}
	if m.IntN(2) == 0 {
		m.printf("  rateLimit: {burst: %d, fill: 2, every: 1m}\n", 1+m.IntN(100))
	}
	if m.IntN(2) == 0 {
		m.printf("  policies: [{guard: {webhook: {url: 'https://guard.example/%s', timeout: %s}, request: true}}, {guard: {regex: {builtins: [SSN]}, response: mask}}]\n",
			secret, m.one("1ms", "10m"))
	}
}

func (m *maker) envoy() {
	if m.IntN(2) == 0 {
		return
	}
	m.printf("envoy:\n  tracing:\n    endpoint: %s\n    protocol: %s\n    randomSampling: %g\n    verbose: %t\n    spawnUpstreamSpan: %t\n", m.one("'http://127.0.0.1:4317'", "'https://c.example'"),
		m.one("grpc", "http"), m.Float64()*100, m.IntN(2) == 0, m.IntN(2) == 0)
	m.printf("%s%s%s", m.maybe("    sampler: alwaysOn\n"), m.maybe("    resourceDetectors: [environment]\n"), m.maybe("    resource: {a: 'yes', 'no': '1'}\n"))
	m.printf("%s", m.maybe("    attributes: [{name: a, literal: 'on'}, {name: b, requestHeader: x-b}, {name: c, environment: {name: C, defaultValue: '~'}}, {name: d, metadata: {kind: Route, metadataKey: {key: k, path: [p]}}}]\n"))
	m.printf("  accessLog: [%s]\n", m.one("", "{fileSink: /dev/null}", "{fileSink: {path: /dev/null, stringFormat: '%RESPONSE_CODE%'}, match: 'response.code > 400'}",
		"{fileSink: {path: /dev/null, jsonFormat: {a: '%PATH%', 'yes': '%PROTOCOL%'}}}, {grpcService: 'http://127.0.0.1:9'}",
		"{openTelemetry: {body: '%PATH%', attributes: {b: '%PROTOCOL%'}}}, {openTelemetry: {protocol: http, endpoint: 'https://c.example:1'}}",
		"{fileSink: /dev/null, filter: {"+m.filter(3)+"}}, {fileSink: /dev/null, match: 'true', filter: {"+m.filter(1)+"}}"))
	m.printf("%s%s%s%s%s", m.maybe("  upgradeConfig: {enabledUpgrades: [websocket, other]}\n"), m.maybe("  useRemoteAddress: "+m.one("true", "false")+"\n  xffNumTrustedHops: 2\n"),
		m.maybe("  serverHeaderTransformation: "+m.one("Overwrite", "AppendIfAbsent", "PassThrough")+"\n"), m.maybe("  healthCheck: {path: '/health?a=%25'}\n"),
		m.maybe("  streamIdleTimeout: 1m\n  idleTimeout: 1h\n  preserveHttp1HeaderCase: true\n  acceptHttp10: "+m.one("true", "false")+"\n  defaultHostForHttp10: a.example\n"))
}

// filter chooses calls for an access log.
func (m *maker) filter(depth int) string {
	if depth > 0 && m.IntN(2) == 0 {
		return m.one("andFilter", "orFilter") + ": [{" + m.filter(depth-1) + "}, {" + m.filter(depth-1) + "}]"
	}
	return m.one("statusCodeFilter: {op: GE, value: 400}", "durationFilter: {op: LE, value: 4294967295}", "notHealthCheckFilter: true", "traceableFilter: true",
		"headerFilter: {header: x-a}", "headerFilter: {header: {name: x-a, value: '%'}}", "headerFilter: {header: {name: x-a, type: RegularExpression, value: 'a+'}}",
		"responseFlagFilter: {}", "responseFlagFilter: {flags: [UF, UDO]}", "grpcStatusFilter: {statuses: [CANCELED, OK], exclude: true}", "celFilter: 'response.code > 400'")
}

// objects adds to g, by chance, what Kubernetes' objects ask for.
func (m *maker) objects(t testing.TB, g *ir.Gateway) {
	t.Helper()
	chance := func() bool { return m.IntN(3) == 0 }
	text := func() ir.Opt[string] {
		return ir.Opt[string]{V: m.one("", "/", "/new", "/new/", `/'"%\1)%`), Set: chance()}
	}
	if chance() {
		cert, key := issue(t, "pair", "pair.example")
		g.Listeners = append(g.Listeners, ir.Listener{Name: "https-8444/" + strings.Repeat("l.%", 80), Address: "[::]:8444", Protocol: "https",
			TLS: &ir.ServerTLS{Pairs: []ir.KeyPair{{Cert: string(cert), Key: ir.Secret(key)}, {Cert: string(cert), Key: ir.Secret(key)}}}})
	}
	g.Backends = append(g.Backends, ir.Backend{Name: "kube_ns_svc_80", Provider: "http", URL: "http://svc.ns.svc.cluster.local:80", Endpoints: []string{"127.0.0.1:1", "[::1]:2"}[:m.IntN(3)]},
		ir.Backend{Name: "ns/n.a.m.e/0.a", Provider: "http", Broken: "BackendNotFound"},
		ir.Backend{Name: strings.Repeat("n/ä.%", 50), Provider: "http", URL: "https://tls.example/base", TLS: ir.ClientTLS{CA: issued(t), ServerName: "other.example"}, Key: ir.Credential{Passthrough: true}})
	last := g.Backends[len(g.Backends)-3:]
	for i := range 1 + m.IntN(8) {
		r := ir.Route{Name: fmt.Sprint(m.one("ns/name/", "100% ", `"'`, strings.Repeat("r/é.%", 48)), i), Match: ir.Match{Prefix: m.one("", "/", "/p", `/p.'"%`)}}
		if chance() {
			r.Match = ir.Match{Exact: "/e"}
		} else if chance() {
			r.Match = ir.Match{Regex: "/x[0-9]+"}
		}
		if chance() {
			r.Match.Query = []ir.HeaderMatch{{Name: "a"}, {Name: "b", Exact: "1"}, {Name: "c", Regex: "x+"}}
		}
		if chance() {
			r.Match.Hosts = []string{m.one("a.example", "*.example", "*.a.example", "A.Example"), "a.example"}
		}
		if chance() {
			r.Listeners = []string{g.Listeners[m.IntN(len(g.Listeners))].Name}
		}
		switch m.IntN(4) {
		case 0:
			r.Redirect = &ir.Redirect{Scheme: m.one("", "http", "https"), Host: m.one("", "h.example"), Port: m.IntN(2) * 8443, Path: text(), Status: 302}
		case 1:
			r.Direct = &ir.Direct{Status: 200 + m.IntN(400), Body: m.one("", "body %", strings.Repeat("long", 2000))}
		default:
			for _, b := range last[:1+m.IntN(3)] {
				r.Groups = append(r.Groups, []ir.Target{{Backend: b.Name, Weight: 1}, {Backend: last[0].Name, Weight: m.IntN(3)}})
			}
			r.Rewrite = ir.Rewrite{Prefix: text(), KeepPath: chance(), KeepHost: chance(), Host: m.one("", "h.example")}
		}
		g.Routes = append(g.Routes, r)
	}
}

// issued is an authority.
func issued(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(pki(t), "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// gateway is a configuration by chance, as a file and objects make it.
func gateway(t testing.TB, seed uint64) *ir.Gateway {
	t.Helper()
	g := load(t, []byte(configuration(seed)))
	m := &maker{Rand: rand.New(rand.NewPCG(seed, 2))}
	m.objects(t, g)
	return g
}

// FuzzBuild: whatever ir accepts becomes the same resources each time, which survive being printed and hold no secret.
func FuzzBuild(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		config := gateway(t, seed)
		for _, ads := range []bool{false, true} {
			o := options
			o.ADS = ads
			first, again := whole(t, config, o), whole(t, config, o)
			text := printed(t, first)
			if string(text) != string(printed(t, again)) || !proto.Equal(first, again) {
				t.Error("built twice, it differs")
			}
			if strings.Contains(string(text), secret) {
				t.Errorf("it holds a secret:\n%s", text)
			}
			wire, err := proto.Marshal(first)
			if err != nil || strings.Contains(string(wire), secret) { // Any keeps bytes that text may not show
				t.Errorf("on the wire it holds a secret (%v)", err)
			}
			j, err := protojson.Marshal(first)
			var back bootstrapv3.Bootstrap
			if err != nil || protojson.Unmarshal(j, &back) != nil || string(printed(t, &back)) != string(text) {
				t.Errorf("it does not survive being printed: %v", err)
			}
		}
	})
}

// built is all of a configuration's resources in one message.
func built(t *testing.T, config []byte, o xds.Options) *bootstrapv3.Bootstrap {
	t.Helper()
	return whole(t, load(t, config), o)
}

// whole is all of g's resources in one message.
func whole(t *testing.T, g *ir.Gateway, o xds.Options) *bootstrapv3.Bootstrap {
	t.Helper()
	r, err := xds.Build(g, o)
	if err != nil {
		t.Fatal(err)
	}
	b, err := xds.Static(r, xds.Boot{})
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range r.Routes {
		// A bootstrap has no place for tables of routes; a listener has.
		b.StaticResources.Listeners = append(b.StaticResources.Listeners, holding(t, table))
	}
	return b
}

// TestEnvoyAcceptsAll: Envoy accepts what configurations become that were made by chance.
func TestEnvoyAcceptsAll(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			g := gateway(t, seed)
			b := whole(t, g, options)
			validate(t, printed(t, b))
			if t.Failed() {
				t.Logf("%s\n%+v", configuration(seed), g.Routes)
			}
		})
	}
}

// holding is a listener that holds a table of routes.
func holding(t *testing.T, table *routev3.RouteConfiguration) *listenerv3.Listener {
	t.Helper()
	c := &anypb.Any{}
	m := &hcmv3.HttpConnectionManager{RouteSpecifier: &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: table}}
	if err := anypb.MarshalFrom(c, m, proto.MarshalOptions{Deterministic: true}); err != nil {
		t.Fatal(err)
	}
	return &listenerv3.Listener{FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: c}}}}}}
}
