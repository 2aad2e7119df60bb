package apiserver

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	apiext "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write builtin.json.gz")

// folders are where the definitions of our kinds and of the Gateway API's are.
func folders(t *testing.T) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api").Output()
	if err != nil {
		t.Fatal(err)
	}
	return []string{manifests, filepath.Join(strings.TrimSpace(string(out)), "config", "crd", "experimental")}
}

// TestBuiltin: what Load reads is what the definitions say.
func TestBuiltin(t *testing.T) {
	var list []*apiext.CustomResourceDefinition
	for _, folder := range folders(t) {
		files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no definitions: %v", folder, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var d apiext.CustomResourceDefinition
			if err := yaml.Unmarshal(text, &d); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if d.Kind != "CustomResourceDefinition" {
				continue
			}
			d.Annotations, d.Labels = nil, nil
			apiext.SetDefaults_CustomResourceDefinition(&d)
			apiext.SetDefaults_CustomResourceDefinitionSpec(&d.Spec)
			for i := range d.Spec.Versions {
				undescribed(d.Spec.Versions[i].Schema.OpenAPIV3Schema)
				d.Spec.Versions[i].AdditionalPrinterColumns = nil
			}
			list = append(list, &d)
		}
	}
	want, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		var b bytes.Buffer
		w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
		_, _ = w.Write(want)
		_ = w.Close()
		if err := os.WriteFile("builtin.json.gz", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	r, err := gzip.NewReader(bytes.NewReader(builtin))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("builtin.json.gz is not what the definitions say; make generate writes it")
	}
}

// undescribed takes the descriptions out of s.
func undescribed(s *apiext.JSONSchemaProps) {
	s.Description = ""
	for name, p := range s.Properties {
		undescribed(&p)
		s.Properties[name] = p
	}
	if s.Items != nil && s.Items.Schema != nil {
		undescribed(s.Items.Schema)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		undescribed(s.AdditionalProperties.Schema)
	}
}
