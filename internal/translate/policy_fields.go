package translate

import (
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/ir"
)

// readPolicy reads a TrafficPolicy: each top-level field that is set becomes an effect.
func (t *translator) readPolicy(o *v1alpha1.TrafficPolicy) *trafficPolicy {
	spec := &o.Spec
	p := &trafficPolicy{policy: t.newPolicy(kindTrafficPolicy, o, spec.TargetRefs, spec.TargetSelectors)}
	if w := o.Annotations[weightAnnotation]; w != "" {
		n, err := strconv.ParseInt(w, 10, 32)
		if err != nil {
			p.warn("metadata.annotations["+weightAnnotation+"]", "%q is no number; 0 is taken", w)
		}
		p.weight = int(n)
	}
	if spec.AI != nil {
		p.ai = p.readAI(spec.AI)
		p.effect("ai", p.ai.apply)
	}
	if spec.Timeouts != nil {
		p.timeouts(spec.Timeouts)
	}
	if spec.Retry != nil {
		p.retry(spec.Retry)
	}
	if spec.RateLimit != nil {
		p.rateLimit(spec.RateLimit)
	}
	if spec.HeaderModifiers != nil {
		p.headerModifiers(spec.HeaderModifiers)
	}
	if rewrite := spec.AutoHostRewrite; rewrite != nil {
		p.effect("autoHostRewrite", func(_ *site, r *ir.Route) { r.Rewrite.KeepHost = r.Rewrite.KeepHost && !*rewrite })
	}
	p.buffer(o)
	p.protective(spec)
	if spec.CORS != nil {
		p.cors(spec.CORS)
	}
	if spec.Transformation != nil {
		p.effect("transformation", nil)
		p.ignore("spec.transformation", "is not supported: messages are not changed")
	}
	return p
}

func (p *trafficPolicy) effect(field string, apply func(*site, *ir.Route)) {
	p.effects = append(p.effects, effect{field, apply})
}

// protective are fields by which somebody may protect something. They are not supported, and what they should protect is not
// served without them.
func (p *trafficPolicy) protective(spec *v1alpha1.TrafficPolicySpec) {
	const refused = "is not supported; what it is to protect is answered with status 500"
	if e := spec.ExtAuth; e != nil {
		p.effect("extAuth", nil)
		if e.ExtensionRef != nil {
			p.unserved("spec.extAuth", refused)
		}
	}
	if e := spec.ExtProc; e != nil {
		p.effect("extProc", nil)
		if e.ExtensionRef != nil {
			p.unserved("spec.extProc", refused)
		}
	}
	if spec.RBAC != nil {
		p.effect("rbac", nil)
		p.unserved("spec.rbac", refused)
	}
	if c := spec.CSRF; c != nil {
		p.effect("csrf", nil)
		if c.PercentageShadowed != nil || deref(c.PercentageEnabled, 100) == 0 {
			p.ignore("spec.csrf", "is not supported: nothing is counted")
		} else {
			p.unserved("spec.csrf", refused)
		}
	}
}

func (p *trafficPolicy) timeouts(c *v1alpha1.Timeouts) {
	request, hasRequest := p.duration("spec.timeouts.request", c.Request)
	idle, hasIdle := p.duration("spec.timeouts.streamIdle", c.StreamIdle)
	p.effect("timeouts", func(s *site, r *ir.Route) {
		own := s.Route.Spec.Rules[s.Rule].Timeouts
		if hasRequest && (own == nil || own.Request == nil) {
			r.Timeout.Request = request
		}
		if hasIdle {
			r.Timeout.Idle = idle
		}
	})
}

// duration is a length of time; false, if there is none.
func (j *judge) duration(field string, d *v1alpha1.Duration) (time.Duration, bool) {
	if d == nil {
		return 0, false
	}
	out, err := time.ParseDuration(string(*d))
	if err != nil || out < 0 {
		j.fault(field, "%q is no length of time, such as 1m30s", *d)
		return 0, false
	}
	return out, true
}

// reset is what Envoy's conditions cover that take any upstream that does not answer for a failure.
var noAnswer = []string{"connect", "reset", "timeout"}

// conditions are Envoy's conditions for another attempt, in ours (Envoy's documentation, x-envoy-retry-on). Those that are missing
// cannot occur here.
var conditions = map[v1alpha1.RetryCondition][]string{
	"5xx":                    append([]string{"5xx"}, noAnswer...),
	"gateway-error":          append([]string{"502", "503", "504"}, noAnswer...),
	"reset":                  noAnswer,
	"reset-before-request":   {"connect"},
	"connect-failure":        {"connect"},
	"refused-stream":         {"connect"},
	"retriable-4xx":          {"409"},
	"retriable-status-codes": {}, // statusCodes has them
}

func (p *trafficPolicy) retry(c *v1alpha1.Retry) {
	rule := defaults().Routes[0].Retry
	rule.On = nil
	add := func(on ...string) {
		for _, o := range on {
			if !slices.Contains(rule.On, o) {
				rule.On = append(rule.On, o)
			}
		}
	}
	for i, c := range c.RetryOn {
		on, ok := conditions[c]
		if !ok {
			p.ignore("spec.retry.retryOn["+strconv.Itoa(i)+"]", "%s is not supported", c)
		}
		add(on...)
	}
	for _, code := range c.StatusCodes {
		add(strconv.Itoa(int(code)))
	}
	rule.Attempts = 1 + int(deref(c.Attempts, 1))
	if len(rule.On) == 0 {
		rule.Attempts = 1
	}
	if rule.Attempts > maxAttempts {
		p.warn("spec.retry.attempts", "%d attempts in all are the most", maxAttempts)
		rule.Attempts = maxAttempts
	}
	if d, ok := p.duration("spec.retry.perTryTimeout", c.PerTryTimeout); ok {
		rule.PerTry = d
	}
	rule.BackoffBase = 25 * time.Millisecond
	if d, ok := p.duration("spec.retry.backoffBaseInterval", c.BackoffBaseInterval); ok {
		rule.BackoffBase = d
	}
	rule.BackoffMax = 10 * rule.BackoffBase
	p.effect("retry", func(s *site, r *ir.Route) {
		if !s.retries() {
			r.Retry = rule
		}
	})
}

func (p *trafficPolicy) rateLimit(c *v1alpha1.RateLimit) {
	var limit ir.RateLimit
	if c.Local != nil && c.Local.TokenBucket != nil {
		b := c.Local.TokenBucket
		limit = ir.RateLimit{Burst: int(b.MaxTokens), Fill: int(deref(b.TokensPerFill, 1))}
		limit.Every, _ = p.duration("spec.rateLimit.local.tokenBucket.fillInterval", &b.FillInterval)
	}
	if c.Global != nil {
		p.unserved("spec.rateLimit.global", "is not supported; what it is to protect is answered with status 500. rateLimit.local is supported")
	}
	p.effect("rateLimit", func(_ *site, r *ir.Route) { r.RateLimit = limit })
}

func (p *trafficPolicy) headerModifiers(c *v1alpha1.HeaderModifiers) {
	request := p.headerEdits("spec.headerModifiers.request", c.Request)
	response := p.headerEdits("spec.headerModifiers.response", c.Response)
	p.effect("headerModifiers", func(_ *site, r *ir.Route) {
		r.RequestHeaders, r.ResponseHeaders = edited(r.RequestHeaders, request), edited(r.ResponseHeaders, response)
	})
}

// headerEdits is f with canonical names, in their order. Headers that the gateway sets itself are left out.
func (j *judge) headerEdits(field string, f *gwv1.HTTPHeaderFilter) ir.HeaderEdits {
	var out ir.HeaderEdits
	if f == nil {
		return out
	}
	name := func(field, name string) (string, bool) {
		if !isToken(name) || isHop(name) {
			j.ignore(field, "%q is a header that the gateway sets itself", name)
			return "", false
		}
		return textproto.CanonicalMIMEHeaderKey(name), true
	}
	fields := func(field string, list []gwv1.HTTPHeader) []ir.Header {
		var out []ir.Header
		for i, h := range list {
			if !isHeaderValue(h.Value) {
				j.fault(field+"["+strconv.Itoa(i)+"].value", "has a control character")
				continue
			}
			if n, ok := name(field+"["+strconv.Itoa(i)+"]", string(h.Name)); ok {
				out = append(out, ir.Header{Name: n, Value: h.Value})
			}
		}
		slices.SortStableFunc(out, byHeader)
		return out
	}
	out.Set, out.Add = fields(field+".set", f.Set), fields(field+".add", f.Add)
	for i, h := range f.Remove {
		if n, ok := name(field+".remove["+strconv.Itoa(i)+"]", h); ok {
			out.Remove = append(out.Remove, n)
		}
	}
	slices.Sort(out.Remove)
	return out
}

func byHeader(a, b ir.Header) int { return strings.Compare(a.Name, b.Name) }

// edited is own, the rule's edits, with those of a policy beside them. Where both set a field, the rule's value stays.
func edited(own, policy ir.HeaderEdits) ir.HeaderEdits {
	out := ir.HeaderEdits{Set: slices.Clone(own.Set), Add: slices.Concat(own.Add, policy.Add), Remove: slices.Concat(own.Remove, policy.Remove)}
	for _, h := range policy.Set {
		if !slices.ContainsFunc(own.Set, func(o ir.Header) bool { return o.Name == h.Name }) {
			out.Set = append(out.Set, h)
		}
	}
	slices.SortStableFunc(out.Set, byHeader)
	slices.SortStableFunc(out.Add, byHeader)
	slices.Sort(out.Remove)
	out.Remove = slices.Compact(out.Remove)
	return out
}

// buffer bounds bodies. One bound holds for all of a data plane, so it is that of a policy of the whole Gateway.
func (p *trafficPolicy) buffer(o *v1alpha1.TrafficPolicy) {
	b := o.Spec.Buffer
	if b == nil {
		return
	}
	whole := func(to target) bool { return to.Kind == kindGateway && to.Section == "" }
	if !slices.ContainsFunc(p.targets, whole) {
		p.ignore("spec.buffer", "is supported on whole Gateways only, whose bound holds")
		return
	}
	p.effect("buffer", nil)
	if b.MaxRequestSize != nil {
		p.maxBody = b.MaxRequestSize.Value()
	}
}
