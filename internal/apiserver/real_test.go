package apiserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/spanway/spanway/internal/cluster"
)

var control cluster.Shared

func TestMain(m *testing.M) { os.Exit(control.Main(m)) }

// TestRealServer gives the documents of testdata to a real API server: it says of each what Create and UpdateStatus say of it, and
// what is expected there.
func TestRealServer(t *testing.T) {
	r := newReal(t)
	for file, kind := range kinds {
		for _, d := range documents(t, file) {
			t.Run(kind+"/"+d.name, func(t *testing.T) {
				want, err := server(t).Create(t.Context(), d.text)
				if err != nil {
					t.Fatal(err)
				}
				got := r.send(t, http.MethodPost, d.text, "")
				agree(t, want, got)
				d.compare(t, got.faults, got.unknown)
			})
		}
	}
}

// TestRealStatus is TestRealServer for statuses.
func TestRealStatus(t *testing.T) {
	r := newReal(t)
	for i, d := range documents(t, "status") {
		t.Run(d.name, func(t *testing.T) {
			want, err := server(t).UpdateStatus(t.Context(), d.text)
			if err != nil {
				t.Fatal(err)
			}
			u := &unstructured.Unstructured{}
			if err := yaml.Unmarshal(d.text, &u.Object); err != nil {
				t.Fatal(err)
			}
			u.SetNamespace("default")
			u.SetName(fmt.Sprintf("status-%d", i))
			status := u.Object["status"]
			if err := r.Client.Create(t.Context(), u); err != nil {
				t.Fatal(err)
			}
			u.Object["status"] = status
			text, err := u.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			got := r.send(t, http.MethodPut, text, "/"+u.GetName()+"/status")
			agree(t, want, got)
			d.compare(t, got.faults, got.unknown)
		})
	}
}

// TestRealGuide applies the guide's objects to a real API server as kubectl does it, which refuses unknown fields.
func TestRealGuide(t *testing.T) {
	c := control.Start(t)
	for _, name := range []string{"kgateway-system", "ollama"} {
		if err := c.Client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob("../../../shared/reference/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range append(files, "testdata/guide.yaml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range bytes.Split(text, []byte("\n---\n")) {
			u := &unstructured.Unstructured{}
			if err := yaml.Unmarshal(doc, &u.Object); err != nil {
				t.Fatal(err)
			}
			if u.GetNamespace() == "" {
				u.SetNamespace("default")
			}
			if err := c.Client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("kubectl")); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			seen++
		}
	}
	if seen < 5 {
		t.Errorf("only %d objects", seen)
	}
}

// reply is what a server says of a document.
type reply struct {
	faults, unknown []string
	content         map[string]any
}

// agree reports in what the real server differs from the stand-in.
func agree(t *testing.T, standIn *Object, got *reply) {
	t.Helper()
	ordered := func(s []string) []string { return slices.Sorted(slices.Values(s)) }
	if diff := cmp.Diff(ordered(texts(standIn.Errors)), ordered(got.faults)); diff != "" {
		t.Errorf("faults (-stand-in +real):\n%s", diff)
	}
	if diff := cmp.Diff(ordered(standIn.Unknown), ordered(got.unknown)); diff != "" {
		t.Errorf("unknown fields (-stand-in +real):\n%s", diff)
	}
	if len(got.faults) > 0 {
		return
	}
	for _, part := range []string{"spec", "status"} {
		if diff := cmp.Diff(standIn.Content[part], normalize(got.content[part])); diff != "" {
			t.Errorf("%s (-stand-in +real):\n%s", part, diff)
		}
	}
}

// authentic sends documents to a real API server, which stores nothing of them.
type authentic struct {
	*cluster.Cluster
	http *http.Client
}

func newReal(t *testing.T) *authentic {
	t.Helper()
	r := &authentic{Cluster: control.Start(t)}
	var err error
	if r.http, err = rest.HTTPClientFor(r.Config); err != nil {
		t.Fatal(err)
	}
	return r
}

// unknown and twice are how a server warns of a field.
var (
	unknown = regexp.MustCompile(`unknown field \\"([^"]+)\\"`)
	twice   = regexp.MustCompile(`key \\"([^"]+)\\" already set in map`)
)

func (r *authentic) send(t *testing.T, method string, document []byte, path string) *reply {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(document, &u.Object); err != nil {
		t.Fatal(err)
	}
	ns := u.GetNamespace()
	if ns == "" {
		ns = "default"
	}
	gvk := u.GroupVersionKind()
	kind, err := r.Client.RESTMapper().RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		t.Fatal(err)
	}
	url := r.Config.Host + "/apis/" + u.GetAPIVersion() + "/namespaces/" + ns + "/" + kind.Resource.Resource + path + "?dryRun=All&fieldValidation=Warn"
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/yaml")
	resp, err := r.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	o := &reply{}
	for _, w := range resp.Header.Values("Warning") {
		for _, m := range unknown.FindAllStringSubmatch(w, -1) {
			o.unknown = append(o.unknown, m[1])
		}
		for _, m := range twice.FindAllStringSubmatch(w, -1) {
			o.unknown = append(o.unknown, m[1]+" (twice)")
		}
	}
	if resp.StatusCode < http.StatusBadRequest {
		if err := json.Unmarshal(text, &o.content); err != nil {
			t.Fatal(err)
		}
		return o
	}
	o.faults = faults(t, text)
	return o
}

// faults are what a server has against an object, each as the text of a field.Error.
func faults(t *testing.T, text []byte) (out []string) {
	t.Helper()
	var s metav1.Status
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if s.Details == nil || len(s.Details.Causes) == 0 {
		t.Fatalf("a refusal without causes: %s", text)
	}
	for _, c := range s.Details.Causes {
		out = append(out, c.Field+": "+c.Message)
	}
	return out
}
