package ir

import (
	_ "embed"
	"fmt"
	"os"
	"reflect"
	"strings"
)

// MaxFile bounds a configuration file, in bytes.
const MaxFile = 4 << 20

// LoadOptions says what a file may refer to.
type LoadOptions struct {
	// Getenv looks up the variable of ${VAR}; nil is os.LookupEnv.
	Getenv func(string) (string, bool)
	// ReadFile reads the file of ${file:PATH}, certificates and keys; nil is os.ReadFile.
	ReadFile func(string) ([]byte, error)
	// Providers are the names of the provider table; nil accepts any.
	Providers []string
	// CheckMatch says what is wrong with the CEL expression of telemetry.tail.match; nil accepts any.
	CheckMatch func(string) error
	// Dir is where relative paths start: the folder of the file; "" is the current one.
	Dir string
}

//go:embed default.yaml
var defaultYAML string

// defaultName is what messages call the default configuration.
const defaultName = "default.yaml"

// Default returns the default configuration in YAML: what an empty file means.
func Default() []byte { return []byte(defaultYAML) }

// Load reads the native file, called name in messages, into a complete configuration. The error is a [Problems] with
// everything that is wrong.
func Load(name string, data []byte, o LoadOptions) (*Gateway, error) {
	if o.Getenv == nil {
		o.Getenv = os.LookupEnv
	}
	if o.ReadFile == nil {
		o.ReadFile = os.ReadFile
	}
	d := newDecoder(name, o)
	if len(data) > MaxFile {
		d.add("", Problem{Message: fmt.Sprintf("the file is larger than %d MiB", MaxFile>>20)})
		return nil, d.problems
	}
	var f file
	if d.document(data, &f) && d.nodes <= maxNodes {
		d.fillIn(&f)
		v := validator{decoder: d, file: &f}
		v.validate()
	}
	if len(d.problems) > 0 {
		d.problems.sort()
		if d.more {
			d.problems = append(d.problems, Problem{File: name, Line: 1, Column: 1, Message: "and more problems than are told here"})
		}
		return nil, d.problems
	}
	return f.gateway(&o), nil
}

// newDecoder returns a decoder for the file called name.
func newDecoder(name string, o LoadOptions) *decoder {
	return &decoder{
		file: name, options: o, at: make(map[string]place), told: make(map[string]bool),
		types: make(map[reflect.Type]*rules),
	}
}

// document reads data into f, and reports whether it is YAML at all.
func (d *decoder) document(data []byte, f *file) bool {
	n, ok := d.root(data)
	if ok {
		d.value(n, "", settable(f), &rule{})
	}
	return ok
}

// fillIn takes what f leaves out and tags cannot say from the default configuration: listener, backends, and routes when
// the backends are not the file's own.
func (d *decoder) fillIn(f *file) {
	if f.Listen == "" && len(f.Listeners) == 0 {
		f.Listen = "127.0.0.1:8080"
	}
	if f.Backends != nil {
		return
	}
	var standard file
	in := newDecoder(defaultName, d.options)
	in.document([]byte(defaultYAML), &standard)
	f.Backends = standard.Backends
	if f.Routes == nil {
		f.Routes = standard.Routes
	}
	for field, at := range in.at {
		top, _, _ := strings.Cut(field, ".")
		if _, own := d.at[field]; !own && (top == "backends" || strings.HasPrefix(top, "routes[")) {
			d.at[field] = at
		}
	}
	d.problems = append(d.problems, in.problems...)
}
