package xds

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	overloadv3 "github.com/envoyproxy/go-control-plane/envoy/config/overload/v3"
	downstreamv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/downstream_connections/v3"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// Boot is what a bootstrap says beside the configuration.
type Boot struct {
	// Admin is where Envoy's admin interface listens: unix:PATH or HOST:PORT; "" = nowhere.
	Admin string
	// Node is the name by which a Server knows this Envoy; its option --service-node goes before it.
	Node string
	// Role is what a Server of several configurations knows by which of them is this Envoy's, the field role of the node's
	// metadata; "" = the Server has but one.
	Role string
	// Control is where a Server listens: unix:PATH or HOST:PORT. Dynamic needs it.
	Control string
	// TLS protects Control; nil = nothing does.
	TLS *ControlTLS
	// Ready is where /ready tells whether Envoy has its configuration, beside HealthPath, and Stats where /metrics has its metrics
	// for Prometheus: HOST:PORT, for Dynamic with an Admin; "" = nowhere. [::] is IPv4's interfaces too.
	Ready, Stats string
	// MetricsFrom is the path of the administration interface's own that /metrics stands for, "" is all metrics; StatsFrom the one
	// that /stats stands for, "" is that there is no /stats. Queries are part of them.
	MetricsFrom, StatsFrom string
	// Connections bounds the open connections of clients, all listeners together; 0 = only each listener has its bound. A reload
	// does not change it.
	Connections int64
}

// TraceFlush is how long Envoy keeps a finished span before it exports it. It exports none when it is stopped: whoever stops it
// waits so long after the last call.
const TraceFlush = 500 * time.Millisecond

// flushSpans is how many spans Envoy collects at most before it exports them.
const flushSpans = 256

// regexSteps bounds the regular expressions that Envoy takes, in steps of RE2's programs.
const regexSteps = 1_000_000

// Static is a bootstrap that holds r whole; r was built without Options.ADS.
func Static(r *Resources, o Boot) (*bootstrapv3.Bootstrap, error) {
	b, err := o.bootstrap()
	if err != nil {
		return nil, err
	}
	b.StaticResources = &bootstrapv3.Bootstrap_StaticResources{Listeners: r.Listeners, Clusters: r.Clusters, Secrets: r.Secrets}
	return b, nil
}

// Dynamic is a bootstrap that asks a Server for everything.
func Dynamic(o Boot) (*bootstrapv3.Bootstrap, error) {
	b, err := o.bootstrap()
	if err != nil {
		return nil, err
	}
	var w build
	control := w.controlCluster(&o)
	b.StaticResources = &bootstrapv3.Bootstrap_StaticResources{Clusters: []*clusterv3.Cluster{control}}
	w.operators(&o, b)
	if w.err != nil {
		return nil, w.err
	}
	b.DynamicResources = &bootstrapv3.Bootstrap_DynamicResources{LdsConfig: o.discovered(), CdsConfig: o.discovered(), AdsConfig: &corev3.ApiConfigSource{
		ApiType: corev3.ApiConfigSource_GRPC, TransportApiVersion: corev3.ApiVersion_V3, SetNodeOnFirstMessageOnly: true,
		GrpcServices: []*corev3.GrpcService{o.controlService()}}}
	return b, nil
}

func (o *Boot) bootstrap() (*bootstrapv3.Bootstrap, error) {
	node := o.Node
	if node == "" {
		node = "spanway"
	}
	b := &bootstrapv3.Bootstrap{Node: &corev3.Node{Id: node, Cluster: "spanway"}}
	if o.Role != "" {
		b.Node.Metadata = &structpb.Struct{Fields: map[string]*structpb.Value{RoleField: structpb.NewStringValue(o.Role)}}
	}
	if path, ok := strings.CutPrefix(o.Admin, "unix:"); ok {
		b.Admin = &bootstrapv3.Admin{Address: pipe(path)}
	} else if o.Admin != "" {
		host, port, err := splitAddress(o.Admin)
		if err != nil {
			return nil, fmt.Errorf("admin: %w", err)
		}
		b.Admin = &bootstrapv3.Admin{Address: socket(host, port)}
	}
	if o.Connections > 0 {
		monitor, err := anypb.New(&downstreamv3.DownstreamConnectionsConfig{MaxActiveDownstreamConnections: o.Connections})
		if err != nil {
			return nil, fmt.Errorf("connections: %w", err)
		}
		b.OverloadManager = &overloadv3.OverloadManager{ResourceMonitors: []*overloadv3.ResourceMonitor{{
			Name: "envoy.resource_monitors.global_downstream_max_connections", ConfigType: &overloadv3.ResourceMonitor_TypedConfig{TypedConfig: monitor}}}}
	}
	layer := &structpb.Struct{Fields: map[string]*structpb.Value{
		"tracing.opentelemetry.flush_interval_ms": structpb.NewNumberValue(float64(TraceFlush.Milliseconds())),
		"tracing.opentelemetry.min_flush_spans":   structpb.NewNumberValue(flushSpans),
		// Envoy's own bound is 100, which a path with a few alternatives exceeds; ir.CheckRegex has a bound of its own.
		"re2.max_program_size.error_level": structpb.NewNumberValue(regexSteps)}}
	b.LayeredRuntime = &bootstrapv3.LayeredRuntime{Layers: []*bootstrapv3.RuntimeLayer{
		{Name: "spanway", LayerSpecifier: &bootstrapv3.RuntimeLayer_StaticLayer{StaticLayer: layer}}}}
	return b, nil
}

// YAML prints m as Envoy reads it.
func YAML(m proto.Message) ([]byte, error) {
	j, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("print %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(j, &doc); err != nil {
		return nil, fmt.Errorf("print %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	plain(&doc)
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(&doc); err != nil {
		return nil, fmt.Errorf("print %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	return out.Bytes(), nil
}

// plain takes JSON's brackets away, and the quotes of texts that no reader of YAML can take for something else: Envoy's takes
// yes and no for booleans.
func plain(n *yaml.Node) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" || simpleText.MatchString(n.Value) && !slices.Contains(notText, strings.ToLower(n.Value)) {
		n.Style = 0
	}
	for _, c := range n.Content {
		plain(c)
	}
}

var (
	simpleText = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9_./-]*|[0-9]+(\.[0-9]+)?s)$`)
	notText    = []string{"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"}
)
