package xds_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

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
		"{openTelemetry: {body: '%PATH%', attributes: {b: '%PROTOCOL%'}}}, {openTelemetry: {protocol: http, endpoint: 'https://c.example:1'}}"))
}

// FuzzBuild: whatever ir accepts becomes the same resources each time, which survive being printed and hold no secret.
func FuzzBuild(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		config := []byte(configuration(seed))
		for _, ads := range []bool{false, true} {
			o := options
			o.ADS = ads
			first, again := built(t, config, o), built(t, config, o)
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
	r, err := xds.Build(load(t, config), o)
	if err != nil {
		t.Fatalf("%v\n%s", err, config)
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
			config := []byte(configuration(seed))
			validate(t, printed(t, bootstrap(t, config)))
			if t.Failed() {
				t.Logf("%s", config)
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
