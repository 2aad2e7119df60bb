package ir

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the expected files anew")

// providers is a table of providers for tests.
var providers = []string{"anthropic", "azure", "bedrock", "cohere", "gemini", "groq", "http", "ollama", "openai", "vertexai", "vllm"}

// world is what the files of tests may refer to: variables and files.
func world(t testing.TB) LoadOptions {
	t.Helper()
	cert, key := keyPair(t)
	env := map[string]string{"OPENAI_API_KEY": "sk-secret", "EMPTY": "", "BAD_KEY": "sk-secret\nx", "PORT": "sk-secret"}
	files := map[string]string{
		"/run/secrets/anthropic":    "ant-secret\n",
		"/run/secrets/large":        strings.Repeat("x", maxValueFile+1),
		"/etc/spanway/cert.pem":     cert,
		"/etc/spanway/key.pem":      key,
		"/etc/spanway/relative":     "rel-secret",
		"/etc/spanway/spanway.yaml": "listen: x\n",
	}
	return LoadOptions{
		Getenv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		ReadFile: func(path string) ([]byte, error) {
			if data, ok := files[path]; ok {
				return []byte(data), nil
			}
			return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrNotExist}
		},
		Providers: providers,
		CheckMatch: func(expression string) error {
			if expression == "broken" {
				return errors.New("not an expression: at 1:1: broken")
			}
			return nil
		},
		Dir: "/etc/spanway",
	}
}

// archives runs f on every txtar file of dir: f gets the named parts and returns the last one as it should be.
func archives(t *testing.T, dir, want string, f func(t *testing.T, config []byte) string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files in testdata/%s: %v", dir, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := f(t, a.Files[0].Data)
			if *update {
				a.Files = append(a.Files[:1], txtar.File{Name: want, Data: []byte(got)})
				if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if len(a.Files) != 2 {
				t.Fatal("want two files; run with -update")
			}
			if diff := cmp.Diff(string(a.Files[1].Data), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestLoad(t *testing.T) {
	archives(t, "good", "gateway", func(t *testing.T, config []byte) string {
		g, err := Load("spanway.yaml", config, world(t))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(lines(nil, "", reflect.ValueOf(*g)), "\n") + "\n"
	})
}

// lines appends to dst one line for every value inside v that is not zero.
func lines(dst []string, name string, v reflect.Value) []string {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			dst = lines(dst, strings.TrimPrefix(name+"."+v.Type().Field(i).Name, "."), v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			dst = lines(dst, index(name, i), v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			dst = lines(dst, name, v.Elem())
		}
	default:
		if !v.IsZero() {
			dst = append(dst, fmt.Sprintf("%s = %v", name, v.Interface()))
		}
	}
	return dst
}

func TestLoadProblems(t *testing.T) {
	archives(t, "bad", "problems", func(t *testing.T, config []byte) string {
		_, err := Load("spanway.yaml", config, world(t))
		var problems Problems
		if !errors.As(err, &problems) {
			t.Fatalf("error is %T %v, want Problems", err, err)
		}
		if strings.Contains(err.Error(), "secret\"") || strings.Contains(err.Error(), "sk-secret") {
			t.Error("a problem holds a secret")
		}
		return err.Error() + "\n"
	})
}

func TestDefault(t *testing.T) {
	want, err := Load("default.yaml", Default(), world(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "comment": "# nothing\n", "marker": "---\n", "null": "null\n", "keys": "listen:\nbackends:\n", "braces": "{}",
	} {
		got, err := Load("spanway.yaml", []byte(text), world(t))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -default +got:\n%s", name, diff)
		}
	}
	keys := map[string]Credential{
		"demo": {}, "ollama": {}, "openai": {Value: "sk-secret"}, "anthropic": {Passthrough: true}, "gemini": {Passthrough: true},
	}
	for _, b := range want.Backends {
		if keys[b.Name] != b.Key {
			t.Errorf("%s: key %#v, passthrough %t", b.Name, string(b.Key.Value), b.Key.Passthrough)
		}
	}
	if !want.Backends[1].Demo || len(want.Backends) != len(keys) || len(want.Routes) != len(keys) {
		t.Errorf("backends %d, routes %d, want %d each and the demo", len(want.Backends), len(want.Routes), len(keys))
	}
}

// TestCertificatesByContent reads certificates and authorities that the file holds itself.
func TestCertificatesByContent(t *testing.T) {
	cert, key := keyPair(t)
	o := world(t)
	o.Getenv = func(name string) (string, bool) {
		v, ok := map[string]string{"CERT": cert, "KEY": key}[name]
		return v, ok
	}
	g, err := Load("spanway.yaml", []byte(`
listeners:
- {address: ":8443", tls: {certificates: [{certPEM: "${CERT}", keyPEM: "${KEY}"}]}}
backends:
  a: {provider: openai, tls: {caPEM: "${CERT}"}}
routes: [{to: a}]
`), o)
	if err != nil {
		t.Fatal(err)
	}
	want := &ServerTLS{Pairs: []KeyPair{{Cert: cert, Key: Secret(key)}}, MinVersion: "1.2"}
	if d := cmp.Diff(want, g.Listeners[0].TLS); d != "" {
		t.Error(d)
	}
	c := g.Backends[0].TLS
	if conf, err := c.Config(); err != nil || c.CA != cert || conf.RootCAs == nil {
		t.Errorf("%v, authorities %q", err, c.CA)
	}
	c.CA = "none"
	if _, err := c.Config(); err == nil {
		t.Error("a text without a certificate is taken")
	}
}
