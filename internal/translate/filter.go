package translate

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/internal/ir"
)

// pathEdit changes a path: the whole, or the prefix that matched.
type pathEdit struct{ full, prefix ir.Opt[string] }

// filters reads the filters of a rule.
func (t *translator) filters(a *attached, r *rule) (faults []fault) {
	r.route.Rewrite = ir.Rewrite{KeepPath: true}
	for i := range r.spec.Filters {
		f, field := &r.spec.Filters[i], fmt.Sprintf("%s.filters[%d]", r.field, i)
		switch f.Type {
		case gwv1.HTTPRouteFilterRequestHeaderModifier:
			edits, wrong := readEdits(field+".requestHeaderModifier", f.RequestHeaderModifier)
			r.route.RequestHeaders, faults = joinEdits(r.route.RequestHeaders, edits), append(faults, wrong...)
		case gwv1.HTTPRouteFilterResponseHeaderModifier:
			edits, wrong := readEdits(field+".responseHeaderModifier", f.ResponseHeaderModifier)
			r.route.ResponseHeaders, faults = joinEdits(r.route.ResponseHeaders, edits), append(faults, wrong...)
		case gwv1.HTTPRouteFilterRequestRedirect:
			faults = append(faults, r.redirect(field, f.RequestRedirect)...)
		case gwv1.HTTPRouteFilterURLRewrite:
			faults = append(faults, r.rewrite(field, f.URLRewrite)...)
		case gwv1.HTTPRouteFilterRequestMirror:
			t.ignore(a, field, "no copy of the calls is sent (RequestMirror)")
		case gwv1.HTTPRouteFilterCORS:
			faults = append(faults, r.cors(field, f.CORS)...)
		case gwv1.HTTPRouteFilterExtensionRef:
			faults = append(faults, t.extension(a, r, field, f.ExtensionRef)...)
		default:
			faults = append(faults, fault{field, fmt.Sprintf("filters of type %s are not supported, and without it calls must not go on", f.Type)})
		}
	}
	if r.route.Redirect != nil && r.route.Direct != nil {
		faults = append(faults, fault{r.field + ".filters", "RequestRedirect and DirectResponse both answer the calls: one of them can"})
	}
	return faults
}

// extension reads a filter that is an object of its own. TrafficPolicies are looked up with all others.
func (t *translator) extension(a *attached, r *rule, field string, e *gwv1.LocalObjectReference) []fault {
	switch {
	case e == nil:
		return []fault{{field + ".extensionRef", "names no object"}}
	case e.Group == kgatewayGroup && e.Kind == kindTrafficPolicy:
		return nil
	case e.Group == kgatewayGroup && e.Kind == kindDirectResponse && r.route.Direct != nil:
		return []fault{{field + ".extensionRef", "another DirectResponse answers the calls: one can"}}
	case e.Group == kgatewayGroup && e.Kind == kindDirectResponse:
		r.route.Direct = t.directResponse(a.name.Namespace, string(e.Name))
		if r.route.Direct == nil {
			names := inNamespace(t.directResponses, a.name.Namespace)
			return []fault{{field + ".extensionRef", t.lacks("DirectResponse %s/%s does not exist%s", a.name.Namespace, e.Name, didYouMean(string(e.Name), names))}}
		}
		return nil
	}
	return []fault{{field + ".extensionRef", fmt.Sprintf("a filter cannot be a %s of group %q; TrafficPolicy and DirectResponse of group %s can", e.Kind, e.Group, kgatewayGroup)}}
}

// redirect reads a RequestRedirect filter.
func (r *rule) redirect(field string, f *gwv1.HTTPRequestRedirectFilter) (faults []fault) {
	if f == nil {
		return []fault{{field + ".requestRedirect", "is missing"}}
	}
	path, faults := r.edit(field+".requestRedirect.path", f.Path)
	r.route.Redirect = &ir.Redirect{
		Scheme: deref(f.Scheme, ""),
		Host:   string(deref(f.Hostname, "")),
		Port:   int(deref(f.Port, 0)),
		Path:   path.full,
		Prefix: path.prefix,
		Status: deref(f.StatusCode, http.StatusFound),
	}
	if !slices.Contains([]int{301, 302, 303, 307, 308}, r.route.Redirect.Status) {
		faults = append(faults, fault{field + ".requestRedirect.statusCode", fmt.Sprintf("%d is no redirect; 301, 302, 303, 307 and 308 are", r.route.Redirect.Status)})
	}
	return faults
}

// rewrite reads a URLRewrite filter.
func (r *rule) rewrite(field string, f *gwv1.HTTPURLRewriteFilter) (faults []fault) {
	if f == nil {
		return []fault{{field + ".urlRewrite", "is missing"}}
	}
	path, faults := r.edit(field+".urlRewrite.path", f.Path)
	r.route.Rewrite.Path, r.route.Rewrite.Prefix = path.full, path.prefix
	r.route.Rewrite.KeepPath = !path.full.Set && !path.prefix.Set
	r.route.Rewrite.Host = string(deref(f.Hostname, ""))
	return faults
}

// edit reads what becomes of a path. A prefix has no slash at its end: "" is the root.
func (r *rule) edit(field string, m *gwv1.HTTPPathModifier) (e pathEdit, faults []fault) {
	switch {
	case m == nil:
	case m.Type == gwv1.FullPathHTTPPathModifier:
		e.full = ir.Opt[string]{V: deref(m.ReplaceFullPath, "/"), Set: true}
	case m.Type != gwv1.PrefixMatchHTTPPathModifier:
		faults = append(faults, fault{field + ".type", fmt.Sprintf("%q is not supported; ReplaceFullPath and ReplacePrefixMatch are", m.Type)})
	case !r.isPrefix():
		faults = append(faults, fault{field + ".type", "ReplacePrefixMatch needs matches of type PathPrefix: there is no prefix to replace"})
	default:
		e.prefix = ir.Opt[string]{V: strings.TrimRight(deref(m.ReplacePrefixMatch, ""), "/"), Set: true}
	}
	return e, faults
}

// readEdits reads a header modifier, and finds what no message could have.
func readEdits(field string, f *gwv1.HTTPHeaderFilter) (e ir.HeaderEdits, faults []fault) {
	e = headerEdits(f)
	for _, h := range slices.Concat(e.Set, e.Add) {
		switch {
		case h.Name == "Host":
			faults = append(faults, fault{field, "Host is no header to modify; urlRewrite.hostname sets it"})
		case strings.ContainsFunc(h.Value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }):
			faults = append(faults, fault{field, fmt.Sprintf("the value of %s has control characters, which no header can have", h.Name)})
		}
	}
	if slices.Contains(e.Remove, "Host") {
		faults = append(faults, fault{field, "Host cannot be removed: every request has it"})
	}
	return e, faults
}

// headerEdits reads a header modifier. Of several fields of one name the first counts (Gateway API, HTTPHeader.Name).
func headerEdits(f *gwv1.HTTPHeaderFilter) (e ir.HeaderEdits) {
	if f == nil {
		return e
	}
	fields := func(list []gwv1.HTTPHeader) (out []ir.Header) {
		for _, h := range list {
			x := ir.Header{Name: http.CanonicalHeaderKey(string(h.Name)), Value: h.Value}
			if !slices.ContainsFunc(out, func(y ir.Header) bool { return x.Name == y.Name }) {
				out = append(out, x)
			}
		}
		slices.SortFunc(out, byHeaderName)
		return out
	}
	e.Set, e.Add = fields(f.Set), fields(f.Add)
	for _, name := range f.Remove {
		e.Remove = append(e.Remove, http.CanonicalHeaderKey(name))
	}
	slices.Sort(e.Remove)
	e.Remove = slices.Compact(e.Remove)
	return e
}

func byHeaderName(a, b ir.Header) int { return cmp.Compare(a.Name, b.Name) }

// joinEdits does what a does and then what b does.
func joinEdits(a, b ir.HeaderEdits) ir.HeaderEdits {
	out := cloneEdits(a)
	named := func(list []ir.Header) func(ir.Header) bool {
		return func(h ir.Header) bool {
			return slices.ContainsFunc(list, func(x ir.Header) bool { return x.Name == h.Name })
		}
	}
	removed := func(h ir.Header) bool { return slices.Contains(b.Remove, h.Name) }
	out.Set = append(slices.DeleteFunc(slices.DeleteFunc(out.Set, removed), named(b.Set)), b.Set...)
	out.Add = append(slices.DeleteFunc(slices.DeleteFunc(out.Add, removed), named(b.Set)), b.Add...)
	out.Remove = append(out.Remove, b.Remove...)
	slices.SortStableFunc(out.Set, byHeaderName)
	slices.SortStableFunc(out.Add, byHeaderName)
	slices.Sort(out.Remove)
	out.Remove = slices.Compact(out.Remove)
	return out
}

func cloneEdits(e ir.HeaderEdits) ir.HeaderEdits {
	return ir.HeaderEdits{Set: slices.Clone(e.Set), Add: slices.Clone(e.Add), Remove: slices.Clone(e.Remove)}
}
