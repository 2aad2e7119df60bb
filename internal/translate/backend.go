package translate

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/ir"
)

// Rows of the provider table that Backends lead to.
const (
	providerHTTP      = "http"
	providerOpenAI    = "openai"
	providerAzure     = "azure"
	providerAnthropic = "anthropic"
	providerGemini    = "gemini"
	providerVertexAI  = "vertexai"
	providerBedrock   = "bedrock"
)

// nowhere stands for the URL of a backend that nobody can be asked for.
const nowhere = "http://backend.invalid"

// aiBackend is what a Backend object means to routes.
type aiBackend struct {
	Backends []ir.Backend
	Groups   [][]ir.Target // weights count within one group
	AI       bool
	Fault    string // "" = all of it works
}

// add puts b into the last group.
func (a *aiBackend) add(b ir.Backend) {
	if len(a.Groups) == 0 {
		a.Groups = [][]ir.Target{nil}
	}
	last := len(a.Groups) - 1
	a.Backends = append(a.Backends, b)
	a.Groups[last] = append(a.Groups[last], ir.Target{Backend: b.Name, Weight: 1})
}

// backend is the Backend object of that name; nil = there is none.
func (t *translator) backend(namespace, name string) *aiBackend {
	n := types.NamespacedName{Namespace: namespace, Name: name}
	if b, ok := t.kgateway.backends[n]; ok {
		return b
	}
	o := t.backends[n]
	if o == nil {
		return nil
	}
	j := &judge{t: t, object: Object{Kind: kindBackend, Namespace: namespace, Name: name}}
	b := makeBackend(j, o)
	b.Fault = strings.Join(j.faults, "; ")
	t.kgateway.backends[n] = b
	t.out.Statuses.Backends[n] = &v1alpha1.BackendStatus{Conditions: []metav1.Condition{j.accepted(reasonAccepted, "Backend accepted", o.Generation)}}
	return b
}

// makeBackend never returns a backend without targets: what is at fault is a broken one.
func makeBackend(j *judge, o *v1alpha1.Backend) *aiBackend {
	out := &aiBackend{}
	name := o.Namespace + "/" + o.Name
	switch spec := &o.Spec; {
	case spec.Type == v1alpha1.BackendAI && spec.AI != nil:
		out.AI = true
		makeAI(j, out, o)
	case spec.Type == v1alpha1.BackendStatic && spec.Static != nil:
		makeStatic(j, out, name, spec.Static)
	case spec.Type == v1alpha1.BackendAWS:
		j.unserved("spec.aws", "AWS Lambda is not supported; calls are answered with status 500")
	case spec.Type == v1alpha1.BackendDynamicForwardProxy:
		j.unserved("spec.dynamicForwardProxy", "a dynamic forward proxy is not supported; calls are answered with status 500. A Backend of type Static names its hosts")
	case spec.Type == v1alpha1.BackendMCP:
		j.unserved("spec.mcp", "MCP servers are not supported: another data plane serves them; calls are answered with status 500")
	default:
		j.fault("spec.type", "the field of type %q is missing", spec.Type)
	}
	if len(out.Backends) == 0 {
		b := newBackend(name)
		b.Broken = invalidBackend
		out.add(b)
	}
	return out
}

// newBackend is a backend with all defaults that leads nowhere yet.
func newBackend(name string) ir.Backend {
	b := defaults().Backends[0]
	b.Name, b.Provider, b.URL = name, providerHTTP, nowhere
	return b
}

// makeStatic is a backend per host, or one for all of them where they are addresses.
func makeStatic(j *judge, out *aiBackend, name string, s *v1alpha1.StaticBackend) {
	protocol := deref(s.AppProtocol, "")
	var endpoints []string
	for i := range s.Hosts {
		h := &s.Hosts[i]
		if !checkHost(j, fmt.Sprintf("spec.static.hosts[%d].host", i), h.Host) {
			return
		}
		if _, err := netip.ParseAddr(h.Host); err == nil {
			endpoints = append(endpoints, net.JoinHostPort(h.Host, strconv.Itoa(int(h.Port))))
		}
	}
	together := len(endpoints) == len(s.Hosts) && len(endpoints) > 1
	for i := range s.Hosts {
		b := newBackend(name)
		b.URL = urlOf(s.Hosts[i].Host, s.Hosts[i].Port, false)
		switch protocol {
		case v1alpha1.AppProtocolHTTP2, v1alpha1.AppProtocolGRPC, v1alpha1.AppProtocolH2C:
			b.HTTP2 = "h2c"
		case v1alpha1.AppProtocolGRPCWeb, v1alpha1.AppProtocolWS:
		}
		if together {
			b.Endpoints = endpoints
			out.add(b)
			return
		}
		if len(s.Hosts) > 1 {
			b.Name = name + "/" + strconv.Itoa(i)
		}
		out.add(b)
	}
}

// checkHost reports whether host is a DNS name or an IP address.
func checkHost(j *judge, field, host string) bool {
	if _, err := netip.ParseAddr(host); err == nil || len(validation.IsDNS1123Subdomain(strings.ToLower(strings.TrimSuffix(host, ".")))) == 0 {
		return true
	}
	j.fault(field, "%q is no host: want a DNS name or an IP address, without scheme, port and path", host)
	return false
}

// urlOf is the URL of a host, without the port where it is the scheme's own.
func urlOf(host string, port int32, tls bool) string {
	scheme, own := "http", int32(80)
	if tls {
		scheme, own = "https", 443
	}
	switch {
	case port != own:
		host = net.JoinHostPort(host, strconv.Itoa(int(port)))
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	return scheme + "://" + host
}
