package translate

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/ir"
)

// listenerPolicy is an HTTPListenerPolicy or a ListenerPolicy.
type listenerPolicy struct {
	policy
	settings *v1alpha1.HTTPSettings // nil = none
	at       string                 // their field
}

// listenerField is a top-level field of HTTPSettings.
type listenerField struct {
	name string
	set  func(*v1alpha1.HTTPSettings) bool
	use  func(*listenerPolicy, *envoyMaker)
}

// envoyMaker makes the part of a Gateway's configuration that listener policies say.
type envoyMaker struct {
	t       *translator
	gateway types.NamespacedName
	service string // service.name unless a policy says it
	out     *ir.Envoy
}

// listenerFields are those that become Envoy's configuration.
var listenerFields = []listenerField{
	{"tracing", func(s *v1alpha1.HTTPSettings) bool { return s.Tracing != nil }, (*listenerPolicy).tracing},
	{"accessLog", func(s *v1alpha1.HTTPSettings) bool { return s.AccessLog != nil }, (*listenerPolicy).accessLogs},
	{"upgradeConfig", func(s *v1alpha1.HTTPSettings) bool { return s.UpgradeConfig != nil },
		func(p *listenerPolicy, m *envoyMaker) { m.out.HTTP.Upgrades = p.upgrades() }},
	{"useRemoteAddress", func(s *v1alpha1.HTTPSettings) bool { return s.UseRemoteAddress != nil },
		func(p *listenerPolicy, m *envoyMaker) {
			m.out.HTTP.UseRemoteAddress = ir.Opt[bool]{V: *p.settings.UseRemoteAddress, Set: true}
		}},
	{"xffNumTrustedHops", func(s *v1alpha1.HTTPSettings) bool { return s.XffNumTrustedHops != nil },
		func(p *listenerPolicy, m *envoyMaker) {
			m.out.HTTP.XFFTrustedHops = uint32(*p.settings.XffNumTrustedHops) // the schema bounds it
		}},
	{"serverHeaderTransformation", func(s *v1alpha1.HTTPSettings) bool { return s.ServerHeaderTransformation != nil },
		func(p *listenerPolicy, m *envoyMaker) {
			m.out.HTTP.ServerHeader = string(*p.settings.ServerHeaderTransformation)
		}},
	{"streamIdleTimeout", func(s *v1alpha1.HTTPSettings) bool { return s.StreamIdleTimeout != nil },
		func(p *listenerPolicy, m *envoyMaker) {
			m.out.HTTP.StreamIdleTimeout, _ = p.duration(p.at+".streamIdleTimeout", p.settings.StreamIdleTimeout)
		}},
	{"idleTimeout", func(s *v1alpha1.HTTPSettings) bool { return s.IdleTimeout != nil },
		func(p *listenerPolicy, m *envoyMaker) {
			m.out.HTTP.IdleTimeout, _ = p.duration(p.at+".idleTimeout", p.settings.IdleTimeout)
		}},
	{"healthCheck", func(s *v1alpha1.HTTPSettings) bool { return s.HealthCheck != nil },
		func(p *listenerPolicy, m *envoyMaker) { m.out.HTTP.HealthPath = p.settings.HealthCheck.Path }},
	{"preserveHttp1HeaderCase", func(s *v1alpha1.HTTPSettings) bool { return s.PreserveHTTP1HeaderCase != nil },
		func(p *listenerPolicy, m *envoyMaker) {
			m.out.HTTP.PreserveHeaderCase = *p.settings.PreserveHTTP1HeaderCase
		}},
	{"acceptHttp10", func(s *v1alpha1.HTTPSettings) bool { return s.AcceptHTTP10 != nil },
		func(p *listenerPolicy, m *envoyMaker) {
			m.out.HTTP.AcceptHTTP10 = ir.Opt[bool]{V: *p.settings.AcceptHTTP10, Set: true}
		}},
	{"defaultHostForHttp10", func(s *v1alpha1.HTTPSettings) bool { return s.DefaultHostForHTTP10 != nil },
		func(p *listenerPolicy, m *envoyMaker) { m.out.HTTP.DefaultHost = *p.settings.DefaultHostForHTTP10 }},
	{"maxRequestHeadersKb", func(s *v1alpha1.HTTPSettings) bool { return s.MaxRequestHeadersKb != nil }, func(*listenerPolicy, *envoyMaker) {}},
	{"earlyRequestHeaderModifier", func(s *v1alpha1.HTTPSettings) bool { return s.EarlyRequestHeaderModifier != nil },
		func(p *listenerPolicy, _ *envoyMaker) {
			p.ignore(p.at+".earlyRequestHeaderModifier", "is not supported; a TrafficPolicy's headerModifiers is")
		}},
}

// startListenerPolicies reads the policies, the oldest first, whatever their kind.
func (t *translator) startListenerPolicies() {
	k := &t.kgateway
	for _, o := range t.in.HTTPListeners {
		p := &listenerPolicy{policy: t.newPolicy(kindHTTPListener, o, sectioned(o.Spec.TargetRefs), sectionless(o.Spec.TargetSelectors))}
		p.settings, p.at = &o.Spec.HTTPSettings, "spec"
		k.listenerPolicies = append(k.listenerPolicies, p)
	}
	for _, o := range t.in.ListenerPolicies {
		p := &listenerPolicy{policy: t.newPolicy(kindListenerPolicy, o, sectioned(o.Spec.TargetRefs), sectionless(o.Spec.TargetSelectors))}
		p.choose(&o.Spec)
		k.listenerPolicies = append(k.listenerPolicies, p)
	}
	slices.SortStableFunc(k.listenerPolicies, func(a, b *listenerPolicy) int {
		return cmp.Or(a.created.Compare(b.created), compareNames(a.name, b.name))
	})
	for _, p := range k.listenerPolicies {
		p.weigh()
	}
}

// choose takes the settings that hold for all of a Gateway's listeners: those of the default, or of its only port.
func (p *listenerPolicy) choose(spec *v1alpha1.ListenerPolicySpec) {
	config, at := spec.Default, "spec.default"
	for i := range spec.PerPort {
		field := "spec.perPort[" + strconv.Itoa(i) + "]"
		if !p.only(spec.PerPort[i].Port) {
			p.ignore(field, "a policy for one of several ports is not supported")
			continue
		}
		config, at = &spec.PerPort[i].Listener, field+".listener"
	}
	if config == nil {
		return
	}
	if config.ProxyProtocol != nil {
		p.ignore(at+".proxyProtocol", "is not supported: connections that begin with it are refused")
	}
	if config.PerConnectionBufferLimitBytes != nil {
		p.ignore(at+".perConnectionBufferLimitBytes", "is not supported")
	}
	p.settings, p.at = config.HTTPSettings, at+".httpSettings"
}

// only reports whether all Gateways of the policy listen on port alone.
func (p *listenerPolicy) only(port int32) bool {
	for _, to := range p.targets {
		g := p.t.kgateway.gateways[to.Name]
		for i := range g.Spec.Listeners {
			if g.Spec.Listeners[i].Port != port {
				return false
			}
		}
	}
	return true
}

// weigh notes which policy decides each field at each Gateway.
func (p *listenerPolicy) weigh() {
	for _, to := range p.targets {
		at, contributors := p.policy.at(to.Name), map[*listenerPolicy]bool{}
		for i := range listenerFields {
			f := &listenerFields[i]
			decides := p.t.decides(to.Name, f)
			if decides != nil {
				contributors[decides] = true
			}
			if p.settings != nil && f.set(p.settings) {
				at.won, at.lost = at.won || decides == p, at.lost || decides != p
			}
		}
		at.shared = len(contributors) > 1
	}
}

func (p *listenerPolicy) has(gateway types.NamespacedName) bool {
	for _, to := range p.targets {
		if to.Name == gateway {
			return true
		}
	}
	return false
}

// decides is the policy whose field counts at a Gateway: the oldest that sets it; nil = none does.
func (t *translator) decides(gateway types.NamespacedName, f *listenerField) *listenerPolicy {
	for _, p := range t.kgateway.listenerPolicies {
		if p.settings != nil && f.set(p.settings) && p.has(gateway) {
			return p
		}
	}
	return nil
}

// upgrades are the protocols that connections may change to, each once whatever its case.
func (p *listenerPolicy) upgrades() []string {
	var out []string
	for i, name := range p.settings.UpgradeConfig.EnabledUpgrades {
		if !ir.UpgradeName.MatchString(name) {
			p.fault(p.at+".upgradeConfig.enabledUpgrades["+strconv.Itoa(i)+"]", "%q is not the name of a protocol, such as websocket", name)
		} else if !slices.ContainsFunc(out, func(o string) bool { return strings.EqualFold(o, name) }) {
			out = append(out, name)
		}
	}
	return out
}

// envoy is what Envoy does for itself at gw.
func (t *translator) envoy(gw *gwv1.Gateway) ir.Envoy {
	out := ir.Envoy{MessageTimeout: defaults().Envoy.MessageTimeout, HTTP: defaults().Envoy.HTTP}
	out.HTTP.UseRemoteAddress = ir.Opt[bool]{V: true, Set: true} // kgateway's default; backends are told of the client by it
	name := nameOf(gw)
	m := &envoyMaker{t: t, gateway: name, service: name.Name + "." + name.Namespace, out: &out}
	for i := range listenerFields {
		if p := t.decides(name, &listenerFields[i]); p != nil {
			listenerFields[i].use(p, m)
		}
	}
	return out
}

// maxLimit is the largest body that a Gateway may be told to take, as in the native file.
const maxLimit = 1 << 30

// limits are the bounds of gw: the defaults, but for what policies of the whole Gateway say.
func (t *translator) limits(gw *gwv1.Gateway) ir.Limits {
	out := defaults().Limits
	name := nameOf(gw)
	for _, p := range t.kgateway.attachments[target{kindGateway, name, ""}] {
		if p.sets("buffer") {
			if p.maxBody > maxLimit {
				p.warn("spec.buffer.maxRequestSize", "1Gi is the most")
			}
			if p.maxBody > 0 {
				out.Body = min(p.maxBody, maxLimit)
			}
			break
		}
	}
	headers := listenerField{set: func(s *v1alpha1.HTTPSettings) bool { return s.MaxRequestHeadersKb != nil }}
	if p := t.decides(name, &headers); p != nil {
		out.Headers = int64(*p.settings.MaxRequestHeadersKb) << 10
	}
	return out
}

// sets reports whether the policy has the top-level field.
func (p *trafficPolicy) sets(field string) bool {
	for _, e := range p.effects {
		if e.field == field {
			return true
		}
	}
	return false
}

// finishListenerPolicies judges the policies of Gateways that are not there, too, and writes all statuses.
func (t *translator) finishListenerPolicies() {
	for _, p := range t.kgateway.listenerPolicies {
		if p.settings != nil && len(p.targets) == 0 {
			m := &envoyMaker{t: t, out: &ir.Envoy{}}
			for i := range listenerFields {
				if f := &listenerFields[i]; f.set(p.settings) {
					f.use(p, m)
				}
			}
		}
		t.out.Statuses.Policies[p.object] = p.status()
	}
}

func sectioned(refs []gwv1.LocalPolicyTargetReference) []gwv1.LocalPolicyTargetReferenceWithSectionName {
	var out []gwv1.LocalPolicyTargetReferenceWithSectionName
	for _, r := range refs {
		out = append(out, gwv1.LocalPolicyTargetReferenceWithSectionName{LocalPolicyTargetReference: r})
	}
	return out
}

func sectionless(selectors []v1alpha1.TargetSelector) []v1alpha1.TargetSectionSelector {
	var out []v1alpha1.TargetSectionSelector
	for _, s := range selectors {
		out = append(out, v1alpha1.TargetSectionSelector{TargetSelector: s})
	}
	return out
}
