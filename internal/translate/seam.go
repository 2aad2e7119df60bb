package translate

import (
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/ir"
)

// kgateway is what the kinds of api/v1alpha1 need while an Output is made.
type kgateway struct{}

// site is where calls are when policies are looked for.
type site struct {
	Plane    *plane
	Gateway  *gwv1.Gateway
	Listener *gwv1.Listener
	Route    *gwv1.HTTPRoute
	Rule     int
	AI       bool // the rule leads to providers
}

// aiBackend is what a Backend object means to routes.
type aiBackend struct {
	Backends []ir.Backend
	Groups   [][]ir.Target // weights count within one group
	AI       bool
	Fault    string
}

func (t *translator) startKgateway() {}

// backend is the Backend object of that name; nil = there is none.
func (t *translator) backend(namespace, name string) *aiBackend { return nil }

// apply lets policies change r, which has all that the HTTPRoute says. A fault is why r was replaced by an error.
func (t *translator) apply(s site, r *ir.Route) (fault string) { return "" }

// directResponse is the DirectResponse of that name; nil = there is none.
func (t *translator) directResponse(namespace, name string) *ir.Direct { return nil }

// parameters are the merged ones of gw (of the class alone: nil). A fault is a reference that leads nowhere.
func (t *translator) parameters(gw *gwv1.Gateway, class *gwv1.GatewayClass) (p *v1alpha1.KubeParameters, fault string) {
	return nil, ""
}

func (t *translator) telemetry(p *v1alpha1.KubeParameters) ir.Telemetry { return ir.Telemetry{} }

func (t *translator) envoy(gw *gwv1.Gateway) ir.Envoy { return ir.Envoy{} }

func (t *translator) withSidecar(p *v1alpha1.KubeParameters) *v1alpha1.KubeParameters { return p }

func (t *translator) finishKgateway() {}

// weighted are groups of targets with a share of the calls.
type weighted struct {
	Weight int
	Groups [][]ir.Target
}

// combine merges groups of the same rank, each with its share.
func combine(parts []weighted) (out [][]ir.Target) {
	for _, p := range parts {
		for i, g := range p.Groups {
			if len(out) <= i {
				out = append(out, nil)
			}
			for _, t := range g {
				t.Weight *= p.Weight
				out[i] = append(out[i], t)
			}
		}
	}
	return out
}
