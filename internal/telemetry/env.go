package telemetry

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spanway/spanway/internal/ir"
)

// The protocols of ir.OTLP, with the words of OTEL_EXPORTER_OTLP_PROTOCOL.
const (
	protocolGRPC = "grpc"
	protocolHTTP = "http/protobuf"
	protocolJSON = "http/json"
)

// compressionGzip is the one compression of ir.OTLP.
const compressionGzip = "gzip"

// The values of ir.Telemetry.Capture.
const (
	captureOff      = "off"
	captureMessages = "messages"
)

// The ports that OTLP is registered with.
const (
	portGRPC = "4317"
	portHTTP = "4318"
)

// environment reads OpenTelemetry's environment variables (specification, Environment Variables; OTLP Exporter
// Configuration). What is set but makes no sense is ignored with a warning, as the specification asks: such a variable is
// often meant for other programs of the same pod.
type environment struct {
	get  func(string) string
	warn func(variable, value, problem string)
}

// apply fills in what cfg leaves empty. The exporter that the variables describe takes the place of a list of sinks that
// is nil, not of an empty one; a sink of the configuration is as it says and takes nothing from the environment, credentials least of all.
func (e environment) apply(cfg ir.Telemetry) ir.Telemetry {
	if cfg.Sampler.Type == "" {
		cfg.Sampler = e.sampler()
	}
	if len(cfg.Propagators) == 0 {
		cfg.Propagators = e.propagators()
	}
	if cfg.Capture == "" {
		cfg.Capture = e.capture()
	}
	if cfg.Traces == nil {
		if o, ok := e.exporter("TRACES"); ok {
			cfg.Traces = []ir.OTLP{o}
		}
	}
	if cfg.Metrics.OTLP == nil {
		if o, ok := e.exporter("METRICS"); ok {
			cfg.Metrics.OTLP = &o
		}
	}
	if cfg.Metrics.Interval == 0 {
		cfg.Metrics.Interval = e.duration("OTEL_METRIC_EXPORT_INTERVAL")
	}
	if e.disabled() {
		cfg.Traces, cfg.Metrics.OTLP = nil, nil
	}
	return cfg
}

// disabled reports whether nothing is to be exported and the caller's trace context passes through as it is.
func (e environment) disabled() bool { return strings.EqualFold(e.get("OTEL_SDK_DISABLED"), "true") }

// flag reads a Boolean, false when it is not set (specification, Environment Variables, Boolean).
func (e environment) flag(variable string) bool {
	v := e.get(variable)
	switch strings.ToLower(v) {
	case "true", "1":
		return true
	case "", "false", "0":
	default:
		e.warn(variable, v, "neither true nor false")
	}
	return false
}

func (e environment) sampler() ir.Sampler {
	s := ir.Sampler{Type: e.get("OTEL_TRACES_SAMPLER"), Ratio: 1}
	if s.Type == "" {
		return ir.Sampler{}
	}
	if arg := e.get("OTEL_TRACES_SAMPLER_ARG"); arg != "" {
		ratio, err := strconv.ParseFloat(arg, 64)
		if err != nil {
			e.warn("OTEL_TRACES_SAMPLER_ARG", arg, "not a number")
		} else {
			s.Ratio = ratio
		}
	}
	if _, err := newSampler(s); err != nil {
		e.warn("OTEL_TRACES_SAMPLER", s.Type, err.Error())
		return ir.Sampler{}
	}
	return s
}

func (e environment) propagators() []string {
	v := e.get("OTEL_PROPAGATORS")
	if v == "" {
		return nil
	}
	names := strings.Split(v, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	if _, err := newPropagation(names); err != nil {
		e.warn("OTEL_PROPAGATORS", v, err.Error())
		return nil
	}
	return names
}

// capture reads the variable that OpenTelemetry's instrumentations of GenAI libraries share. Content goes to spans only.
func (e environment) capture() string {
	const variable = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
	v := e.get(variable)
	switch strings.ToUpper(v) {
	case "SPAN_ONLY", "SPAN_AND_EVENT", "TRUE":
		return captureMessages
	case "", "NO_CONTENT", "FALSE":
	case "EVENT_ONLY":
		e.warn(variable, v, "content is recorded on spans only")
	default:
		e.warn(variable, v, "unknown value")
	}
	return captureOff
}

// exporter is the one that the variables describe for signal; ok is false when they describe none.
func (e environment) exporter(signal string) (o ir.OTLP, ok bool) {
	endpoint := e.get("OTEL_EXPORTER_OTLP_" + signal + "_ENDPOINT")
	base := ""
	if endpoint == "" {
		base = e.get("OTEL_EXPORTER_OTLP_ENDPOINT")
	}
	switch v := e.get("OTEL_" + signal + "_EXPORTER"); v {
	case "otlp":
	case "":
		if endpoint == "" && base == "" {
			return o, false
		}
	case "none":
		return o, false
	default:
		e.warn("OTEL_"+signal+"_EXPORTER", v, "not an exporter of Spanway's: use otlp or none")
		return o, false
	}
	o = ir.OTLP{
		Endpoint:    endpoint,
		Protocol:    e.signal(signal, "PROTOCOL"),
		Compression: e.signal(signal, "COMPRESSION"),
		Timeout:     e.duration("OTEL_EXPORTER_OTLP_" + signal + "_TIMEOUT"),
		TLS: ir.ClientTLS{
			CAFile:   e.signal(signal, "CERTIFICATE"),
			CertFile: e.signal(signal, "CLIENT_CERTIFICATE"),
			KeyFile:  e.signal(signal, "CLIENT_KEY"),
		},
	}
	if o.Timeout == 0 {
		o.Timeout = e.duration("OTEL_EXPORTER_OTLP_TIMEOUT")
	}
	headers := e.pairs("OTEL_EXPORTER_OTLP_" + signal + "_HEADERS")
	if headers == nil {
		headers = e.pairs("OTEL_EXPORTER_OTLP_HEADERS")
	}
	if headers != nil {
		o.Headers = map[string]ir.Secret{}
		for name, value := range headers {
			o.Headers[name] = ir.Secret(value)
		}
	}
	return e.complete(o, signal, base), true
}

// complete sets the protocol where it follows from the endpoint's port, and the endpoint where it follows from the base that
// all signals share.
func (e environment) complete(o ir.OTLP, signal, base string) ir.OTLP {
	at := orElse(o.Endpoint, base)
	if at != "" && !strings.Contains(at, "://") {
		scheme := "https://"
		if strings.EqualFold(e.signal(signal, "INSECURE"), "true") {
			scheme = "http://"
		}
		at = scheme + at
	}
	if o.Protocol == "" {
		o.Protocol = protocolHTTP
		if u, err := url.Parse(at); err == nil && (at == "" || u.Port() == portGRPC) {
			o.Protocol = protocolGRPC
		}
	}
	switch {
	case at == "" && o.Protocol == protocolGRPC:
		at = "http://localhost:" + portGRPC
	case at == "":
		at = "http://localhost:" + portHTTP
	case o.Endpoint == "" && o.Protocol != protocolGRPC:
		at = strings.TrimSuffix(at, "/") + "/v1/" + strings.ToLower(signal)
	}
	o.Endpoint = at
	return o
}

// signal reads a variable of one signal, else that of all.
func (e environment) signal(signal, name string) string {
	return orElse(e.get("OTEL_EXPORTER_OTLP_"+signal+"_"+name), e.get("OTEL_EXPORTER_OTLP_"+name))
}

// duration reads milliseconds, as the specification has it, or one of Go's durations.
func (e environment) duration(variable string) time.Duration {
	v := e.get(variable)
	if v == "" {
		return 0
	}
	if ms, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(ms) * time.Millisecond
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		e.warn(variable, v, "not a number of milliseconds")
		return 0
	}
	return d
}

// pairs reads name=value pairs separated by commas, values percent-encoded (W3C Baggage without properties). It is nil for a
// variable that is not set.
func (e environment) pairs(variable string) map[string]string {
	v := e.get(variable)
	if v == "" {
		return nil
	}
	out := map[string]string{}
	for pair := range strings.SplitSeq(v, ",") {
		name, value, ok := strings.Cut(pair, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		plain, err := url.PathUnescape(value)
		if !ok || name == "" || err != nil {
			// The value may be a credential: it is not named.
			e.warn(variable, "", fmt.Sprintf("pair %d is not name=value", len(out)+1))
			continue
		}
		out[name] = plain
	}
	return out
}
