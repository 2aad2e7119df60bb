package gateway

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spanway/spanway/internal/aws"
	"github.com/spanway/spanway/internal/callout"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/policy"
	"github.com/spanway/spanway/internal/provider"
)

// Env is what outlives a reload and what only the process knows.
type Env struct {
	DemoURL string // where the built-in demo provider answers; "" when it does not run
}

// noEndpoints is the error.type of calls to a backend none of whose endpoints is ready.
const noEndpoints = "no_endpoints"

// Snapshot is a compiled configuration. It does not change; calls keep the one they began with.
type Snapshot struct {
	Backends []*Backend
	Limits   ir.Limits

	// Blocking says that a policy of some route does I/O, so that Call.Request and Call.Body may wait, or that a backend's
	// requests are signed, so that Call.Attempt may, when it needs credentials.
	Blocking bool

	routes   *routes
	ports    map[string]int // of listeners, by name and by address
	prices   *prices
	inbounds []llm.Inbound
}

// Backend is a compiled ir.Backend.
type Backend struct {
	Index   int // in Snapshot.Backends
	Name    string
	Scheme  string // http or https
	Host    string // host or host:port, as in the Host header
	Address string // server.address
	Port    int    // server.port
	TLS     ir.ClientTLS
	HTTP2   string
	// Endpoints are where to connect to in place of Host, one like the other; nil = Host. A backend that is never asked has none.
	Endpoints []string
	System    string // gen_ai.provider.name
	provider  *provider.Provider
	base      string // path of the configured URL; "" = the endpoint's own
	prices    *prices
	signer    *aws.Signer // nil = nothing is signed
	health    *health     // nil = nobody asks
	refusal   *llm.Error  // what its calls end with, before they begin; nil = it can be asked
	conf      ir.Backend
}

// Route is a compiled ir.Route.
type Route struct {
	Name        string
	Path        string // http.route: the path that was matched on
	conf        ir.Route
	match       matcher
	groups      [][]target
	targets     int
	retry       retryRule
	limit       *bucket // nil = no limit
	policies    []policy.Policy
	capture     bool
	streamUsage bool
	cors        *cors // nil = it says nothing of pages of other origins
	plain       bool  // its backends have no API of models, or it has none
	dead        bool  // some of its backends cannot be asked
}

type target struct {
	backend *Backend
	model   string
	weight  int
}

// Compile turns configuration into a Snapshot. Its errors are the configuration's author's to mend; a configuration that
// ir.Load accepted gives none but for keys that cannot be read.
func Compile(g *ir.Gateway, env *Env) (*Snapshot, error) {
	s := &Snapshot{Limits: g.Limits, prices: compilePrices(g.Prices), inbounds: provider.Inbounds()}
	byName := make(map[string]*Backend, len(g.Backends))
	for i := range g.Backends {
		b, err := compileBackend(&g.Backends[i], env)
		if err != nil {
			return nil, fmt.Errorf("backend %q: %w", g.Backends[i].Name, err)
		}
		b.Index = i
		s.Backends, byName[b.Name] = append(s.Backends, b), b
		s.Blocking = s.Blocking || b.signer != nil
	}
	list := make([]*Route, len(g.Routes))
	for i := range g.Routes {
		r, err := compileRoute(&g.Routes[i], byName, g.Telemetry.Capture == "messages")
		if err != nil {
			return nil, fmt.Errorf("route %q: %w", g.Routes[i].Name, err)
		}
		for _, p := range r.policies {
			s.Blocking = s.Blocking || p.Blocking()
		}
		list[i] = r
	}
	s.routes, s.ports = newRoutes(list, g.Listeners), portsOf(g.Listeners)
	return s, nil
}

// Usable reports whether calls can be sent to b. Of one that is not, Host may be empty.
func (b *Backend) Usable() bool { return b.refusal == nil }

// portsOf are the ports of listeners, by name and by address, 0 where the system chooses.
func portsOf(listeners []ir.Listener) map[string]int {
	out := map[string]int{}
	for i := range listeners {
		_, port := splitHostPort(listeners[i].Address)
		out[listeners[i].Name], out[listeners[i].Address] = port, port
	}
	return out
}

func compileBackend(c *ir.Backend, env *Env) (*Backend, error) {
	p, ok := provider.Lookup(c.Provider)
	if !ok {
		return nil, fmt.Errorf("unknown provider %q", c.Provider)
	}
	if c.Broken != "" {
		return &Backend{Name: c.Name, System: cmp.Or(c.As, p.System), provider: p, conf: *c, refusal: llm.Errorf(http.StatusInternalServerError, c.Broken,
			"the backend %s cannot be used: %s", c.Name, c.Broken)}, nil
	}
	u, err := provider.Address(c, env.DemoURL)
	if err != nil {
		return nil, err
	}
	b := &Backend{Name: c.Name, Scheme: u.Scheme, Host: u.Host, Address: u.Hostname(), TLS: c.TLS, HTTP2: c.HTTP2,
		Endpoints: c.Endpoints, System: cmp.Or(c.As, p.System), provider: p, prices: compilePrices(c.Prices), base: strings.TrimSuffix(u.EscapedPath(), "/"), conf: *c}
	b.health = newHealth(c.Outlier)
	b.signer = signerFor(c, p, u.Hostname())
	if c.Endpoints != nil && len(c.Endpoints) == 0 {
		b.refusal = llm.Errorf(http.StatusServiceUnavailable, noEndpoints, "the backend %s has no endpoint that is ready", c.Name)
	}
	if b.Port, err = strconv.Atoi(u.Port()); err != nil {
		b.Port = map[string]int{"http": 80, "https": 443}[u.Scheme]
	}
	return b, nil
}

func compileRoute(c *ir.Route, backends map[string]*Backend, capture bool) (*Route, error) {
	m, path, err := compileMatch(&c.Match)
	if err != nil {
		return nil, err
	}
	r := &Route{Name: c.Name, Path: path, conf: *c, match: m, retry: compileRetry(&c.Retry), streamUsage: c.StreamUsage, capture: capture}
	r.limit = newBucket(&c.RateLimit)
	if r.cors, err = compileCORS(c.CORS); err != nil {
		return nil, err
	}
	r.match.shared = r.cors != nil
	if c.Capture.Set {
		r.capture = c.Capture.V == "messages"
	}
	r.plain = r.answers()
	for _, g := range c.Groups {
		var group []target
		for _, t := range g {
			b, ok := backends[t.Backend]
			if !ok {
				return nil, fmt.Errorf("unknown backend %q", t.Backend)
			}
			if t.Weight > 0 {
				r.plain, r.dead = b.provider.Plain, r.dead || b.refusal != nil
				group = append(group, target{backend: b, model: t.Model, weight: t.Weight})
			}
		}
		if len(group) > 0 {
			r.groups, r.targets = append(r.groups, group), r.targets+len(group)
		}
	}
	if r.targets == 0 && !r.answers() {
		return nil, fmt.Errorf("no target has a weight")
	}
	for i := range c.Policies {
		p, err := compilePolicy(&c.Policies[i])
		if err != nil {
			return nil, fmt.Errorf("policy %d: %w", i+1, err)
		}
		r.policies = append(r.policies, p)
	}
	return r, nil
}

func compilePolicy(c *ir.Policy) (policy.Policy, error) {
	switch {
	case c.Guard != nil && c.Guard.Regex != nil:
		return policy.NewRegexGuard(*c.Guard)
	case c.Guard != nil && c.Guard.Webhook != nil:
		client, err := callout.New(&c.Guard.Webhook.TLS)
		if err != nil {
			return nil, fmt.Errorf("guard %s: %w", c.Guard.Name, err)
		}
		return policy.NewWebhookGuard(*c.Guard, client)
	case c.Guard != nil && c.Guard.Moderation != nil:
		client, err := callout.New(&c.Guard.Moderation.TLS)
		if err != nil {
			return nil, fmt.Errorf("guard %s: %w", c.Guard.Name, err)
		}
		return policy.NewModerationGuard(*c.Guard, client)
	case c.Enrich != nil:
		return policy.NewEnrich(c.Enrich)
	case c.Defaults != nil:
		return policy.NewDefaults(c.Defaults)
	default:
		return nil, fmt.Errorf("names no step")
	}
}

// endpoint picks the wire format in which b is spoken to about c: the client's own where the provider takes it, else the one that
// it is translated to.
func (b *Backend) endpoint(c *Call, model string) (e *provider.Endpoint, native bool) {
	return b.provider.Choose(provider.Query{Dialect: c.inbound.Dialect(), API: c.api, Path: c.llm.Head.Path, Model: model, Want: llm.Dialect(b.conf.Dialect)})
}

// speaks reports whether b's provider understands clients of dialect d that call path.
func (b *Backend) speaks(d llm.Dialect, path string) bool {
	return b.provider.Speaks(d, llm.Dialect(b.conf.Dialect), path)
}

// place is b's configuration as locating needs it.
func (b *Backend) place(e *provider.Endpoint) provider.Config {
	c := provider.Config{Base: e.Base, Deployment: b.conf.Deployment, APIVersion: b.conf.APIVersion, Project: b.conf.Project, Location: b.conf.Location,
		Region: b.conf.Region}
	if b.base != "" {
		c.Base, c.Explicit = b.base, true
	}
	return c
}

// model is what b is asked for when the client named name: the target's model, else the backend's, else its alias, else name.
func (t *target) modelFor(name string) string {
	if t.model != "" {
		return t.model
	}
	if t.backend.conf.Model != "" {
		return t.backend.conf.Model
	}
	if m, ok := t.backend.conf.Models[name]; ok {
		return m
	}
	return name
}

// modelOf is modelFor for r. Azure's Responses take the deployment for the model, for their path names none (Azure OpenAI REST
// reference, Responses).
func (t *target) modelOf(r *llm.Request) string {
	m := t.modelFor(r.Model)
	if d := t.backend.conf.Deployment; d != "" && r.API == llm.OpenAIResponses && m == r.Model {
		return d
	}
	return m
}

// headTimeout is how long one attempt may take to its response head.
func (r *Route) headTimeout() time.Duration {
	d := r.conf.Timeout.FirstByte
	if p := r.conf.Retry.PerTry; p > 0 && (d == 0 || p < d) {
		d = p
	}
	return d
}
