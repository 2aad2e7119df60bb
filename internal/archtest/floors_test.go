package archtest

import (
	"go/ast"
	"regexp"
	"slices"
	"testing"
)

// A floor is where a package stands. It imports from lower floors, and from its own only what beside names.
type floor struct {
	dir    string // the package; "/*" at the end stands for each package below
	level  int
	beside []string
	why    string
}

// top is where the program stands.
const top = 7

// floors are all packages of the product (docs/architecture.md). A package that is not here fails the test: decide where
// it stands.
var floors = []floor{
	{"internal/jsonscan", 0, nil, "the scanner is a tool of its own"},
	{"internal/frame", 0, nil, "splitters know bytes, not their meaning"},
	{"internal/llm", 0, []string{"internal/jsonscan"}, "the neutral model is what all others agree on, so it can know none of them"},
	{"internal/ir", 0, nil, "the configuration is neutral: any data plane or adapter can read it"},
	{"internal/upstream", 0, nil, "the HTTP client carries bytes for whoever asks"},
	{"internal/coding", 0, nil, "a compressed answer is decoded as its bytes come, whoever brings them"},
	{"api/v1alpha1", 0, nil, "the kinds are a contract with those who write manifests; clients may import it and nothing else of Spanway"},
	{"internal/demo", 0, nil, "the demo provider stands for somebody else's server: sharing code with the gateway would hide its bugs"},
	{"internal/apiserver", 0, nil, "what a schema says of an object does not depend on who asks"},
	{"internal/admin", 0, nil, "operators ask the same of every data plane"},
	{"internal/envoy", 0, nil, "a child process is run and watched, whatever it is for"},
	{"internal/dialect", 1, nil, "what the wire formats share"},
	{"internal/dialect/mistral", 1, []string{"internal/dialect", "internal/dialect/openai"}, "Mistral's format is OpenAI's with differences: what is the same is read by the same code"},
	{"internal/dialect/writer", 1, []string{"internal/dialect", "internal/dialect/openai"}, "Writer's format is OpenAI's with differences: what is the same is read by the same code"},
	{"internal/dialect/*", 1, []string{"internal/dialect"}, "dialects know each other only through llm: N + M, not N × M"},
	{"internal/aws", 1, nil, "a signature is made of a request's parts, whoever sends it"},
	{"internal/policy", 1, nil, "policies see calls and events, not how they travel"},
	{"internal/telemetry", 1, nil, "a trace is a record: what happens to it does not depend on who made it"},
	{"internal/callout", 1, nil, "other services are asked by whoever has a question"},
	{"internal/provider", 2, nil, "the table puts dialects behind names"},
	{"internal/console", 2, nil, "the terminal shows records"},
	{"internal/xds", 3, nil, "what Envoy is told follows from the configuration alone, whichever process asks"},
	{"internal/translate", 3, nil, "what objects mean follows from the objects alone, wherever they come from"},
	{"internal/manifest", 4, nil, "files are one place that objects come from"},
	{"internal/gateway", 3, nil, "the pipeline is driven by a data plane and knows none"},
	{"internal/reload", 4, nil, "what all data planes do with a new configuration, none does by itself"},
	{"internal/proxy", 4, []string{"internal/reload"}, "a data plane drives the pipeline; data planes never import each other"},
	{"internal/extproc", 4, []string{"internal/reload"}, "a data plane drives the pipeline; data planes never import each other"},
	{"internal/deployer", 4, nil, "what is deployed follows from a Gateway's parameters; applying it is somebody else's"},
	{"internal/control", 5, nil, "a controller and its data planes agree on how they talk, wherever the configurations come from"},
	{"internal/envoyplane", 5, nil, "Envoy, what tells it what to do and what it asks are one data plane, which has the parts of others below it"},
	{"internal/kube", 6, nil, "the control plane of a cluster puts together what objects mean, what data planes are told and what is deployed"},
	{"cmd/*", top, nil, "wiring only"},
}

// support are packages that only tests and measurements use.
var support = []string{"internal/scenario", "internal/bench", "internal/archtest", "internal/collector", "internal/sdk",
	"internal/doctest", "internal/matrix", "internal/talks", "internal/apigen", "internal/charts",
	"internal/cluster", "internal/node", "internal/journey"}

func floorOf(dir string) *floor {
	for i := range floors {
		f := &floors[i]
		if base, below := cutStar(f.dir); f.dir == dir || below && dir != base && within(dir, base) {
			return f
		}
	}
	return nil
}

func cutStar(dir string) (base string, ok bool) {
	if n := len(dir) - len("/*"); n > 0 && dir[n:] == "/*" {
		return dir[:n], true
	}
	return dir, false
}

func TestFloors(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || within(s.dir, support...) {
			continue
		}
		from := floorOf(s.dir)
		if from == nil {
			t.Errorf("%s: the package is on no floor; add it to floors_test.go with its reason", s.dir)
			continue
		}
		for _, im := range s.imports {
			if within(im, support...) {
				t.Errorf("%s imports %s: that is for tests and measurements only", s.path, im)
				continue
			}
			if !ours(im) || slices.Contains(from.beside, im) {
				continue
			}
			to := floorOf(im)
			if to == nil || to.level >= from.level {
				t.Errorf("%s imports %s: imports go down only (%s: %s)", s.path, im, s.dir, from.why)
			}
		}
	}
}

// TestFloorsNamePackages keeps the table from naming what is not there, so that a renamed package keeps its rule.
func TestFloorsNamePackages(t *testing.T) {
	dirs := map[string]bool{}
	for _, s := range sources(t) {
		dirs[s.dir] = true
	}
	for _, f := range floors {
		base, below := cutStar(f.dir)
		found := dirs[f.dir]
		for d := range dirs {
			found = found || below && within(d, base)
		}
		if !found {
			t.Errorf("floors_test.go names %s, which does not exist", f.dir)
		}
	}
}

// TestPureStandardLibrary lists the packages that import nothing from outside.
func TestPureStandardLibrary(t *testing.T) {
	const why = "the core must read, build and fuzz without any dependency"
	pure := []string{"internal/llm", "internal/frame", "internal/jsonscan", "internal/dialect", "internal/policy",
		"internal/provider", "internal/upstream", "internal/demo"}
	for _, s := range sources(t) {
		if s.test || !within(s.dir, pure...) {
			continue
		}
		for _, im := range s.imports {
			if !ours(im) && !standard(im) {
				t.Errorf("%s imports %s: %s", s.path, im, why)
			}
		}
	}
}

// TestNoDataPlane holds the pipeline and what is below it to the neutral part of net/http (names, not machinery), so that
// a data plane without an HTTP server of Go's can drive it.
func TestNoDataPlane(t *testing.T) {
	const why = "a data plane owns the HTTP server and client; the pipeline takes heads and bodies"
	neutral := regexp.MustCompile(`^(Header|Status[A-Z]\w*|StatusText|Method[A-Z]\w*|CanonicalHeaderKey|DetectContentType|ParseTime|TimeFormat)$`)
	bound := []string{"internal/gateway", "internal/policy", "internal/provider", "internal/dialect", "internal/llm"}
	for _, s := range sources(t) {
		if s.test || !within(s.dir, bound...) {
			continue
		}
		for _, im := range s.imports {
			if within(im, "google.golang.org/grpc", "net/http/httputil", "net/http/httptest") {
				t.Errorf("%s imports %s: %s", s.path, im, why)
			}
		}
		if !slices.Contains(s.imports, "net/http") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && isName(sel.X, "http") && !neutral.MatchString(sel.Sel.Name) {
				t.Errorf("%s uses http.%s: %s", s.line(n), sel.Sel.Name, why)
			}
			return true
		})
	}
}

// TestKindsStandAlone keeps the Kubernetes kinds from the rest: only what translates them, reads them from files, makes them or talks to a cluster knows
// them.
func TestKindsStandAlone(t *testing.T) {
	const why = "Kubernetes is one way to configure Spanway: the configuration itself, the pipeline and the data planes know nothing of it"
	readers := []string{"api/v1alpha1", "internal/apiserver", "internal/translate", "internal/manifest", "internal/deployer", "internal/kube"}
	for _, s := range sources(t) {
		if s.test || within(s.dir, support...) || within(s.dir, readers...) {
			continue
		}
		for _, im := range s.imports {
			if within(im, "api", "k8s.io", "sigs.k8s.io") {
				t.Errorf("%s imports %s: %s", s.path, im, why)
			}
		}
	}
}

func isName(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}
