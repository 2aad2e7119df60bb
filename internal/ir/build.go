package ir

import (
	"maps"
	"slices"
	"strings"
	"unicode"
)

// Words of the file.
const (
	off             = "off"     // no admin listener
	defaultListener = "default" // the name of the listener of listen
)

// gateway turns a checked file into the configuration it means.
func (f *file) gateway(o *LoadOptions) *Gateway {
	g := &Gateway{
		Admin:     f.Admin,
		Telemetry: f.Telemetry.telemetry(o),
		Limits:    Limits{Body: int64(f.Limits.Body), Headers: int64(f.Limits.Headers), Connections: int64(f.Limits.Connections)},
		Shutdown:  Shutdown{Drain: f.Shutdown.Drain},
	}
	if g.Admin == off {
		g.Admin = ""
	}
	g.Prices = prices(f.Prices)
	g.Envoy = f.Envoy.envoy(o, f.Telemetry.Service)
	if f.Listen != "" {
		g.Listeners = append(g.Listeners, Listener{Name: defaultListener, Address: f.Listen, Protocol: "http"})
	}
	for i := range f.Listeners {
		g.Listeners = append(g.Listeners, f.Listeners[i].listener(o))
	}
	for _, name := range slices.Sorted(maps.Keys(f.Backends)) {
		b := f.Backends[name]
		g.Backends = append(g.Backends, b.backend(name, o))
	}
	for i := range f.Routes {
		g.Routes = append(g.Routes, f.Routes[i].route(o))
	}
	return g
}

// name is the listener's name, or its address.
func (l *listenerFile) name() string {
	if l.Name != "" {
		return l.Name
	}
	return l.Address
}

func (l *listenerFile) listener(o *LoadOptions) Listener {
	out := Listener{Name: l.name(), Address: l.Address, Protocol: l.Protocol}
	if l.TLS != nil {
		out.Protocol = "https"
		out.TLS = &ServerTLS{
			CertFile:     o.abs(l.TLS.Cert),
			KeyFile:      o.abs(l.TLS.Key),
			ClientCAFile: o.abs(l.TLS.ClientCA),
			MinVersion:   l.TLS.MinVersion,
		}
		for _, c := range l.TLS.Certificates {
			out.TLS.Pairs = append(out.TLS.Pairs, KeyPair{Cert: c.CertPEM, Key: c.KeyPEM})
		}
	}
	if out.Protocol == "" {
		out.Protocol = "http"
	}
	return out
}

func (t *clientTLSFile) clientTLS(o *LoadOptions) ClientTLS {
	return ClientTLS{
		CAFile:             o.abs(t.CA),
		CA:                 t.CAPEM,
		CertFile:           o.abs(t.Cert),
		KeyFile:            o.abs(t.Key),
		ServerName:         t.ServerName,
		InsecureSkipVerify: t.InsecureSkipVerify,
	}
}

// region is the AWS region: the file's, else for a provider of AWS the environment's.
func (b *backendFile) region(o *LoadOptions) string {
	if b.Region != "" || b.Provider != "bedrock" {
		return b.Region
	}
	for _, name := range [...]string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if s, _ := o.Getenv(name); s != "" {
			return s
		}
	}
	return ""
}

func (b *backendFile) backend(name string, o *LoadOptions) Backend {
	out := Backend{
		Name:       name,
		Provider:   b.Provider,
		As:         b.As,
		URL:        strings.TrimRight(b.URL, "/"),
		Endpoints:  b.Endpoints,
		Broken:     b.Broken,
		Path:       b.Path,
		Model:      b.Model,
		Models:     b.Models,
		Deployment: b.Deployment,
		APIVersion: b.APIVersion,
		Project:    b.Project,
		Location:   b.Location,
		Region:     b.region(o),
		AWS: AWS{
			AccessKeyID:          b.AWS.AccessKeyID,
			SecretAccessKey:      b.AWS.SecretAccessKey,
			SessionToken:         b.AWS.SessionToken,
			Profile:              b.AWS.Profile,
			RoleARN:              b.AWS.RoleARN,
			WebIdentityTokenFile: o.abs(b.AWS.WebIdentityTokenFile),
			RoleSessionName:      b.AWS.RoleSessionName,
		},
		Dialect:    b.Dialect,
		Key:        b.Key,
		AuthHeader: b.Auth.Header,
		AuthPrefix: optional(b.Auth.Prefix),

		AuthQuery: b.Auth.Query, AuthRequired: b.Auth.Required,
		Propagate: b.Propagate,
		HTTP2:     b.HTTP2,
		TLS:       b.TLS.clientTLS(o),
		Demo:      b.Demo || b.Provider == demoProvider,
		Prices:    prices(b.Prices),
	}
	if out.Demo {
		out.Provider = demoProvider
	}
	if d := b.OutlierDetection; d != nil {
		out.Outlier = Outlier{Failures: d.Consecutive5xx, Ejection: d.BaseEjectionTime}
	}
	if b.Auth.Key != (Credential{}) {
		out.Key = b.Auth.Key
	}
	if b.Headers != nil {
		out.Headers = make(map[string]string, len(b.Headers))
		for k, v := range b.Headers {
			out.Headers[k] = string(v)
		}
	}
	return out
}

// prices is m in the order of its models; one without a value has no price. Cached tokens without a price of their own cost what others do.
func prices(m map[string]*priceFile) []Price {
	var out []Price
	for _, model := range slices.Sorted(maps.Keys(m)) {
		p := m[model]
		if p == nil {
			continue
		}
		price := Price{Model: model, Input: p.Input, Output: p.Output, CacheRead: p.Input, CacheWrite: p.Input}
		if p.CacheRead != nil {
			price.CacheRead = *p.CacheRead
		}
		if p.CacheWrite != nil {
			price.CacheWrite = *p.CacheWrite
		}
		out = append(out, price)
	}
	return out
}

// optional is the value p points to, absent when it is nil.
func optional[T any](p *T) Opt[T] {
	if p == nil {
		return Opt[T]{}
	}
	return Opt[T]{V: *p, Set: true}
}

// name is the route's name, or its path.
func (r *routeFile) name() string {
	if r.Name != "" {
		return r.Name
	}
	m := r.Match.match()
	return m.Prefix + m.Exact + m.Regex
}

func (r *routeFile) route(o *LoadOptions) Route {
	out := Route{
		Name:  r.name(),
		Match: r.Match.match(),
		Retry: Retry{
			Attempts:    r.Retry.Attempts,
			On:          r.Retry.On,
			PerTry:      r.Retry.PerTry,
			BackoffBase: r.Retry.Backoff.Base,
			BackoffMax:  r.Retry.Backoff.Max,
		},
		Timeout: Timeout(r.Timeout),

		RequestHeaders:  r.Headers.Request.edits(),
		ResponseHeaders: r.Headers.Response.edits(),

		Capture:     optional(r.Capture),
		Spans:       r.Spans,
		StreamUsage: r.StreamUsage,
		Lossy:       r.Lossy == "allow",
		FailOpen:    r.FailOpen,
		Known:       Known{Any: r.AnyPath != "", Stream: r.AnyPath == "stream"},
	}
	if r.RateLimit != nil {
		out.RateLimit = RateLimit(*r.RateLimit)
	}
	if d := r.Redirect; d != nil {
		out.Redirect = &Redirect{Scheme: d.Scheme, Host: d.Host, Port: d.Port, Path: optional(d.Path), Prefix: optional(d.Prefix), Status: d.Status}
	}
	if r.Direct != nil {
		out.Direct = &Direct{Status: r.Direct.Status, Body: r.Direct.Body}
	}
	if r.CORS != nil {
		out.CORS = r.CORS.cors()
	}
	out.Listeners = r.Listeners
	w := &r.Rewrite
	out.Rewrite = Rewrite{Path: optional(w.Path), Prefix: optional(w.Prefix), KeepPath: w.KeepPath, Host: w.Host, KeepHost: w.KeepHost}
	if r.To != "" {
		out.Groups = [][]Target{{{Backend: r.To, Weight: 1}}}
	}
	for _, group := range r.Targets {
		targets := make([]Target, len(group))
		for i := range group {
			targets[i] = Target(group[i])
		}
		out.Groups = append(out.Groups, targets)
	}
	for i := range r.Policies {
		out.Policies = append(out.Policies, r.Policies[i].policy(o))
	}
	return out
}

// match is m in one spelling: without a path it is that of every path, a prefix ends without "/", hosts are in lower case,
// methods in upper case, and every list is sorted.
func (m *matchFile) match() Match {
	out := Match{Prefix: m.Path, Exact: m.Exact, Regex: m.Regex, Models: slices.Clone(m.Models)}
	if m.Exact == "" && m.Regex == "" {
		out.Prefix = strings.TrimRight(m.Path, "/")
		if out.Prefix == "" {
			out.Prefix = "/"
		}
	}
	for _, h := range m.Hosts {
		out.Hosts = append(out.Hosts, strings.ToLower(h))
	}
	for _, method := range m.Methods {
		out.Methods = append(out.Methods, strings.ToUpper(method))
	}
	out.Headers, out.Query = headerMatches(m.Headers), queryMatches(m.Query)
	slices.Sort(out.Hosts)
	slices.Sort(out.Methods)
	slices.Sort(out.Models)
	return out
}

// queryMatches is m in the order of the names.
func queryMatches(m map[string]headerFile) []HeaderMatch {
	var out []HeaderMatch
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, HeaderMatch{Name: name, Exact: m[name].Exact, Regex: m[name].Regex})
	}
	return out
}

// headerMatches is m in the order of the names.
func headerMatches(m map[string]headerFile) []HeaderMatch {
	var out []HeaderMatch
	for name, h := range m {
		out = append(out, HeaderMatch{Name: strings.ToLower(name), Exact: h.Exact, Regex: h.Regex})
	}
	slices.SortFunc(out, func(a, b HeaderMatch) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (p *policyFile) policy(o *LoadOptions) Policy {
	var out Policy
	if p.Guard != nil {
		out.Guard = p.Guard.guard(o)
	}
	if p.Enrich != nil {
		out.Enrich = &Enrich{Prepend: messages(p.Enrich.Prepend), Append: messages(p.Enrich.Append)}
	}
	for _, f := range p.Defaults {
		out.Defaults = append(out.Defaults, FieldDefault{Field: f.Field, Value: string(f.Value), Override: f.Override})
	}
	return out
}

func messages(list []messageFile) (out []Message) {
	for _, m := range list {
		out = append(out, Message(m))
	}
	return out
}

// name is the guard's name, or its kind.
func (g *guardFile) name() string {
	switch {
	case g.Name != "":
		return g.Name
	case g.Webhook != nil:
		return "webhook"
	case g.Moderation != nil:
		return "moderation"
	}
	return "regex"
}

// What a refused client is told when the file does not say it.
const (
	rejectedText   = "The request was rejected due to inappropriate content"
	moderationText = "Rejected by guardrails moderation"
)

func (g *guardFile) guard(o *LoadOptions) *Guard {
	action := map[string]string{"true": "check", "false": ""}
	side := func(s string) string {
		if a, ok := action[s]; ok {
			return a
		}
		return s
	}
	out := &Guard{Name: g.name(), Request: side(g.Request), Response: side(g.Response), Reject: Rejection(g.Reject)}
	if g.Regex != nil {
		out.Regex = &RegexGuard{Builtins: g.Regex.Builtins}
		for _, p := range g.Regex.Patterns {
			out.Regex.Patterns = append(out.Regex.Patterns, Pattern(p))
		}
	}
	if w := g.Webhook; w != nil {
		out.Webhook = &Webhook{URL: strings.TrimRight(w.URL, "/"), Timeout: w.Timeout, Failure: w.Failure,
			Forward: headerMatches(w.ForwardHeaders), TLS: w.TLS.clientTLS(o)}
	}
	message := rejectedText
	if m := g.Moderation; m != nil {
		message = moderationText
		out.Moderation = &Moderation{URL: strings.TrimRight(m.URL, "/"), Model: m.Model, Key: m.Key, Timeout: m.Timeout, Failure: m.Failure, TLS: m.TLS.clientTLS(o)}
	}
	if out.Reject.Message == "" {
		out.Reject.Message = message
	}
	return out
}

// snake turns kgateway's camel-case name of a sampler into OpenTelemetry's, which it leaves as it is.
func snake(name string) string {
	var b strings.Builder
	for _, r := range name {
		if unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func (t *telemetryFile) telemetry(o *LoadOptions) Telemetry {
	out := Telemetry{
		Service:     t.Service,
		Resource:    t.Resource,
		Propagators: t.Propagators,
		Capture:     t.Capture,
		Conventions: t.Conventions,
		Metrics:     Metrics{Interval: t.Metrics.Interval, Prometheus: t.Metrics.Prometheus},
	}
	if s := t.Sampler; s != nil {
		out.Sampler = Sampler{Type: snake(s.Type), Ratio: s.Ratio}
	}
	if tail := t.Tail; tail != nil {
		out.Tail = &Tail{Errors: tail.Errors, Blocked: tail.Blocked, SlowerThan: tail.SlowerThan,
			CostlierThan: tail.CostlierThan, Match: tail.Match, Keep: tail.Keep}
	}
	if t.Traces != nil {
		out.Traces = make([]OTLP, 0, len(t.Traces))
	}
	for i := range t.Traces {
		s := &t.Traces[i]
		sink := s.OTLP.otlp(o)
		sink.Queue, sink.Interval, sink.RetryFor = int64(s.Queue), s.Interval, s.RetryFor
		out.Traces = append(out.Traces, sink)
	}
	if t.Metrics.OTLP != nil {
		sink := t.Metrics.OTLP.otlp(o)
		out.Metrics.OTLP = &sink
	}
	return out
}

// endpoint is the receiver's URL, by default OpenTelemetry's for the protocol.
func (f *otlpFile) endpoint() string {
	switch {
	case f.Endpoint != "":
		return f.Endpoint
	case f.Protocol == "grpc":
		return "http://localhost:4317"
	}
	return "http://localhost:4318"
}

func (f *otlpFile) otlp(o *LoadOptions) OTLP {
	out := OTLP{
		Endpoint:    f.endpoint(),
		Protocol:    f.Protocol,
		Headers:     f.Headers,
		Timeout:     f.Timeout,
		Compression: f.Compression,
		TLS:         f.TLS.clientTLS(o),
	}
	if out.Protocol == "http" {
		out.Protocol = "http/protobuf"
	}
	return out
}
