package manifest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	kjson "sigs.k8s.io/json"

	"github.com/spanway/spanway/internal/translate"
)

// Groups whose kinds are all known.
const (
	kgatewayGroup = "gateway.kgateway.dev"
	gatewayGroup  = "gateway.networking.k8s.io"
)

// object takes one object, or says why not.
func (r *reader) object(o *object, value map[string]any) {
	version, _ := value["apiVersion"].(string)
	kind, _ := value["kind"].(string)
	meta, _ := value["metadata"].(map[string]any)
	name, _ := meta["name"].(string)
	namespace, _ := meta["namespace"].(string)
	k, known := kinds[kind]
	if known && k.namespaced && namespace == "" {
		namespace = "default"
	}
	at := translate.Object{Kind: kind, Namespace: namespace, Name: name}
	tell := func(field string, s translate.Severity, format string, args ...any) {
		r.Problems = append(r.Problems, o.at(Problem{Object: at, Field: field, Severity: s, Message: fmt.Sprintf(format, args...)}))
	}
	group, _, _ := strings.Cut(version, "/")
	switch {
	case version == "" || kind == "":
		at = translate.Object{}
		tell("", translate.Error, "no Kubernetes object: it needs apiVersion and kind")
		return
	case known && k.accepts(version):
	case group == gatewayGroup && r.kinds.Knows(version, kind):
		tell("", translate.Unsupported, "is not supported: it is left out")
		return
	case version == kgatewayVersions[0] && otherKinds[kind] != "":
		tell("", translate.Unsupported, "is not supported: %s", otherKinds[kind])
		return
	case version == kgatewayVersions[0] && renamed[kind] != "":
		tell("kind", translate.Error, "there is no kind %s in version %s; it is called %s", kind, version, renamed[kind])
		return
	case group == kgatewayGroup || group == gatewayGroup || known && (group == "v1" || !strings.Contains(group, ".")):
		tell("apiVersion", translate.Error, "there is no kind %s in version %s%s", kind, version, k.hint())
		return
	default:
		tell("", translate.Warning, "is none of the kinds that make a gateway: it is left out")
		return
	}
	before := Errors(r.Problems)
	r.expand(kind, value, "", tell)
	content := value
	if k.core {
		r.core(k, value, name, tell)
	} else {
		content = r.custom(value, tell)
	}
	if Errors(r.Problems) > before {
		return
	}
	if k.namespaced {
		meta, _ = content["metadata"].(map[string]any)
		meta["namespace"] = namespace
	}
	if old := r.objects[at]; old != nil {
		tell("metadata.name", translate.Warning, "is defined in %s:%d, too; this one counts", old.file, old.line+old.node.Line)
	}
	if err := k.add(&r.Input, toJSON(content)); err != nil {
		tell("", translate.Error, "%v", err)
		return
	}
	r.objects[at] = o
}

// custom asks the schemas.
func (r *reader) custom(value map[string]any, tell func(string, translate.Severity, string, ...any)) map[string]any {
	out, err := r.kinds.Create(context.Background(), toJSON(value))
	if err != nil {
		tell("", translate.Error, "%v", err)
		return nil
	}
	for _, path := range out.Unknown {
		tell(path, translate.Warning, "unknown field: it has no effect")
	}
	for _, e := range out.Errors {
		if strings.HasPrefix(e.Detail, "some validation rules were not checked") {
			continue // the others say what is wrong
		}
		field := e.Field
		if field == "<nil>" {
			field = ""
		}
		tell(field, translate.Error, "%s", e.ErrorBody())
	}
	return out.Content
}

// unknownField finds the field in a message of the strict decoder.
var unknownField = regexp.MustCompile(`^unknown field "(.*)"$`)

// core checks a kind of Kubernetes' own by its type.
func (r *reader) core(k kind, value map[string]any, name string, tell func(string, translate.Severity, string, ...any)) {
	strict, err := kjson.UnmarshalStrict(toJSON(value), k.fresh())
	if err != nil {
		tell("", translate.Error, "%s", strings.TrimPrefix(err.Error(), "json: "))
		return
	}
	for _, s := range strict {
		if m := unknownField.FindStringSubmatch(s.Error()); m != nil {
			tell(m[1], translate.Warning, "unknown field: it has no effect")
		}
	}
	if faults := validation.IsDNS1123Subdomain(name); len(faults) > 0 {
		tell("metadata.name", translate.Error, "Invalid value: %q: %s", name, faults[0])
	}
}

// Variables of the environment: within a text, or the whole of it.
var (
	variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)
	template = regexp.MustCompile(`^\$([A-Za-z_][A-Za-z0-9_]*)$`)
)

// expand puts variables of the environment in place of ${NAME}, or of $NAME where it is all, in what is there to be secret: the values
// of Secrets, and inline tokens.
func (r *reader) expand(kind string, m map[string]any, path string, tell func(string, translate.Severity, string, ...any)) {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		field := strings.TrimPrefix(path+"."+key, ".")
		switch v := m[key].(type) {
		case map[string]any:
			r.expand(kind, v, field, tell)
		case []any:
			for i, e := range v {
				if e, ok := e.(map[string]any); ok {
					r.expand(kind, e, fmt.Sprintf("%s[%d]", field, i), tell)
				}
			}
		case string:
			data := kind == "Secret" && path == "data"
			if !data && (kind != "Secret" || path != "stringData") && key != "inline" {
				continue
			}
			text, found := r.filled(v, func(name string) {
				tell(field, translate.Error, "the environment variable %s is not set", name)
			})
			if found && data {
				m[key] = []byte(text) // becomes base64
			} else if found {
				m[key] = text
			}
		}
	}
}

// filled is text with its variables; false, if it has none.
func (r *reader) filled(text string, missing func(name string)) (string, bool) {
	get := func(name string) string {
		v, ok := r.getenv(name)
		if !ok {
			missing(name)
		}
		return v
	}
	if m := template.FindStringSubmatch(text); m != nil {
		return get(m[1]), true
	}
	if !variable.MatchString(text) {
		return text, false
	}
	return variable.ReplaceAllStringFunc(text, func(v string) string { return get(v[2 : len(v)-1]) }), true
}

// decode adds an object to its list.
func decode[T any](list *[]*T, text []byte) error {
	v := new(T)
	if err := json.Unmarshal(text, v); err != nil {
		return err
	}
	*list = append(*list, v)
	return nil
}
