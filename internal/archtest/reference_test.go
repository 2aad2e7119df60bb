package archtest

import (
	"go/ast"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spanway/spanway/internal/demo"
)

// TestTelemetryIsDocumented checks that docs/telemetry.md has every attribute, metric, event and outcome that the code names,
// and no name that it does not.
func TestTelemetryIsDocumented(t *testing.T) {
	doc := documents(t)["docs/telemetry.md"]
	named := map[string]bool{}
	name := regexp.MustCompile(`^(spanway|gen_ai|openai|ai|http|url|server|client|network|user_agent|error|azure|openinference|llm|embedding|input|output)(\.[a-z_]+)+$`)
	all := sources(t)
	emitted := emittedKeys(all)
	for _, s := range all {
		if s.test || !within(s.dir, "internal/telemetry", "internal/gateway") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if kv, ok := n.(*ast.KeyValueExpr); ok {
				if key, ok := kv.Key.(*ast.Ident); ok && s.path == "internal/telemetry/keys.go" && !emitted[key.Name] {
					return false
				}
			}
			if lit, ok := n.(*ast.BasicLit); ok {
				if v, err := strconv.Unquote(lit.Value); err == nil && name.MatchString(v) {
					named[v] = true
				}
			}
			return true
		})
	}
	if len(named) < 50 {
		t.Fatalf("only %d names found in the code", len(named))
	}
	for v := range named {
		// A row may shorten names that share their beginning to what follows it.
		short := "`" + v[strings.LastIndexByte(v, '.'):] + "`"
		if !strings.Contains(doc, "`"+v+"`") && !strings.Contains(doc, short) {
			t.Errorf("docs/telemetry.md does not name %s", v)
		}
	}
	for _, m := range regexp.MustCompile("`([a-z_]+(?:\\.[a-z_]+)+)`").FindAllStringSubmatch(doc, -1) {
		if name.MatchString(m[1]) && !named[m[1]] {
			t.Errorf("docs/telemetry.md names %s, which the code does not", m[1])
		}
	}
}

// emittedKeys are the constants of telemetry.Key that code outside the table uses.
func emittedKeys(all []*source) map[string]bool {
	out := map[string]bool{}
	for _, s := range all {
		if s.test || s.path == "internal/telemetry/keys.go" || !within(s.dir, "internal/telemetry", "internal/gateway", "internal/proxy") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				out[id.Name] = true
			}
			return true
		})
	}
	return out
}

func TestOutcomesAreDocumented(t *testing.T) {
	doc := documents(t)["docs/telemetry.md"]
	found := 0
	for _, s := range sources(t) {
		if s.test || s.dir != "internal/gateway" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || spec.Type == nil || !isName(spec.Type, "Outcome") {
				return true
			}
			for _, v := range spec.Values {
				if lit, ok := v.(*ast.BasicLit); ok {
					found++
					if row := "| `" + strings.Trim(lit.Value, `"`) + "` |"; !strings.Contains(doc, row) {
						t.Errorf("docs/telemetry.md has no row %s", row)
					}
				}
			}
			return true
		})
	}
	if found == 0 {
		t.Error("no outcomes found in internal/gateway")
	}
}

func TestDemoModelsAreDocumented(t *testing.T) {
	doc := documents(t)["docs/getting-started.md"]
	for _, m := range demo.Models() {
		if row := "| `" + m.Name + "` | " + m.About + " |"; !strings.Contains(doc, row) {
			t.Errorf("docs/getting-started.md has no row %s", row)
		}
	}
}
