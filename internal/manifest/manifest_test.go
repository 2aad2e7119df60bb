package manifest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/spanway/spanway/internal/translate"
)

var update = flag.Bool("update", false, "write what comes out into the files of testdata")

// TestGoldens: each file of testdata is a folder of manifests, perhaps with an environment (env), and what there is to say of it
// (problems.txt), that of translation at its end.
func TestGoldens(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(f)
			if err != nil {
				t.Fatal(err)
			}
			dir, env := t.TempDir(), map[string]string{}
			var want *txtar.File
			for i := range a.Files {
				switch file := &a.Files[i]; file.Name {
				case "problems.txt":
					want = file
				case "env":
					for line := range strings.Lines(string(file.Data)) {
						name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
						env[name] = value
					}
				default:
					write(t, filepath.Join(dir, file.Name), file.Data)
				}
			}
			set, err := Load([]string{dir}, Options{Getenv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
			if err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(said(set), dir+string(filepath.Separator), "")
			if want == nil {
				t.Fatal("the golden has no problems.txt")
			}
			if d := cmp.Diff(string(want.Data), got); d != "" && !*update {
				t.Errorf("other problems than the golden's; -update writes them (-want +got):\n%s", d)
			}
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(f, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// said is all that is said of a set.
func said(set *Set) string {
	var b strings.Builder
	for _, p := range set.Problems {
		fmt.Fprintln(&b, p)
	}
	out := translate.Translate(&set.Input, translate.Options{Files: true})
	for _, p := range set.Place(out.Problems) {
		fmt.Fprintln(&b, "then", p)
	}
	return b.String()
}

// TestDefaults: objects are taken as an API server keeps them.
func TestDefaults(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), []byte(`apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec: {rules: [{}]}
---
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {Authorization: "${KEY}", other: a$KEY}
data: {raw: $KEY}
`))
	set, err := Load([]string{dir}, Options{Getenv: func(name string) (string, bool) { return "value of " + name, true }})
	if err != nil || len(set.Problems) > 0 {
		t.Fatal(err, set.Problems)
	}
	r := set.Input.HTTPRoutes[0]
	if m := r.Spec.Rules[0].Matches; r.Namespace != "default" || len(m) != 1 || *m[0].Path.Value != "/" {
		t.Errorf("namespace %q and matches %v, want the schema's defaults", r.Namespace, m)
	}
	want := map[string][]byte{"Authorization": []byte("value of KEY"), "other": []byte("a$KEY"), "raw": []byte("value of KEY")}
	if d := cmp.Diff(want, set.Input.Secrets[0].Data); d != "" {
		t.Errorf("the Secret (-want +got):\n%s", d)
	}
}

// TestPaths: what cannot be read is an error; what is no manifest is passed over.
func TestPaths(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load([]string{filepath.Join(dir, "absent")}, Options{}); err == nil {
		t.Error("a path that is not there is no error")
	}
	write(t, filepath.Join(dir, "README.md"), []byte("# no manifest"))
	write(t, filepath.Join(dir, ".hidden", "a.yaml"), []byte("\t"))
	write(t, filepath.Join(dir, ".a.yaml"), []byte("\t"))
	if _, err := Load([]string{dir}, Options{}); err == nil || !strings.Contains(err.Error(), "no manifests") {
		t.Errorf("a folder without manifests: %v", err)
	}
	write(t, filepath.Join(dir, "deep", "er", "a.json"), []byte(`{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}`))
	set, err := Load([]string{dir}, Options{})
	if err != nil || len(set.Problems) > 0 || len(set.Input.Namespaces) != 1 || len(set.Folders) != 3 {
		t.Errorf("got %+v, %v", set, err)
	}
}

// FuzzLoad: no file brings the reader down.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{"a: b", "---\n---\n", "kind: List\napiVersion: v1\nitems: [{}, 1]", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: '!'}",
		"a: &a [*a]", "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: Backend\nmetadata: {name: a}\nspec: {type: AI, ai: {llm: {}}}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(t.TempDir(), "a.yaml")
		write(t, file, []byte(text))
		set, err := Load([]string{file}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		said(set)
	})
}
