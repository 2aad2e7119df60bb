package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// execute runs the command line args and returns what it printed.
func execute(t *testing.T, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := root()
	cmd.SetArgs(args)
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	err = cmd.ExecuteContext(t.Context())
	return out.String(), errs.String(), err
}

func TestValidate(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
	write(t, good, "listen: 127.0.0.1:0\n")
	write(t, bad, "backends:\n  a: {provder: openai}\n  b: {provider: opnai}\nroutes:\n  - {name: r, match: {path: /r}, to: c}\n")
	if out, _, err := execute(t, "", "validate", good); err != nil || !strings.Contains(out, "good.yaml: ok") {
		t.Errorf("good file: %q, %v", out, err)
	}
	_, errs, err := execute(t, "", "validate", good, bad)
	if err == nil || !strings.Contains(err.Error(), "1 of 2 files") {
		t.Errorf("bad file: %v", err)
	}
	for _, want := range []string{"bad.yaml:2:", "provder", "did you mean", "bad.yaml:3:", "opnai", "bad.yaml:5:"} {
		if !strings.Contains(errs, want) {
			t.Errorf("problems lack %q:\n%s", want, errs)
		}
	}
	if out, _, err := execute(t, "listen: 127.0.0.1:0\n", "validate", "-"); err != nil || !strings.Contains(out, "(stdin): ok") {
		t.Errorf("standard input: %q, %v", out, err)
	}
}

func TestSchema(t *testing.T) {
	out, _, err := execute(t, "", "schema")
	if err != nil || !json.Valid([]byte(out)) {
		t.Errorf("schema is not JSON: %v", err)
	}
}

func TestVersion(t *testing.T) {
	for _, arg := range []string{"version", "--version"} {
		if out, _, err := execute(t, "", arg); err != nil || out != "spanway "+version()+"\n" {
			t.Errorf("%s: %q, %v", arg, out, err)
		}
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if out, _, err := execute(t, "", "completion", shell); err != nil || !strings.Contains(out, "spanway") {
			t.Errorf("%s: %v", shell, err)
		}
	}
}

func TestMistakesAreExplained(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"run", "--bogus"}, `see "spanway run --help"`},
		{[]string{"run", "spanway.yaml"}, "--config spanway.yaml"},
		{[]string{"validate"}, "which file"},
		{[]string{"runn"}, "run"},
	} {
		if _, _, err := execute(t, "", c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.args, err, c.want)
		}
	}
}

// TestHelpTeaches holds the help of every command to examples or an explanation.
func TestHelpTeaches(t *testing.T) {
	for _, c := range root().Commands() {
		if c.Short == "" || c.Long == "" && c.Name() != "version" {
			t.Errorf("%s explains nothing", c.Name())
		}
	}
	out, _, err := execute(t, "", "run", "--help")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"--config", "--trace", "OPENAI_API_KEY", "SIGHUP", "Examples:"} {
		if !strings.Contains(out, want) {
			t.Errorf("help of run lacks %q", want)
		}
	}
}

func TestRunRefuses(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"listen: 127.0.0.1:1:2\n", "listen"},
		{"telemetry: {sampler: sometimes}\n", "sampler"},
		{"routs: []\n", "routes"},
		{"telemetry: {tail: {keep: 1, match: 'status > five'}}\n", "(stdin):1:36: telemetry.tail.match: not a CEL expression: at 1:10: undeclared reference to 'five'"},
	} {
		_, _, err := execute(t, c.name, "run", "--config", "-")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("run with %q: %v, want a problem about %s", c.name, err, c.want)
		}
	}
	if _, _, err := execute(t, "", "run", "--config", filepath.Join(t.TempDir(), "none.yaml")); err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("run without its file: %v", err)
	}
	if _, _, err := execute(t, "", "run", "--log-level", "loud"); err == nil || !strings.Contains(err.Error(), "debug, info, warn or error") {
		t.Errorf("run with a wrong level: %v", err)
	}
}

func TestWatcher(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.yaml")
	write(t, file, "1")
	w, err := newWatcher(func(msg string, args ...any) { t.Log(msg, args) })
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	w.watch([]string{file})
	next := filepath.Join(dir, "next")
	write(t, next, "2")
	if err := os.Rename(next, file); err != nil {
		t.Fatal(err)
	}
	<-w.changed
	link := filepath.Join(dir, "..data")
	if err := os.Symlink("somewhere", link); err != nil {
		t.Fatal(err)
	}
	<-w.changed
}

// TestWatcherOfRelativePath: most people give the file's name alone.
func TestWatcherOfRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, file := range []string{"a.yaml", "./b.yaml"} {
		write(t, file, "1")
		w, err := newWatcher(func(msg string, args ...any) { t.Log(msg, args) })
		if err != nil {
			t.Fatal(err)
		}
		w.watch([]string{file})
		w.watch([]string{file})
		write(t, file, "2")
		select {
		case <-w.changed:
		case <-time.After(10 * time.Second):
			t.Errorf("a change of %s was not seen", file)
		}
		w.close()
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
