package envoy_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spanway/spanway/internal/envoy"
)

// TestFind uses scripts that say a version.
func TestFind(t *testing.T) {
	dir := t.TempDir()
	fake := func(name, version string) string {
		path := filepath.Join(dir, name)
		text := "#!/bin/sh\necho 'envoy  version: 9e5580933739775e8bce696a57a2e1bc99368f23/" + version + "/Clean/RELEASE/BoringSSL'\n"
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, later, old := fake("good", "1.40.0"), fake("later", "2.1.0-dev"), fake("old", "1.39.4")
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("#!/bin/sh\necho hello\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, flag, env, version, problem string }{
		{"flag", good, "", "1.40.0", ""},
		{"flag goes first", good, old, "1.40.0", ""},
		{"variable", "", later, "2.1.0-dev", ""},
		{"too old", old, "", "", "1.39.4, which is too old: 1.40 or later"},
		{"not an Envoy", other, "", "", "does not say a version of Envoy"},
		{"not there", filepath.Join(dir, "none"), good, "", "--envoy names"},
		{"variable names nothing", "", filepath.Join(dir, "none"), "", "ENVOY names"},
	} {
		t.Setenv(envoy.Variable, c.env)
		b, err := envoy.Find(t.Context(), c.flag)
		if c.problem != "" {
			if err == nil || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("%s: %v, want %q", c.name, err, c.problem)
			}
			continue
		}
		if err != nil || b.Version != c.version {
			t.Errorf("%s: %+v, %v", c.name, b, err)
		}
	}
	t.Setenv(envoy.Variable, "")
	t.Setenv("PATH", "")
	if _, err := envoy.Find(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "--envoy PATH or ENVOY=PATH") {
		t.Errorf("no Envoy anywhere: %v", err)
	}
	if err := os.Rename(good, filepath.Join(dir, "envoy")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	if b, err := envoy.Find(t.Context(), ""); err != nil || b.Version != "1.40.0" {
		t.Errorf("on the PATH: %+v, %v", b, err)
	}
}

// TestChildGetsNoSecret: what runs for us needs none of the keys that our environment holds, unless it is told to have one.
func TestChildGetsNoSecret(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "sk-secret")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=secret")
	t.Setenv("REGION", "north")
	dir := t.TempDir()
	script := filepath.Join(dir, "tell")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nenv | tr '\\n' ' ' >&2\necho >&2\nfalse\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := envoy.Find(t.Context(), script)
	if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "REGION") || !strings.Contains(err.Error(), "PATH=") {
		t.Errorf("its environment: %v", err)
	}
	p, err := envoy.Start(&envoy.Options{Binary: script, Dir: dir, Environment: []string{"REGION", "NOT_SET"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	err = p.Ready(t.Context())
	if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "NOT_SET") || !strings.Contains(err.Error(), "REGION=north") {
		t.Errorf("its environment: %v", err)
	}
}
