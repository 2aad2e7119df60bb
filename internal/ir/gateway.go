// Package ir is Spanway's one configuration, neutral between data planes: listeners, routes, backends, policies, telemetry.
// It is also the native file format: [Load] reads YAML into a [Gateway], fills in every default, and reports every problem
// at once with its place in the file.
//
// The package imports nothing of Spanway.
package ir

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Gateway is the whole configuration. It does not change once loaded.
type Gateway struct {
	Listeners []Listener
	Admin     string // address of the admin listener (/healthz, /readyz, /metrics); "" = none
	Telemetry Telemetry
	Backends  []Backend // sorted by name
	Routes    []Route   // in the order of the file
	Prices    []Price   // sorted by model
	Envoy     Envoy
	Limits    Limits
	Shutdown  Shutdown
}

// Listener accepts clients.
type Listener struct {
	Name     string
	Address  string // host:port
	Protocol string // "http" (HTTP/1.1 and h2c by prior knowledge) or "https" (HTTP/1.1 and h2)
	TLS      *ServerTLS
}

// ServerTLS is a listener's certificate.
type ServerTLS struct {
	CertFile, KeyFile string    // PEM, read again when they change; "" = Pairs are all
	Pairs             []KeyPair // further certificates, by content; of all, the one is used that has the name that the client asks for, else the first
	ClientCAFile      string    // "" = clients need no certificate
	MinVersion        string    // "1.2" (default) or "1.3"
}

// KeyPair is a certificate with its key, in PEM.
type KeyPair struct {
	Cert string
	Key  Secret
}

// ClientTLS is how a TLS server that we call is verified.
type ClientTLS struct {
	CAFile             string // PEM; "" = CA
	CA                 string // PEM, the text itself; "" with no CAFile: the system's roots
	CertFile, KeyFile  string // client certificate
	ServerName         string // SNI and the name that is verified; "" = the host
	InsecureSkipVerify bool
}

// Limits bound what clients can make the gateway hold.
type Limits struct {
	Body        int64 // bytes of a request body; default 10 MiB
	Headers     int64 // bytes of a request head; default 64 KiB
	Connections int64 // open client connections of all listeners; default 10000
}

// Shutdown bounds the end of the process.
type Shutdown struct {
	Drain time.Duration // how long running calls may go on after SIGTERM; default 30 s
}

// Backend is one place that answers LLM calls.
type Backend struct {
	Name       string
	Provider   string            // a row of the provider table
	As         string            // gen_ai.provider.name in place of the provider's own; ""
	URL        string            // scheme, host, port and base path; "" = the provider's own
	Endpoints  []string          // host:port, host an IP address: where to connect to in place of URL's host, one like the other; nil = URL's host
	Broken     string            // why nobody can be asked: attempts at it end with status 500 before they begin; "" = it is whole
	Path       string            // replaces the whole upstream path; ""
	Query      Opt[string]       // replaces the query where Path does the path
	Model      string            // the model sent upstream, whatever the client named; ""
	Models     map[string]string // aliases: client's name → name sent upstream
	Deployment string            // Azure
	APIVersion string            // Azure, Anthropic
	Project    string            // Vertex AI
	Location   string            // Vertex AI
	Region     string            // AWS
	AWS        AWS               // credentials to sign with
	Dialect    string            // the wire format that the provider is spoken to in; "" = the client's where it can be
	Key        Credential
	AuthHeader string      // header of the credential in place of the provider's own; ""
	AuthPrefix Opt[string] // what stands before the credential in that header, space included
	// AuthQuery is a parameter of the query that carries the credential beside the header; "" = none. Envoy's access logs may show
	// it: it has no place where there are any.
	AuthQuery string
	// AuthRequired refuses callers without a credential with status 401 where Key is theirs.
	AuthRequired bool
	Headers      map[string]string // set on every upstream request
	Propagate    bool              // inject trace context upstream; default true
	HTTP2        string            // "auto" (ALPN) or "h2c" (prior knowledge); default auto
	TLS          ClientTLS
	Outlier      Outlier
	Demo         bool    // answered by the built-in demo provider
	Prices       []Price // sorted by model; they go before the Gateway's
}

// Outlier says when a backend that keeps failing is left alone for a while. The zero value is never.
type Outlier struct {
	Failures int           // consecutive: a status from 500 on, or no response at all
	Ejection time.Duration // how long other targets of a route go first
}

// AWS is where the credentials come from that requests are signed with (Signature Version 4). The zero value leaves it to the
// environment.
type AWS struct {
	AccessKeyID          string
	SecretAccessKey      Secret // set when AccessKeyID is
	SessionToken         Secret // "" = the key is a lasting one
	Profile              string // of the shared files
	RoleARN              string // the role to assume; "" = none, or that of the environment
	WebIdentityTokenFile string // "" = the role is assumed with the other credentials
	RoleSessionName      string
}

// Price is what the tokens of a model cost, in US dollars per million tokens.
type Price struct {
	Model                                string // exact, or with * for any run of characters
	Input, Output, CacheRead, CacheWrite float64
}

// Opt is a value that may be absent.
type Opt[T any] struct {
	V   T
	Set bool
}

// Secret is a value that never prints. Three things do not ask it, so do not do them: fmt for %p and for an unexported field
// of a struct that is printed whole, and encoding/json for a key of a map.
type Secret string

// Format prints [redacted] for every verb of fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue prints [redacted], for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// String prints [redacted], for fmt and slog.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[redacted]"
}

// MarshalText prints [redacted], for every encoder.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Credential is where the provider's key comes from.
type Credential struct {
	// Value is the key: inline, or from ${VAR} or ${file:PATH}. Empty with Passthrough false: send none.
	Value Secret
	// File is read again when it changes; "" = Value is it.
	File string
	// Passthrough sends the caller's own credential, moved to the provider's header when the client's dialect has another.
	Passthrough bool
}

// Match selects calls. Every part that is set must hold.
type Match struct {
	Hosts   []string // exact, or "*.suffix"
	Prefix  string   // path prefix at a segment border, removed before the provider sees the path
	Exact   string
	Regex   string // RE2, the whole path
	Methods []string
	Headers []HeaderMatch
	Query   []HeaderMatch // parameters of the query: name and value are compared as they stand there, encoded; of several values the first counts
	Models  []string      // exact, or with * for any run of characters
}

// HeaderMatch holds when a header has a value.
type HeaderMatch struct {
	Name  string
	Exact string // "" with no Regex: the header is present
	Regex string
}

// Route sends the calls it matches to backends. The most specific match wins: by host (exact, then the longest wildcard, then
// none), under equal hosts as Match.Compare says, then by the order of the routes. Where nothing matches under a host, the routes of the next one have
// their turn.
type Route struct {
	Name      string
	Listeners []string // names of those whose calls it takes; nil = of all
	Match     Match
	Groups    [][]Target // groups in order of preference; within a group by weight. None with Redirect or Direct
	Redirect  *Redirect  // answers in place of backends
	Direct    *Direct    // likewise
	Rewrite   Rewrite
	CORS      *CORS // nil = browsers are told nothing, and backends' own words about it go through
	// Known says how clients speak at paths that are no API's. The zero value leaves such calls as they are.
	Known    Known
	Retry    Retry
	Timeout  Timeout
	Policies []Policy
	Capture  Opt[string] // content capture of this route: "off" or "messages"; absent = telemetry's
	Spans    string      // "full" (default), "metadata" (neither usage nor content) or "off"
	// StreamUsage asks providers that report a stream's usage only on request to do so, and takes the extra frame out of
	// the client's stream.
	StreamUsage bool
	// RequestHeaders are changed on their way to the provider, ResponseHeaders on the provider's to the client.
	RequestHeaders, ResponseHeaders HeaderEdits
	RateLimit                       RateLimit
	// Lossy drops what a translation for another provider cannot carry, in place of refusing the request.
	Lossy bool
	// FailOpen has Envoy send calls on as they came while the processor is dead.
	FailOpen bool
}

// Redirect sends clients elsewhere (Gateway API, HTTPRequestRedirectFilter). What it does not set stays as the client asked.
type Redirect struct {
	Scheme, Host string      // "" = the request's
	Port         int         // 0 = the well-known one of Scheme, without Scheme the listener's
	Path, Prefix Opt[string] // the whole path, or what stands for the matched prefix; not both
	Status       int         // 301, 302, 303, 307 or 308
}

// Direct is an answer of the gateway's own.
type Direct struct {
	Status int // 200…599
	Body   string
}

// CORS says from which origins browsers let pages call a route and read its answers (Gateway API, HTTPCORSFilter; Fetch Standard,
// section 3.3). A list of "*" alone is of all there are; what the client asks for is then named back to it. A preflight names no model: of
// routes that differ in those only, the CORS of the first holds for all their calls.
type CORS struct {
	AllowOrigins     []string // as IsOrigin has them; none = no origin may
	AllowMethods     []string // beside GET, HEAD and POST, which browsers take for allowed
	AllowHeaders     []string // of requests
	ExposeHeaders    []string // of responses; "*" = all, but with AllowCredentials none
	AllowCredentials bool     // cookies, and credentials that the browser adds itself
	MaxAge           int      // seconds for which a browser may remember what a preflight was answered; at least 1, default 5
}

// Rewrite changes where a request goes at the backend. Backends with an API of models ignore all but Path and Prefix where those
// leave a path that is known to them; their host is always their own.
type Rewrite struct {
	Path, Prefix Opt[string] // the whole path, or what stands for the matched prefix; not both
	KeepPath     bool        // without them: the path goes as the client sent it, its matched prefix with it
	Host         string      // of the request; "" = the backend's, or the client's with KeepHost
	KeepHost     bool
}

// Known says what calls are whose path tells nothing. Gateways that set the provider's path themselves have such routes.
type Known struct {
	// Any takes a POST at any path for the chat API of the provider of the first target, unless the path, or an end of it that begins
	// at a slash, is that of an API which the gateway knows.
	Any bool
	// Stream has providers stream whose path says so (Gemini, Vertex AI, Bedrock), where the client's path does not.
	Stream bool
}

// HeaderEdits change a message's header fields, in this order: what Remove names goes, Set replaces, Add comes beside what is
// there. They are no place for secrets.
type HeaderEdits struct {
	Set, Add []Header // sorted by name
	Remove   []string // canonical names, sorted
}

// Header is a header field. Its name is canonical.
type Header struct{ Name, Value string }

// RateLimit is a token bucket of one gateway process for all calls of a route: each takes a token. The zero value is no limit.
type RateLimit struct {
	Burst int           // tokens of the full bucket
	Fill  int           // tokens that are added
	Every time.Duration // how often
}

// Target is one backend of a group.
type Target struct {
	Backend string
	Model   string // the model sent upstream; "" = the backend's
	Weight  int    // default 1; 0 = never
}

// Retry says when and how another attempt is made.
type Retry struct {
	Attempts    int           // in all, first included; 1 = none. Default: 3 with one target or more
	On          []string      // status codes, "5xx", "connect", "reset", "timeout"; default 429, 5xx, connect, reset, timeout
	PerTry      time.Duration // bound of one attempt to its response head; 0 = none
	BackoffBase time.Duration // default 50 ms
	BackoffMax  time.Duration // default 2 s; also the longest Retry-After that is waited for
}

// Timeout bounds a call. Zero is no bound.
type Timeout struct {
	Request   time.Duration // the whole call; default none
	FirstByte time.Duration // from sending the request to the response head; default 60 s
	Idle      time.Duration // between two reads of the response; default 120 s
}

// Policy is one step of a route's pipeline: exactly one field is set.
type Policy struct {
	Guard    *Guard
	Enrich   *Enrich
	Defaults []FieldDefault
}

// Enrich puts messages around those of the client, in whatever dialect it speaks. Dialects that have instructions beside the
// messages get those of the roles system and developer there.
type Enrich struct {
	Prepend, Append []Message
}

// Message is a message of a conversation.
type Message struct{ Role, Content string } // the role in lower case: system, developer, user, assistant

// FieldDefault is a top-level field of the client's request body.
type FieldDefault struct {
	Field    string
	Value    string // JSON
	Override bool   // set it even where the client did; without it only where the field is absent
}

// Guard is a prompt guard: exactly one of Regex, Webhook and Moderation is set.
type Guard struct {
	Name     string // the span's name
	Request  string // "mask", "reject", of a webhook "check", or "" = not checked
	Response string // likewise
	Regex    *RegexGuard
	Webhook  *Webhook
	Reject   Rejection

	Moderation *Moderation
}

// Moderation is a moderation API of OpenAI's form that requests' texts are shown to.
type Moderation struct {
	URL     string // base, to which /moderations is added; default https://api.openai.com/v1
	Model   string // default omni-moderation-latest
	Key     Credential
	Timeout time.Duration // default 5 s
	Failure string        // as Webhook.Failure
	TLS     ClientTLS
}

// Webhook is a service that is asked about texts.
type Webhook struct {
	URL     string // without a slash at its end; /request and /response are added
	Timeout time.Duration
	Failure string        // without a valid answer: "closed" (status 503), "reject" (as Guard.Reject says) or "open"
	Forward []HeaderMatch // headers of the client's request that are sent along
	TLS     ClientTLS
}

// RegexGuard finds text by patterns.
type RegexGuard struct {
	Builtins []string // SSN, CREDIT_CARD, PHONE_NUMBER, EMAIL
	Patterns []Pattern
}

// Pattern is a regular expression (RE2) with a name for its placeholder and its span.
type Pattern struct {
	Name  string // "" = "CUSTOM"
	Regex string
}

// Rejection is what a refused client gets.
type Rejection struct {
	Status  int    // default 403
	Message string // default "The request was rejected due to inappropriate content"
}

// Telemetry is what is recorded and where it goes. What the OTEL_ environment variables may say too is zero when the file
// does not say it: Service, Resource, Sampler, Propagators, Capture, Traces, Metrics.OTLP and
// Metrics.Interval.
type Telemetry struct {
	Service     string            // service.name
	Resource    map[string]string // further resource attributes
	Sampler     Sampler
	Tail        *Tail    // nil = the sampler decides alone
	Propagators []string // tracecontext, baggage, b3, b3multi, jaeger, xray
	Capture     string   // "off" or "messages"; "" = not said
	Conventions []string // genai, genai-latest, openinference; not both of the first two
	Traces      []OTLP   // sinks; nil = not said, empty = none
	Metrics     Metrics
}

// Sampler is a head sampler.
type Sampler struct {
	Type  string  // always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, parentbased_traceidratio
	Ratio float64 // 0…1
}

// Tail decides about traces that the sampler took when their calls have ended.
type Tail struct {
	Errors, Blocked bool
	SlowerThan      time.Duration // 0 = no such rule
	CostlierThan    float64       // US dollars; 0 = no such rule
	Match           string        // a CEL expression; "" = no such rule
	Keep            float64       // 0…1: the share of what no rule keeps
}

// OTLP is one OTLP destination.
type OTLP struct {
	Endpoint    string // http://host:port or https://host:port, path for the HTTP protocols
	Protocol    string // grpc, http/protobuf or http/json
	Headers     map[string]Secret
	Timeout     time.Duration // of one export; default 10 s
	Compression string        // "none" or "gzip"
	TLS         ClientTLS
	Queue       int64         // bytes of finished, encoded traces kept while the collector does not take them; default 64 MiB
	Interval    time.Duration // longest wait before a batch is sent; default 1 s
	RetryFor    time.Duration // how long one batch is tried; 0 = as long as the queue has room
}

// Metrics is where metrics go.
type Metrics struct {
	OTLP       *OTLP
	Interval   time.Duration // of the OTLP push; 0 = not said
	Prometheus bool          // /metrics on the admin listener; default true
}
