package ir

import "time"

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

// corsFile lets pages of other origins call a route from a browser (cross-origin resource sharing). The gateway answers preflights itself, and what
// backends say in headers Access-Control-* goes no further. A preflight names neither a model nor the values of headers: of routes
// that differ in models, the cors of the first holds for all their calls, and one whose match asks for headers is not found.
type corsFile struct {
	// Origins of pages that may: scheme://host, with :port where it is not the scheme's usual one, and * for any run of characters in the
	// host. * alone is all origins.
	AllowOrigins []string `conf:"allowOrigins" need:"true"`
	// Methods that they may use beside GET, HEAD and POST. * alone is all.
	AllowMethods []string `conf:"allowMethods" unset:"GET, HEAD and POST"`
	// Header fields that they may send beside those that any page may. * alone is all.
	AllowHeaders []string `conf:"allowHeaders" unset:"no others"`
	// Header fields of responses that they may read beside those that any page may. * is all, but none with allowCredentials.
	ExposeHeaders []string `conf:"exposeHeaders" unset:"no others"`
	// Let them send cookies, and credentials that browsers add by themselves. A key that the page itself puts into a header needs
	// allowHeaders in place of this.
	AllowCredentials bool `conf:"allowCredentials" default:"false"`
	// How long a browser may remember what a preflight was answered, in whole seconds.
	MaxAge time.Duration `conf:"maxAge" default:"5s" min:"1s" max:"24h"`
}
