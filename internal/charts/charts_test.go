// Package charts checks what install/ has: that Helm renders the charts, for every way of installing that the documents name, into
// objects that the program understands; and that the base for Kustomize is what the chart renders.
package charts

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/spanway/spanway/api/v1alpha1"
)

//go:generate go test . -run TestKustomize -update

var update = flag.Bool("update", false, "write the base for Kustomize")

const install = "../../install"

// helm runs it and returns what it prints.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	path, err := filepath.Abs("../../.tools/bin/helm")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: \"make tools\" gets helm", err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return errs.String(), err
	}
	return out.String(), nil
}

func render(t *testing.T, args ...string) string {
	t.Helper()
	out, err := helm(t, append([]string{"template", "spanway", install + "/helm/spanway", "--namespace", "spanway-system"}, args...)...)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return out
}

// documents are those of text, by kind and name.
func documents(t *testing.T, text string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for doc := range strings.SplitSeq(text, "\n---\n") {
		var head struct {
			Kind     string
			Metadata struct{ Name string }
		}
		if err := yaml.Unmarshal([]byte(doc), &head); err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		if head.Kind != "" {
			out[head.Kind+" "+head.Metadata.Name] = []byte(doc)
		}
	}
	return out
}

func decode[T any](t *testing.T, docs map[string][]byte, name string) *T {
	t.Helper()
	v := new(T)
	if err := yaml.UnmarshalStrict(docs[name], v); err != nil || docs[name] == nil {
		t.Fatalf("%s: %v; there are %v", name, err, slices.Sorted(keys(docs)))
	}
	return v
}

func keys(m map[string][]byte) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// TestFlags: the program has every flag that the chart gives it.
func TestFlags(t *testing.T) {
	docs := documents(t, render(t, "--set", "policyNamespace=policies"))
	d := decode[appsv1.Deployment](t, docs, "Deployment spanway")
	help, err := exec.CommandContext(t.Context(), "go", "run", "../../cmd/spanway", "controller", "--help").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, help)
	}
	for _, arg := range d.Spec.Template.Spec.Containers[0].Args[1:] {
		name, _, _ := strings.Cut(arg, "=")
		if !regexp.MustCompile(`(?m)` + regexp.QuoteMeta(name) + `\b`).Match(help) {
			t.Errorf("%s is no flag of spanway controller", name)
		}
	}
}

// TestDefaults: what the values say of Gateways is what the controller reads.
func TestDefaults(t *testing.T) {
	for _, c := range []struct {
		name, want string
		set        []string
	}{
		{"none", "aiExtension: {enabled: false}", nil},
		{"as every guide sets it", "aiExtension: {enabled: true}", []string{"gateway.aiExtension.enabled=true"}},
		{"tracing", `aiExtension: {enabled: true, tracing: {endpoint: "http://c:4318", protocol: http/json, timeout: 100s, sampler: {type: traceidratio, arg: "0.5"}}}`,
			[]string{"gateway.aiExtension.enabled=true", "gateway.aiExtension.tracing.endpoint=http://c:4318", "gateway.aiExtension.tracing.protocol=http/json",
				"gateway.aiExtension.tracing.timeout=100s", "gateway.aiExtension.tracing.sampler.type=traceidratio", "gateway.aiExtension.tracing.sampler.arg=0.5"}},
		{"more", "{aiExtension: {enabled: false}, service: {type: NodePort}}", []string{"gateway.parameters.service.type=NodePort"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var args []string
			for _, s := range c.set {
				args = append(args, "--set", s)
			}
			m := decode[corev1.ConfigMap](t, documents(t, render(t, args...)), "ConfigMap spanway-gateway-defaults")
			var got, want v1alpha1.KubeParameters
			if err := yaml.UnmarshalStrict([]byte(m.Data["gateway.yaml"]), &got); err != nil {
				t.Fatalf("%v in\n%s", err, m.Data["gateway.yaml"])
			}
			if err := yaml.UnmarshalStrict([]byte(c.want), &want); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestRefused: values that cannot be are named.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ set, want string }{
		{"gateway.aiExtension.tracing.protocol=thrift", "protocol"},
		{"gateway.aiExtension.tracing.sampler.type=alwaysOn", "set gateway.aiExtension.tracing.endpoint"},
		{"gateway.aiextension.enabled=true", "aiextension"},
		{"controller.replicaCount=-1", "replicaCount"},
	} {
		out, err := helm(t, "template", install+"/helm/spanway", "--set", c.set)
		if err == nil || !strings.Contains(out, c.want) {
			t.Errorf("--set %s: %v: %s", c.set, err, out)
		}
	}
}

// TestHardened: no container may more than it needs, and secrets are not among what a binding of the cluster lets the controller change.
func TestHardened(t *testing.T) {
	d := decode[appsv1.Deployment](t, documents(t, render(t)), "Deployment spanway")
	pod := d.Spec.Template.Spec
	if pod.SecurityContext.RunAsNonRoot == nil || !*pod.SecurityContext.RunAsNonRoot || pod.SecurityContext.SeccompProfile == nil {
		t.Error("the pod may be root, or call what it likes")
	}
	for _, c := range pod.Containers {
		s := c.SecurityContext
		if *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || s.Capabilities.Add != nil {
			t.Errorf("container %s: %+v", c.Name, s)
		}
	}
}

// TestLint has Helm look at both charts.
func TestLint(t *testing.T) {
	if out, err := helm(t, "lint", "--strict", install+"/helm/spanway", install+"/helm/spanway-crds"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestKustomize: install/kustomize is what the chart renders, and names every definition.
func TestKustomize(t *testing.T) {
	want := strings.ReplaceAll(render(t), "app.kubernetes.io/managed-by: Helm", "app.kubernetes.io/managed-by: kustomize")
	file := filepath.Join(install, "kustomize", "spanway.yaml")
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Errorf("%s is not what the chart renders; \"make generate\" writes it:\n%s", file, d)
	}
	const crds = install + "/helm/spanway-crds"
	list, err := os.ReadFile(crds + "/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(crds + "/templates/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no definitions", err)
	}
	for _, f := range files {
		if name := "templates/" + filepath.Base(f); !bytes.Contains(list, []byte("- "+name+"\n")) {
			t.Errorf("%s/kustomization.yaml lacks %s", crds, name)
		}
	}
}
