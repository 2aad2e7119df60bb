package ir

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Bounds of what Envoy is told to trace and to log.
const (
	maxEnvoyLogs       = 16
	maxEnvoyAttributes = 64
	maxEnvoyFilters    = 64 // in an and or an or
	maxEnvoyDepth      = 8  // of those in each other
)

// ResponseFlags are Envoy's short names for how calls end (config.accesslog.v3.ResponseFlagFilter).
var ResponseFlags = strings.Fields("LH UH UT LR UR UF UC UO NR DI FI RL UAEX RLSE DC URX SI IH DPE UMSDR RFCF NFCF DT UPE NC OM DF DO DR UDO")

// UpgradeName matches the name of a protocol (RFC 9110, section 7.8).
var UpgradeName = regexp.MustCompile(`^[A-Za-z0-9!#$%&'*+.^_|~/-]{1,64}$`)

// healthPath is what kgateway allows for the path of a health check.
var healthPath = regexp.MustCompile(`^/[-a-zA-Z0-9@:%.+~#?&/=_]+$`)

// credentialHeaders are headers of requests that Envoy must not tell of.
var credentialHeaders = [...]string{"authorization", "x-api-key", "api-key", "x-goog-api-key", "proxy-authorization", "cookie"}

// credentialOperator finds a command operator of Envoy's that prints a header of credentialHeaders, or all of them.
var credentialOperator = regexp.MustCompile(`(?i)%[A-Z_]*(REQ|HEADERS?)[A-Z_]*\([^)]*(` + strings.Join(credentialHeaders[:], "|") + `)|%REQUEST_HEADERS\b`)

// HoldsCredential reports whether requests bring credentials in the header called name. Nothing tells of it.
func HoldsCredential(name string) bool {
	return slices.Contains(credentialHeaders[:], strings.ToLower(name))
}

// PrintsCredential reports whether a format of Envoy's prints a header that HoldsCredential names, or all headers.
func PrintsCredential(format string) bool { return credentialOperator.MatchString(format) }

// envoy checks what Envoy does for itself.
func (v *validator) envoy() {
	v.envoyHTTP(&v.file.Envoy)
	if t := v.file.Envoy.Tracing; t != nil {
		v.envoyTracing("envoy.tracing", t)
	}
	logs := v.file.Envoy.AccessLog
	if len(logs) > maxEnvoyLogs {
		v.add("envoy.accessLog", Problem{Message: "too many access logs", Found: strconv.Itoa(len(logs)), Allowed: "at most " + strconv.Itoa(maxEnvoyLogs)})
		return
	}
	for i := range logs {
		v.envoyLog(index("envoy.accessLog", i), &logs[i])
	}
}

// envoyHTTP checks how Envoy speaks to clients.
func (v *validator) envoyHTTP(f *envoyFile) {
	for i, name := range f.UpgradeConfig.EnabledUpgrades {
		if at := index("envoy.upgradeConfig.enabledUpgrades", i); !UpgradeName.MatchString(name) && !v.hasProblem(at) {
			v.add(at, Problem{Message: "not the name of a protocol", Found: quoted(name)})
		}
	}
	if p := f.HealthCheck.Path; p != "" && !healthPath.MatchString(p) {
		v.add("envoy.healthCheck.path", Problem{Message: "not a path that can be asked for", Found: quoted(p), Allowed: healthPath.String()})
	}
}

// envoyFilter checks what chooses the calls of an access log.
func (v *validator) envoyFilter(field string, f *envoyFilterFile, depth int) {
	if v.told[field] || v.hasProblem(field) {
		return
	}
	if depth > maxEnvoyDepth {
		v.add(field, Problem{Message: "too deep", Allowed: "at most " + strconv.Itoa(maxEnvoyDepth) + " filters in each other"})
		return
	}
	kinds := 0
	for _, set := range []bool{f.StatusCodeFilter != nil, f.DurationFilter != nil, f.NotHealthCheckFilter, f.TraceableFilter, f.HeaderFilter != nil,
		f.ResponseFlagFilter != nil, f.GRPCStatusFilter != nil, f.CELFilter != nil, f.AndFilter != nil, f.OrFilter != nil} {
		if set {
			kinds++
		}
	}
	if kinds != 1 {
		v.add(field, Problem{Message: "needs one condition", Allowed: "one of statusCodeFilter, durationFilter, notHealthCheckFilter, traceableFilter, headerFilter, " +
			"responseFlagFilter, grpcStatusFilter, celFilter, andFilter and orFilter"})
	}
	if h := f.HeaderFilter; h != nil {
		v.toldHeader(field+".headerFilter.header.name", h.Header.Name)
		if h.Header.Type == "RegularExpression" {
			v.regex(field+".headerFilter.header.value", h.Header.Value)
		}
	}
	if r := f.ResponseFlagFilter; r != nil {
		for i, name := range r.Flags {
			if !slices.Contains(ResponseFlags, name) {
				v.add(index(field+".responseFlagFilter.flags", i), Problem{Message: "not a response flag of Envoy", Found: quoted(name), Allowed: strings.Join(ResponseFlags, ", ")})
			}
		}
	}
	if g := f.GRPCStatusFilter; g != nil && len(g.Statuses) == 0 {
		v.add(field+".grpcStatusFilter.statuses", Problem{Message: "is empty", Allowed: "at least one status"})
	}
	if c := f.CELFilter; c != nil && !v.hasProblem(field+".celFilter") && !v.told[field+".celFilter"] {
		if err := CheckExpression(c.Match); err != nil {
			v.bad(field+".celFilter.match", err.Error(), "")
		}
	}
	v.envoyFilters(field+".andFilter", f.AndFilter, depth)
	v.envoyFilters(field+".orFilter", f.OrFilter, depth)
}

func (v *validator) envoyFilters(field string, list []envoyFilterFile, depth int) {
	if n := len(list); list != nil && (n < 2 || n > maxEnvoyFilters) {
		v.add(field, Problem{Message: "not enough conditions, or too many", Found: strconv.Itoa(n), Allowed: "2 to " + strconv.Itoa(maxEnvoyFilters)})
		return
	}
	for i := range list {
		v.envoyFilter(index(field, i), &list[i], depth+1)
	}
}

func (v *validator) envoyTracing(field string, t *envoyTracingFile) {
	v.envoyExport(field, t.Endpoint, t.Protocol, &t.TLS)
	if len(t.Attributes) > maxEnvoyAttributes {
		v.add(field+".attributes", Problem{Message: "too many attributes", Found: strconv.Itoa(len(t.Attributes)), Allowed: "at most " + strconv.Itoa(maxEnvoyAttributes)})
		return
	}
	names := map[string]string{}
	for i := range t.Attributes {
		a, at := &t.Attributes[i], index(field+".attributes", i)
		v.unique(names, at+".name", a.Name)
		v.envoyAttribute(at, a)
	}
}

// envoyExport checks an OTLP receiver of Envoy's.
func (v *validator) envoyExport(field, endpoint, protocol string, t *clientTLSFile) {
	at := field + ".endpoint"
	if _, written := v.at[at]; !written {
		at = field
	}
	if u := v.url(at, endpoint); u != nil && protocol == "grpc" && strings.Trim(u.Path, "/") != "" {
		v.bad(at, "grpc has no path", "http://host:port or https://host:port; or protocol: http")
	}
	f := otlpFile{Endpoint: endpoint, Protocol: protocol}
	v.clientTLS(field+".tls", t, f.endpoint())
}

func (v *validator) envoyAttribute(field string, a *envoyAttributeFile) {
	sources := 0
	for _, set := range []bool{a.Literal != nil, a.RequestHeader != nil, a.Environment != nil, a.Metadata != nil} {
		if set {
			sources++
		}
	}
	if sources != 1 && !v.told[field] && !v.hasProblem(field) {
		v.add(field, Problem{Message: "needs one source of its value", Allowed: "one of literal, requestHeader, environment and metadata"})
	}
	if h := a.RequestHeader; h != nil {
		v.toldHeader(field+".requestHeader", h.Name)
	}
	if m := a.Metadata; m != nil && len(m.MetadataKey.Path) == 0 && !v.hasProblem(field) {
		v.add(field+".metadata.metadataKey.path", Problem{Message: "is empty", Allowed: "at least one key"})
	}
}

// toldHeader checks the name of a header that Envoy tells of.
func (v *validator) toldHeader(field, name string) {
	switch {
	case name == "" || v.hasProblem(field):
	case !isToken(name):
		v.add(field, Problem{Message: "not the name of a header", Found: quoted(name)})
	case HoldsCredential(name):
		v.add(field, Problem{Message: "a header that carries credentials", Found: quoted(name)})
	}
}

func (v *validator) envoyLog(field string, l *envoyLogFile) {
	sinks := 0
	for _, set := range []bool{l.FileSink != nil, l.GRPCService != nil, l.OpenTelemetry != nil} {
		if set {
			sinks++
		}
	}
	if sinks != 1 && !v.told[field] && !v.hasProblem(field) {
		v.add(field, Problem{Message: "needs one destination", Allowed: "one of fileSink, grpcService and openTelemetry"})
	}
	if l.Filter != nil {
		v.envoyFilter(field+".filter", l.Filter, 1)
	}
	if f := l.FileSink; f != nil {
		if f.StringFormat != "" && f.JSONFormat != nil {
			v.bad(field+".fileSink.jsonFormat", "stringFormat and jsonFormat at once", "one of the two")
		}
		v.format(field+".fileSink.stringFormat", f.StringFormat)
		v.formats(field+".fileSink.jsonFormat", f.JSONFormat)
	}
	if g := l.GRPCService; g != nil {
		v.envoyExport(field+".grpcService", g.Endpoint, "grpc", &g.TLS)
		for key, names := range map[string][]string{"additionalRequestHeadersToLog": g.AdditionalRequestHeadersToLog,
			"additionalResponseHeadersToLog": g.AdditionalResponseHeadersToLog, "additionalResponseTrailersToLog": g.AdditionalResponseTrailersToLog} {
			for i, name := range names {
				v.toldHeader(index(field+".grpcService."+key, i), name)
			}
		}
	}
	if t := l.OpenTelemetry; t != nil {
		v.envoyExport(field+".openTelemetry", t.Endpoint, t.Protocol, &t.TLS)
		v.format(field+".openTelemetry.body", t.Body)
		v.formats(field+".openTelemetry.attributes", t.Attributes)
	}
}

func (v *validator) formats(field string, formats map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(formats)) {
		v.format(join(field, name), formats[name])
	}
}

// format checks a text with Envoy's command operators.
func (v *validator) format(field, text string) {
	if PrintsCredential(text) {
		v.bad(field, "prints a header that carries credentials", "")
	} else if err := CheckFormat(text); err != nil {
		v.bad(field, err.Error(), "")
	}
}
