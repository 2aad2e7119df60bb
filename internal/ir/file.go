package ir

import "time"

// The types of this file are the native file: what may be written, each setting with its default, unit and limits. The
// decoder, the JSON Schema and the reference documentation all read them: names, defaults and limits from the tags, the
// prose from the comments.
//
// Tags: conf is the key, then other spellings of it; default is the value of an absent key, written as in a file; unset says
// what absence means where no value does; enum lists what is allowed; later, on the field named _, lists
// the keys of the struct that are known but not supported yet; min and max are bounds, included; need marks a key that must be
// there; short marks the field that a plain value in place of the mapping sets; lines marks a secret of several lines.

// file is the whole file. Everything has a default: the empty file is valid, and means the default configuration.
type file struct {
	// Address (host:port) of one plain listener: HTTP/1.1, and HTTP/2 by prior knowledge. An empty host means every interface.
	Listen string `conf:"listen" unset:"127.0.0.1:8080, without listeners"`
	// More listeners, with TLS or names.
	Listeners []listenerFile `conf:"listeners"`
	// Address (host:port) of the admin listener: /healthz, /readyz, /metrics. "off" for none.
	Admin string `conf:"admin" default:"127.0.0.1:9090"`
	// What is recorded of every call and where it goes.
	Telemetry telemetryFile `conf:"telemetry"`
	// Places that answer LLM calls, by name: letters, digits, ".", "_" and "-".
	Backends map[string]backendFile `conf:"backends" unset:"those of the default configuration"`
	// Which calls go where. The most specific match wins: by host, an exact one before the longest wildcard before none; then by path,
	// exact before the longest prefix before a regex; then one with methods, with more headers, with more parameters of the query,
	// with models; then the order of the file. Where no route under a host matches, those of the next host have their turn.
	Routes []routeFile `conf:"routes" unset:"those of the default configuration, without backends"`
	// Prices of tokens by model, exact or with "*" for any run of characters. Calls of a model with a price have their cost on the
	// span. The exact name wins, then the pattern with the most characters beside "*". None are built in: prices change, and a
	// wrong figure is worse than none.
	Prices map[string]*priceFile `conf:"prices" unset:"no costs"`
	// What only Envoy does, where it carries the calls; the native data plane passes it by.
	Envoy envoyFile `conf:"envoy"`
	// What clients can make the gateway hold.
	Limits limitsFile `conf:"limits"`
	// The end of the process.
	Shutdown shutdownFile `conf:"shutdown"`
}

// listenerFile accepts clients.
type listenerFile struct {
	// Name in messages. Unique.
	Name string `conf:"name" unset:"the address"`
	// Address, host:port. An empty host means every interface.
	Address string `conf:"address" need:"true" short:"true"`
	// http is HTTP/1.1, and HTTP/2 by prior knowledge; https is HTTP/1.1 and HTTP/2 over TLS.
	Protocol string `conf:"protocol" enum:"http,https" unset:"https with tls, else http"`
	// The certificate of an https listener.
	TLS *serverTLSFile `conf:"tls"`
}

// serverTLSFile is a listener's certificate. Paths are relative to the configuration file.
type serverTLSFile struct {
	// Certificate chain, a PEM file. Read again when it changes.
	Cert string `conf:"cert" unset:"certificates are all"`
	// Private key, a PEM file; needed with cert. Read again when it changes.
	Key string `conf:"key"`
	// Further certificates, by content. Of all, a client gets the one that has the name it asks for, else the first.
	Certificates []keyPairFile `conf:"certificates"`
	// Authorities of client certificates, a PEM file; clients must then present one.
	ClientCA string `conf:"clientCA" unset:"clients need no certificate"`
	// Lowest TLS version.
	MinVersion string `conf:"minVersion" enum:"1.2,1.3" default:"1.2"`
}

// keyPairFile is a certificate by content.
type keyPairFile struct {
	// Certificate chain in PEM, the text itself.
	CertPEM string `conf:"certPEM" need:"true"`
	// Private key in PEM, the text itself. Never printed.
	KeyPEM Secret `conf:"keyPEM" need:"true" lines:"true"`
}

// clientTLSFile is how a TLS server that the gateway calls is verified. Paths are relative to the configuration file.
type clientTLSFile struct {
	// Trusted authorities, a PEM file.
	CA string `conf:"ca" unset:"the system's authorities"`
	// Trusted authorities in PEM, the text itself, in place of ca.
	CAPEM string `conf:"caPEM"`
	// Client certificate, a PEM file; key must be given too.
	Cert string `conf:"cert"`
	// The client certificate's private key, a PEM file.
	Key string `conf:"key"`
	// Name that is asked for (SNI) and verified.
	ServerName string `conf:"serverName" unset:"the URL's host"`
	// Accept any certificate: for tests only.
	InsecureSkipVerify bool `conf:"insecureSkipVerify" default:"false"`
}

// limitsFile bounds what clients can make the gateway hold.
type limitsFile struct {
	// Size of a request's body.
	Body size `conf:"body" default:"10MiB" min:"1B" max:"1GiB"`
	// Size of a request's head.
	Headers size `conf:"headers" default:"64KiB" min:"1KiB" max:"16MiB"`
	// Open client connections, all listeners together.
	Connections int `conf:"connections" default:"10000" min:"1" max:"10000000"`
}

// shutdownFile bounds the end of the process.
type shutdownFile struct {
	// How long running calls may go on after SIGTERM.
	Drain time.Duration `conf:"drain" default:"30s" max:"1h"`
}

// backendFile is one place that answers LLM calls.
type backendFile struct {
	// Whose API it is: openai, azure, anthropic, gemini, vertexai, foundry (Azure AI Foundry), bedrock, ollama, cohere, groq, deepseek,
	// xai, openrouter, together, perplexity, cerebras, fireworks, mistral, writer, moonshot, voyageai, huggingface, vllm or demo. For
	// any other API like OpenAI's: openai, with url, and as for its name. http is any other server: its calls are passed through, and
	// Envoy carries those that need no credential of ours by itself.
	Provider string `conf:"provider" unset:"demo with demo: true, else needed"`
	// Name in telemetry (gen_ai.provider.name): lower-case letters, digits, ".", "_" and "-".
	As string `conf:"as" unset:"the provider's"`
	// Scheme, host, port and base path. Needed for azure, foundry, vllm and http, for vertexai without project and location, and for
	// bedrock without region.
	URL string `conf:"url" unset:"the provider's"`
	// Where to connect to in place of url's host: addresses IP:port, which have their turns one after the other. [] is nowhere: the
	// backend's calls are refused with status 503.
	Endpoints []string `conf:"endpoints" unset:"url's host, looked up"`
	// Why nobody can be asked, in a word: the backend's share of calls is refused with status 500.
	Broken string `conf:"broken" unset:"it can be asked"`
	// Replaces the whole path of every upstream request.
	Path string `conf:"path" unset:"the provider's path for the call"`
	// Headers set on every upstream request.
	Headers map[string]Secret `conf:"headers"`
	// Model that is sent upstream, whatever the client named.
	Model string `conf:"model" unset:"the client's"`
	// Aliases: the client's name of a model to the name that is sent upstream.
	Models map[string]string `conf:"models"`
	// Azure: name of the deployment.
	Deployment string `conf:"deployment" unset:"the model's name"`
	// Azure, Azure AI Foundry and Anthropic: version of the API.
	APIVersion string `conf:"apiVersion" unset:"the provider's"`
	// Vertex AI: project.
	Project string `conf:"project"`
	// Vertex AI: location, such as us-central1.
	Location string `conf:"location"`
	// AWS: region, such as us-east-1.
	Region string `conf:"region" unset:"AWS_REGION, else AWS_DEFAULT_REGION"`
	// AWS: credentials that requests are signed with (Signature Version 4) when the backend has no key.
	AWS awsFile `conf:"aws"`
	// Wire format in which the provider is spoken to, where it knows several.
	Dialect string `conf:"dialect" enum:"openai,anthropic,gemini,ollama,bedrock,cohere,mistral,writer" unset:"the client's, where the provider speaks it"`
	// Credential: inline, "${VAR}", "${file:PATH}" (read again when the file changes), or passthrough, which sends the caller's
	// own credential on (to bedrock an API key only: a caller's signature holds for this address only). Never printed.
	Key Credential `conf:"key" unset:"requests to bedrock are signed, to others go without a credential"`
	// The credential's header.
	Auth authFile `conf:"auth"`
	// Send trace context upstream.
	Propagate bool `conf:"propagate" default:"true"`
	// auto is HTTP/2 where TLS negotiates it, else HTTP/1.1; h2c is HTTP/2 without TLS, for http URLs.
	HTTP2 string `conf:"http2" enum:"auto,h2c" default:"auto"`
	// How an https URL's server is verified.
	TLS clientTLSFile `conf:"tls"`
	// Leave the backend alone for a while when it keeps failing.
	OutlierDetection *outlierFile `conf:"outlierDetection" unset:"it has its turn whatever happened"`
	// Answer with the built-in demo provider, without any network.
	Demo bool `conf:"demo" default:"false"`
	// Prices of this backend's tokens by model, which go before those of the file.
	Prices map[string]*priceFile `conf:"prices" unset:"those of the file"`
}

// outlierFile says when a backend is left alone: for that time the other targets of a route go first, and it comes after them.
type outlierFile struct {
	// Consecutive failures, which are statuses of 500 and more, and attempts without a response.
	Consecutive5xx int `conf:"consecutive5xx" default:"5" min:"1" max:"1000000"`
	// How long it is left alone.
	BaseEjectionTime time.Duration `conf:"baseEjectionTime" default:"30s" min:"1ms" max:"24h"`
}

// awsFile is where the credentials come from that requests to AWS are signed with. Without any of it: the environment
// (AWS_ACCESS_KEY_ID, AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN, AWS_PROFILE), the default profile of ~/.aws, the container's or the
// machine's role, the first that is there.
type awsFile struct {
	// A key's id; secretAccessKey must be given too.
	AccessKeyID string `conf:"accessKeyId"`
	// The key's secret. Never printed.
	SecretAccessKey Secret `conf:"secretAccessKey"`
	// The token of a temporary key. Never printed.
	SessionToken Secret `conf:"sessionToken"`
	// Profile in ~/.aws/config and ~/.aws/credentials, or where AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE say. Not beside a key.
	Profile string `conf:"profile" unset:"AWS_PROFILE"`
	// ARN of a role to assume: with the web identity, else with the credentials that there are without it.
	RoleARN string `conf:"roleArn" unset:"AWS_ROLE_ARN with AWS_WEB_IDENTITY_TOKEN_FILE"`
	// File of a web identity's token, such as Kubernetes mounts for a service account; roleArn must be given too. Read at every
	// renewal.
	WebIdentityTokenFile string `conf:"webIdentityTokenFile" unset:"AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN"`
	// Name of the role's session, for AWS' logs.
	RoleSessionName string `conf:"roleSessionName" unset:"spanway"`
}

// priceFile is what the tokens of a model cost, in US dollars per million tokens. The model is the one that the response names; where
// that has no price, the one that was sent upstream.
type priceFile struct {
	// Input tokens.
	Input float64 `conf:"input" need:"true" min:"0" max:"10000"`
	// Output tokens, reasoning included; 0 for models that embed.
	Output float64 `conf:"output" need:"true" min:"0" max:"10000"`
	// Input tokens that were read from the provider's cache.
	CacheRead *float64 `conf:"cacheRead" min:"0" max:"10000" unset:"input's"`
	// Input tokens that were written to the provider's cache.
	CacheWrite *float64 `conf:"cacheWrite" min:"0" max:"10000" unset:"input's"`
}

// authFile overrides how the credential is sent.
type authFile struct {
	// Header that carries the credential.
	Header string `conf:"header" unset:"the provider's"`
	// What stands before the credential in that header, space included.
	Prefix *string `conf:"prefix" unset:"the provider's"`
	// Parameter of the query that carries the credential, too, for servers that look for it there. Not with envoy.accessLog, which would
	// show it.
	Query string `conf:"query" enum:"key,api_key,apikey,api-key" unset:"none"`
	// With key passthrough: refuse callers that bring none, with status 401.
	Required bool `conf:"required" default:"false"`
	// The credential, as the backend's key; only one of the two.
	Key Credential `conf:"key"`
}

// routeFile sends the calls that it matches to backends.
type routeFile struct {
	// Name in telemetry and messages. Unique.
	Name string `conf:"name" unset:"the path of its match"`
	// Which calls: every part that is set must hold.
	Match matchFile `conf:"match"`
	// What a POST is whose path is that of no API: chat is a call of the chat API of the first target's provider, at whatever path, and
	// stream likewise, with its answer streamed where the provider's path says so (gemini, vertexai, bedrock). A path that ends as an
	// API's does is a call of that API, whatever stands before. Such calls need a model: the client's or the backend's.
	AnyPath string `conf:"anyPath" enum:"chat,stream" unset:"it passes through to the provider's API, below its base path"`
	// Names of the listeners whose calls it takes; that of listen is default.
	Listeners []string `conf:"listeners" unset:"all of them"`
	// Send clients elsewhere, in place of any backend.
	Redirect *redirectFile `conf:"redirect"`
	// Answer by itself, in place of any backend.
	Direct *directFile `conf:"direct"`
	// Path and host behind the gateway.
	Rewrite rewriteFile `conf:"rewrite"`
	// Let pages of other origins call the route from a browser.
	CORS *corsFile `conf:"cors" unset:"browsers are told nothing, and what backends say of it goes through"`
	// The one backend: short for one target.
	To string `conf:"to"`
	// Groups of targets in order of preference; within a group by weight. A group of one may be written without brackets.
	Targets [][]targetFile `conf:"targets"`
	// When and how another attempt is made. No attempt follows the first byte sent to the client.
	Retry retryFile `conf:"retry"`
	// Bounds in time; 0s is no bound.
	Timeout timeoutFile `conf:"timeout"`
	// Changes of header fields. They are no place for secrets: those belong into the backend's key and headers.
	Headers headerEditsFile `conf:"headers"`
	// Most calls in a time.
	RateLimit *rateLimitFile `conf:"rateLimit" unset:"no limit"`
	// Steps in order.
	Policies []policyFile `conf:"policies"`
	// Record the text of messages on this route.
	Capture *string `conf:"capture" enum:"off,messages" unset:"telemetry.capture"`
	// full; metadata records neither usage nor content (for callers that are traced themselves); off records no trace.
	Spans string `conf:"spans" enum:"full,metadata,off" default:"full"`
	// Ask providers for a stream's usage where they report it on request only, and take the extra frame out of the client's
	// stream.
	StreamUsage bool `conf:"streamUsage" default:"false"`
	// What becomes of a request that goes to a provider of another wire format and says what that has no place for: refuse
	// answers with status 400 and names the field; allow leaves the field out and lists it in spanway.translation.dropped.
	Lossy string `conf:"lossy" enum:"refuse,allow" default:"refuse"`
	// Where Envoy carries the calls and the process that thinks beside it is dead: send calls on as they came, and unrecorded,
	// in place of refusing them. For routes without policies, whose backends need no credential of ours (their key is passthrough
	// or none) and take paths as clients send them. Without Envoy it means nothing.
	FailOpen bool `conf:"failOpen" default:"false"`
}

// headerEditsFile changes header fields on their way.
type headerEditsFile struct {
	// Of requests, before the provider's credential and the backend's headers are set.
	Request headerEditFile `conf:"request"`
	// Of the provider's responses.
	Response headerEditFile `conf:"response"`
}

// headerEditFile changes the header fields of one message: remove, then set, then add.
type headerEditFile struct {
	// Fields that replace those of their name.
	Set map[string]string `conf:"set"`
	// Fields that come beside those of their name.
	Add map[string]string `conf:"add"`
	// Names of fields that are removed.
	Remove []string `conf:"remove"`
}

// rateLimitFile is a token bucket, of one gateway process, from which each call of the route takes a token. Calls that find it
// empty are refused with status 429.
type rateLimitFile struct {
	// Tokens of the full bucket: so many calls may come at once.
	Burst int `conf:"burst" need:"true" min:"1" max:"1000000000"`
	// Tokens that are added each time.
	Fill int `conf:"fill" default:"1" min:"1" max:"1000000000"`
	// How often tokens are added.
	Every time.Duration `conf:"every" default:"1s" min:"1ms" max:"24h"`
}

// matchFile selects calls. At most one of path, exact and regex; none of them is path: /.
type matchFile struct {
	// Host names, exact or "*.suffix".
	Hosts []string `conf:"hosts,host"`
	// Prefix of the path, at a segment border. It is removed before the provider sees the path.
	Path string `conf:"path"`
	// The exact path.
	Exact string `conf:"exact"`
	// Regular expression (RE2) for the whole path.
	Regex string `conf:"regex"`
	// HTTP methods.
	Methods []string `conf:"methods,method"`
	// Headers by name: a value, or {regex: …}; {} is present with any value.
	Headers map[string]headerFile `conf:"headers"`
	// Parameters of the query by name: a value, or {regex: …}; {} is present with any value. They are compared as they stand in the
	// query, encoded; of several values the first counts.
	Query map[string]headerFile `conf:"query"`
	// Models as the client names them; "*" stands for any run of characters.
	Models []string `conf:"models,model"`
}

// headerFile is what a header, or a parameter, must be. Without exact and regex, it must be present.
type headerFile struct {
	// The exact value.
	Exact string `conf:"exact" short:"true"`
	// Regular expression (RE2) for the whole value.
	Regex string `conf:"regex"`
}

// targetFile is one backend of a group.
type targetFile struct {
	// Name of a backend.
	Backend string `conf:"backend" need:"true"`
	// Model that is sent upstream.
	Model string `conf:"model" unset:"the backend's"`
	// Share of the group's calls; 0 is never.
	Weight int `conf:"weight" default:"1" min:"0" max:"1000000"`
}

// retryFile says when and how another attempt is made.
type retryFile struct {
	// Attempts in all, the first included; 1 is no retry.
	Attempts int `conf:"attempts" default:"3" min:"1" max:"20"`
	// What is tried again: status codes (400 to 599), 5xx, connect (no connection), reset (cut before the response head),
	// timeout.
	On []string `conf:"on" default:"429,5xx,connect,reset,timeout"`
	// Bound of one attempt, to its response head; 0s is none.
	PerTry time.Duration `conf:"perTry" default:"0s" max:"24h"`
	// Pauses between attempts.
	Backoff backoffFile `conf:"backoff"`
}

// backoffFile is the pause between attempts: exponential, with jitter. A provider's Retry-After goes first.
type backoffFile struct {
	// The first pause.
	Base time.Duration `conf:"base" default:"50ms" max:"1h"`
	// The longest pause, and the longest Retry-After that is waited for.
	Max time.Duration `conf:"max" default:"2s" max:"1h"`
}

// timeoutFile bounds a call in time; 0s is no bound.
type timeoutFile struct {
	// The whole call.
	Request time.Duration `conf:"request" default:"0s" max:"24h"`
	// From sending the request to the response head.
	FirstByte time.Duration `conf:"firstByte" default:"60s" max:"24h"`
	// Between two reads of the response.
	Idle time.Duration `conf:"idle" default:"120s" max:"24h"`
}

// policyFile is one step of a route: exactly one key.
type policyFile struct {
	// A prompt guard.
	Guard *guardFile `conf:"guard"`
	// Messages around those of the client.
	Enrich *enrichFile `conf:"enrich"`
	// Fields of the client's request body, for conversations and prompts.
	Defaults []fieldFile `conf:"defaults"`
}

// enrichFile is messages that are put around those of the client, in whatever wire format it speaks. Prompts get them as text.
type enrichFile struct {
	// Messages in front, in this order.
	Prepend []messageFile `conf:"prepend"`
	// Messages behind.
	Append []messageFile `conf:"append"`
}

// messageFile is one message.
type messageFile struct {
	// Who says it. Wire formats that have instructions beside the messages get those of system and developer there.
	Role string `conf:"role" enum:"system,developer,user,assistant" need:"true"`
	// The text.
	Content string `conf:"content" need:"true"`
}

// fieldFile is a field at the top level of the client's request body, named as the client's wire format does. What counts is whether it is
// there, not what it says.
type fieldFile struct {
	// Its name, such as temperature, or generationConfig for clients of Gemini's format.
	Field string `conf:"field" need:"true"`
	// Its value: text, number, true or false, null, list or mapping, as it goes into the JSON body.
	Value anyValue `conf:"value" need:"true"`
	// Set it even where the client did.
	Override bool `conf:"override" default:"false"`
}

// guardFile looks at what goes in and what comes out.
type guardFile struct {
	// Name of its spans (run_guardrail NAME). Unique in its route.
	Name string `conf:"name" unset:"the guard's kind, such as regex"`
	// Find text by patterns.
	Regex *regexGuardFile `conf:"regex"`
	// Ask a service of your own, in place of regex.
	Webhook *webhookFile `conf:"webhook"`
	// Show requests to a moderation API, in place of regex.
	Moderation *moderationFile `conf:"moderation"`
	// What is done to a request where something is found: mask or reject; true for a webhook, which decides itself. Moderation rejects.
	Request string `conf:"request" enum:"mask,reject,true,false" unset:"requests are not checked"`
	// What is done to a response where something is found: mask or reject; true for a webhook.
	Response string `conf:"response" enum:"mask,reject,true,false" unset:"responses are not checked"`
	// What a refused client gets.
	Reject rejectFile `conf:"reject"`
}

// regexGuardFile finds text by patterns. It needs at least one.
type regexGuardFile struct {
	// Patterns that come with Spanway.
	Builtins []string `conf:"builtins" enum:"SSN,CREDIT_CARD,PHONE_NUMBER,EMAIL"`
	// Regular expressions (RE2), plain or with a name; at most 100.
	Patterns []patternFile `conf:"patterns"`
}

// webhookFile is a service that is asked about texts, by kgateway's guardrail webhook protocol: POST with JSON to its paths
// /request and /response, which answers {"action": …} to let pass, to replace or to reject.
type webhookFile struct {
	// Scheme, host, port and base path, to which /request and /response are added.
	URL string `conf:"url" need:"true" short:"true"`
	// Bound of one question, its answer included.
	Timeout time.Duration `conf:"timeout" default:"5s" min:"1ms" max:"10m"`
	// What becomes of a call when no valid answer comes: closed refuses it with status 503, reject refuses it as the guard's
	// reject says, open lets it pass.
	Failure string `conf:"failure" enum:"closed,reject,open" default:"closed"`
	// Headers of the client's request that are sent along, by name: where they have the value, or match {regex: …}; {} is any
	// value. A name may not be that of a header which belongs to the connection.
	ForwardHeaders map[string]headerFile `conf:"forwardHeaders"`
	// How an https URL's server is verified.
	TLS clientTLSFile `conf:"tls"`
}

// moderationFile is a moderation API of OpenAI's form, which all texts of a request are shown to at once.
type moderationFile struct {
	// Scheme, host, port and base path, to which /moderations is added.
	URL string `conf:"url" default:"https://api.openai.com/v1"`
	// Model that judges.
	Model string `conf:"model" default:"omni-moderation-latest"`
	// The API's key, as a backend's: inline, "${VAR}", "${file:PATH}" (read again when the file changes), or passthrough, which sends the
	// caller's own bearer token. Never printed.
	Key Credential `conf:"key" unset:"none is sent"`
	// Bound of one question, its answer included.
	Timeout time.Duration `conf:"timeout" default:"5s" min:"1ms" max:"10m"`
	// What becomes of a call when no valid answer comes, as of a webhook.
	Failure string `conf:"failure" enum:"closed,reject,open" default:"closed"`
	// How an https URL's server is verified.
	TLS clientTLSFile `conf:"tls"`
}

// patternFile is one regular expression.
type patternFile struct {
	// Name, for placeholder and span: letters, digits and "_".
	Name string `conf:"name" default:"CUSTOM"`
	// Regular expression (RE2), at most 4096 bytes, that does not match the empty text.
	Regex string `conf:"regex" need:"true" short:"true"`
}

// rejectFile is what a refused client gets.
type rejectFile struct {
	// HTTP status.
	Status int `conf:"status" default:"403" min:"400" max:"599"`
	// Message in the client's own error format.
	Message string `conf:"message" unset:"The request was rejected due to inappropriate content; of moderation: Rejected by guardrails moderation"`
}

// telemetryFile is what is recorded of every call and where it goes.
type telemetryFile struct {
	_ struct{} `later:"logs"`
	// service.name.
	Service string `conf:"service" unset:"OTEL_SERVICE_NAME, else spanway"`
	// Further attributes of the resource.
	Resource map[string]string `conf:"resource" unset:"OTEL_RESOURCE_ATTRIBUTES"`
	// Which calls are exported. Metrics count every call.
	Sampler *samplerFile `conf:"sampler" unset:"OTEL_TRACES_SAMPLER, else parentbased_always_on"`
	// Which of the calls that the sampler took are exported after all, decided when they have ended.
	Tail *tailFile `conf:"tail" unset:"all of them"`
	// Formats of trace context.
	Propagators []string `conf:"propagators" enum:"tracecontext,baggage,b3,b3multi,jaeger,xray" unset:"OTEL_PROPAGATORS, else tracecontext and baggage"`
	// Record the text of messages: off or messages.
	Capture string `conf:"capture" enum:"off,messages" unset:"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT, else off"`
	// Naming of what is exported, several at once: genai is the OpenTelemetry GenAI conventions 1.41, genai-latest is those after
	// it, in place of genai, and openinference is OpenInference.
	Conventions []string `conf:"conventions" enum:"genai,genai-latest,openinference" default:"genai"`
	// Destinations of traces. [] is none, whatever the environment says.
	Traces []sinkFile `conf:"traces" unset:"OTEL_EXPORTER_OTLP_ENDPOINT and its like, else none"`
	// Where metrics go.
	Metrics metricsFile `conf:"metrics"`
}

// samplerFile is a head sampler. The camel-case names are those of kgateway; both spellings mean the same.
type samplerFile struct {
	// The parentbased ones keep a caller's decision.
	Type string `conf:"type" need:"true" short:"true" enum:"always_on,always_off,traceidratio,parentbased_always_on,parentbased_always_off,parentbased_traceidratio,alwaysOn,alwaysOff,parentbasedAlwaysOn,parentbasedAlwaysOff,parentbasedTraceidratio"`
	// Share of traces that a traceidratio sampler keeps.
	Ratio float64 `conf:"ratio" default:"1" min:"0" max:"1"`
}

// tailFile decides at a call's end whether its trace is exported. Any rule is enough; so is a caller that sampled its trace.
type tailFile struct {
	// Share of the calls that no rule keeps, decided by the trace's id as traceidratio does: 0 is none of them.
	Keep float64 `conf:"keep" need:"true" min:"0" max:"1"`
	// Keep calls that failed, whoever's fault it was; those that a guardrail refused are not among them.
	Errors bool `conf:"errors" default:"true"`
	// Keep calls that a guardrail refused.
	Blocked bool `conf:"blocked" default:"true"`
	// Keep calls that took longer, from the first byte to the last; 0s is no such rule.
	SlowerThan time.Duration `conf:"slowerThan" default:"0s" max:"24h"`
	// Keep calls that cost more, in US dollars by prices; 0 is no such rule.
	CostlierThan float64 `conf:"costlierThan" default:"0" min:"0" max:"1000000"`
	// Keep calls for which this CEL expression is true, at most 4096 bytes. What it may name is in telemetry.md, Sampling.
	Match string `conf:"match" unset:"no such rule"`
}

// sinkFile is one destination of traces.
type sinkFile struct {
	_ struct{} `later:"store"`
	// An OTLP receiver, such as an OpenTelemetry Collector.
	OTLP *otlpFile `conf:"otlp"`
	// Finished traces that are kept, encoded, while the receiver does not take them. Further ones are dropped, and counted.
	Queue size `conf:"queue" default:"64MiB" min:"1MiB" max:"1GiB"`
	// Longest wait before a batch is sent.
	Interval time.Duration `conf:"interval" default:"1s" min:"1ms" max:"1h"`
	// How long one batch is tried; 0s is as long as the queue has room.
	RetryFor time.Duration `conf:"retryFor" default:"0s" max:"24h"`
}

// otlpFile is one OTLP receiver.
type otlpFile struct {
	// http://host:port or https://host:port. The HTTP protocols add /v1/traces or /v1/metrics when it has no path.
	Endpoint string `conf:"endpoint" short:"true" unset:"http://localhost:4317 for grpc, else http://localhost:4318"`
	// http is http/protobuf.
	Protocol string `conf:"protocol" enum:"grpc,http,http/protobuf,http/json" default:"grpc"`
	// Headers (gRPC: metadata) of every export. Values are never printed.
	Headers map[string]Secret `conf:"headers"`
	// Bound of one export.
	Timeout time.Duration `conf:"timeout" default:"10s" min:"1ms" max:"1h"`
	// Compression of an export's body.
	Compression string `conf:"compression" enum:"none,gzip" default:"none"`
	// How an https endpoint is verified.
	TLS clientTLSFile `conf:"tls"`
}

// metricsFile is where metrics go.
type metricsFile struct {
	// An OTLP receiver.
	OTLP *otlpFile `conf:"otlp" unset:"OTEL_EXPORTER_OTLP_ENDPOINT and its like, else none"`
	// Time between two OTLP exports.
	Interval time.Duration `conf:"interval" unset:"OTEL_METRIC_EXPORT_INTERVAL, else 60s" min:"100ms" max:"24h"`
	// Serve /metrics on the admin listener.
	Prometheus bool `conf:"prometheus" default:"true"`
}
