package translate_test

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/translate"
)

// printIR is what of the configurations is not as everywhere.
func printIR(t *testing.T, out *translate.Output) string {
	t.Helper()
	all := map[string]any{}
	for _, g := range out.Gateways {
		name := g.Object.Namespace + "/" + g.Object.Name
		if g.IR == nil {
			all[name] = "none"
			continue
		}
		all[name] = told(reflect.ValueOf(unusual(g.IR)))
	}
	text, err := yaml.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// unusual is g without what is the same everywhere.
func unusual(g *ir.Gateway) ir.Gateway {
	c, usual := *g, usualGateway()
	usual.Envoy.HTTP.UseRemoteAddress = ir.Opt[bool]{V: true, Set: true}
	for _, same := range []struct{ got, want any }{
		{&c.Limits, &usual.Limits}, {&c.Shutdown, &usual.Shutdown}, {&c.Envoy, &usual.Envoy}, {&c.Telemetry, &usual.Telemetry},
	} {
		dropEqual(same.got, same.want)
	}
	c.Routes = slices.Clone(g.Routes)
	for i := range c.Routes {
		r := &c.Routes[i]
		dropEqual(&r.Timeout, &ir.Timeout{FirstByte: time.Minute, Idle: 2 * time.Minute})
		dropEqual(&r.Retry, &ir.Retry{Attempts: 1, BackoffBase: 50 * time.Millisecond, BackoffMax: 2 * time.Second})
		dropEqual(&r.Retry, &usual.Routes[0].Retry)
		dropEqual(&r.Rewrite, &ir.Rewrite{KeepPath: true, KeepHost: true})
		if r.Spans == "full" {
			r.Spans = ""
		}
	}
	c.Backends = slices.Clone(g.Backends)
	for i := range c.Backends {
		if c.Backends[i].HTTP2 == "auto" {
			c.Backends[i].HTTP2 = ""
		}
		c.Backends[i].Propagate = !c.Backends[i].Propagate // said where it is not done
	}
	return c
}

func dropEqual(got, want any) {
	if reflect.DeepEqual(got, want) {
		reflect.ValueOf(got).Elem().SetZero()
	}
}

// usualGateway is what a configuration is made of where it says nothing.
func usualGateway() *ir.Gateway {
	g, err := ir.Load("usual", []byte("backends: {a: {provider: http, url: 'http://a'}}\nroutes: [{match: {path: /}, to: a}]\n"),
		ir.LoadOptions{Getenv: func(string) (string, bool) { return "", false }})
	if err != nil {
		panic(err)
	}
	return g
}

// told is v in words that YAML has; what is zero is left out.
func told(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case time.Duration:
		return x.String()
	case ir.Secret:
		return x.String()
	case ir.Opt[string]:
		return x.V
	case ir.Opt[bool]:
		return x.V
	}
	switch v.Kind() {
	case reflect.String:
		return anonymous(v.String())
	case reflect.Pointer, reflect.Interface:
		return told(v.Elem())
	case reflect.Struct:
		m := map[string]any{}
		for i := range v.NumField() {
			f := v.Field(i)
			if f.IsZero() {
				continue
			}
			name := []rune(v.Type().Field(i).Name)
			for k := 0; k < len(name) && unicode.IsUpper(name[k]) && (k == 0 || k+1 == len(name) || !unicode.IsLower(name[k+1])); k++ {
				name[k] = unicode.ToLower(name[k])
			}
			m[string(name)] = told(f)
		}
		return m
	case reflect.Slice:
		list := []any{}
		for i := range v.Len() {
			list = append(list, told(v.Index(i)))
		}
		return list
	case reflect.Map:
		m := map[string]any{}
		for _, k := range v.MapKeys() {
			m[k.String()] = told(v.MapIndex(k))
		}
		return m
	}
	return v.Interface()
}

// printStatuses is all statuses, a line for each condition.
func printStatuses(out *translate.Output) string {
	var b strings.Builder
	s := &out.Statuses
	for _, name := range slices.Sorted(maps.Keys(s.Classes)) {
		fmt.Fprintf(&b, "GatewayClass %s\n", name)
		conditions(&b, "  ", s.Classes[name].Conditions)
	}
	for _, name := range names(s.Gateways) {
		g := s.Gateways[name]
		fmt.Fprintf(&b, "Gateway %s", name)
		for _, a := range g.Addresses {
			fmt.Fprintf(&b, ", address %s", a.Value)
		}
		unlessFine(&b, "  ", g.Conditions)
		for _, l := range g.Listeners {
			fmt.Fprintf(&b, "  listener %s takes %s, has %d", l.Name, kinds(l.SupportedKinds), l.AttachedRoutes)
			unlessFine(&b, "    ", l.Conditions)
		}
	}
	for _, name := range names(s.HTTPRoutes) {
		fmt.Fprintf(&b, "HTTPRoute %s\n", name)
		for _, p := range s.HTTPRoutes[name].Parents {
			fmt.Fprintf(&b, "  at %s\n", parent(&p.ParentRef))
			conditions(&b, "    ", p.Conditions)
		}
	}
	for _, name := range names(s.Backends) {
		fmt.Fprintf(&b, "Backend %s\n", name)
		conditions(&b, "  ", s.Backends[name].Conditions)
	}
	for _, name := range names(s.Extensions) {
		fmt.Fprintf(&b, "GatewayExtension %s\n", name)
		conditions(&b, "  ", s.Extensions[name].Conditions)
	}
	for _, o := range slices.SortedFunc(maps.Keys(s.Policies), byObject) {
		fmt.Fprintf(&b, "%s %s/%s\n", o.Kind, o.Namespace, o.Name)
		for _, a := range s.Policies[o].Ancestors {
			fmt.Fprintf(&b, "  at %s\n", parent(&a.AncestorRef))
			conditions(&b, "    ", a.Conditions)
		}
	}
	return b.String()
}

func names[V any](m map[types.NamespacedName]V) []types.NamespacedName {
	return slices.SortedFunc(maps.Keys(m), func(a, b types.NamespacedName) int { return strings.Compare(a.String(), b.String()) })
}

func byObject(a, b translate.Object) int {
	return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}

func conditions(b *strings.Builder, indent string, list []metav1.Condition) {
	for _, c := range list {
		fmt.Fprintf(b, "%s%s=%s %s: %s\n", indent, c.Type, c.Status, c.Reason, c.Message)
	}
}

// unlessFine is "fine" where all conditions are as authors want them.
func unlessFine(b *strings.Builder, indent string, list []metav1.Condition) {
	fine := !slices.ContainsFunc(list, func(c metav1.Condition) bool {
		good := metav1.ConditionTrue
		if c.Type == string(gwv1.ListenerConditionConflicted) {
			good = metav1.ConditionFalse
		}
		return c.Status != good || c.Reason == string(gwv1.GatewayReasonListenersNotValid) || c.Type == string(gwv1.ListenerConditionOverlappingTLSConfig)
	})
	if fine {
		b.WriteString(": fine\n")
		return
	}
	b.WriteString("\n")
	conditions(b, indent, list)
}

func kinds(list []gwv1.RouteGroupKind) string {
	var out []string
	for _, k := range list {
		out = append(out, string(k.Kind))
	}
	return cmp.Or(strings.Join(out, ", "), "nothing")
}

// parent is the reference's name, with what it says beside.
func parent(r *gwv1.ParentReference) string {
	out := string(r.Name)
	if r.Namespace != nil {
		out = string(*r.Namespace) + "/" + out
	}
	if r.SectionName != nil {
		out += " section " + string(*r.SectionName)
	}
	if r.Port != nil {
		out += fmt.Sprintf(" port %d", *r.Port)
	}
	return out
}

// printProblems is all problems, a line for each.
func printProblems(out *translate.Output) string {
	var b strings.Builder
	for _, p := range out.Problems {
		severity := map[translate.Severity]string{translate.Warning: "warning", translate.Unsupported: "unsupported", translate.Error: "error"}[p.Severity]
		place := strings.TrimPrefix(p.Object.Namespace+"/"+p.Object.Name, "/")
		fmt.Fprintf(&b, "%s: %s %s: %s\n", severity, p.Object.Kind, place, strings.TrimPrefix(p.Field+": "+p.Message, ": "))
	}
	return b.String()
}
