package ir

// What routes of HTTP do beside sending calls to backends as they are.

// redirectFile sends clients elsewhere. What it leaves out stays as the client asked; the query always does.
type redirectFile struct {
	// Scheme of the new address.
	Scheme string `conf:"scheme" enum:"http,https" unset:"the request's"`
	// Its host name, without port.
	Host string `conf:"host" unset:"the request's"`
	// Its port.
	Port int `conf:"port" min:"1" max:"65535" unset:"the usual one of scheme, without scheme the listener's"`
	// Its whole path.
	Path *string `conf:"path" unset:"the request's"`
	// What stands there for the prefix that match.path matched.
	Prefix *string `conf:"prefix"`
	// 301, 302, 303, 307 or 308.
	Status int `conf:"status" default:"302" min:"301" max:"308"`
}

// directFile is an answer of the gateway's own.
type directFile struct {
	// HTTP status.
	Status int `conf:"status" default:"200" min:"200" max:"599" short:"true"`
	// The body, as text/plain.
	Body string `conf:"body" unset:"no body"`
}

// rewriteFile changes where requests go at their backend. Backends with an API of models take path and prefix where those lead to a path of an
// API, and nothing else.
type rewriteFile struct {
	// The whole path, below the path of the backend's URL.
	Path *string `conf:"path" unset:"the request's, without the prefix that matched"`
	// What stands for the prefix that match.path matched.
	Prefix *string `conf:"prefix"`
	// Leave the path as the client sent it, its prefix with it.
	KeepPath bool `conf:"keepPath" default:"false"`
	// Host that requests name.
	Host string `conf:"host" unset:"that of the backend's URL"`
	// Name the host that the client named.
	KeepHost bool `conf:"keepHost" default:"false"`
}
