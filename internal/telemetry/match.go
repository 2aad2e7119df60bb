package telemetry

import (
	"errors"
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
)

// Bounds of telemetry.tail.match.
const (
	maxMatch     = 4096      // bytes of the expression
	maxMatchCost = 1_000_000 // of one evaluation, in CEL's units: about one for a comparison or a byte's tenth of a search
)

// variables are what an expression knows of a finished call. What a call does not have is "", 0 or false: attributes tells
// it apart.
var variables = [...]struct {
	name  string
	kind  *cel.Type
	value func(*finished) any
}{
	{"outcome", cel.StringType, func(c *finished) any { return c.text(SpanwayOutcome) }},
	{"route", cel.StringType, func(c *finished) any { return c.text(SpanwayRoute) }},
	{"backend", cel.StringType, func(c *finished) any { return c.tried(SpanwayBackend, SpanwayBackend) }},
	{"provider", cel.StringType, func(c *finished) any { return c.tried(GenAIProviderName, SpanwayProvider) }},
	{"model", cel.StringType, func(c *finished) any { return c.text(GenAIRequestModel) }},
	{"operation", cel.StringType, func(c *finished) any { return c.text(GenAIOperationName) }},
	{"error_type", cel.StringType, func(c *finished) any { return c.text(ErrorType) }},
	{"status", cel.IntType, func(c *finished) any { return c.int(HTTPResponseStatusCode) }},
	{"attempts", cel.IntType, func(c *finished) any { return c.attempts() }},
	{"duration", cel.DoubleType, func(c *finished) any { return c.duration().Seconds() }},
	{"time_to_first_chunk", cel.DoubleType, func(c *finished) any { return c.float(GenAIResponseTimeToFirstChunk) }},
	{"input_tokens", cel.IntType, func(c *finished) any { return c.int(GenAIUsageInputTokens) }},
	{"output_tokens", cel.IntType, func(c *finished) any { return c.int(GenAIUsageOutputTokens) }},
	{"cost", cel.DoubleType, func(c *finished) any { return c.float(SpanwayCostUSD) }},
	{"stream", cel.BoolType, func(c *finished) any { return c.int(GenAIRequestStream) != 0 }},
	{"guardrail", cel.StringType, func(c *finished) any { return c.guardrail() }},
	{"attributes", cel.MapType(cel.StringType, cel.DynType), func(c *finished) any { return c.attributes() }},
}

// matcher is a compiled expression over a finished call. It is safe for concurrent use.
type matcher struct {
	program cel.Program
}

// CheckMatch reports what is wrong with a CEL expression for telemetry.tail.match, with line and column inside it: its
// syntax, a name that there is not, a result that is not a Boolean.
func CheckMatch(expression string) error {
	_, err := newMatcher(expression)
	return err
}

func newMatcher(expression string) (*matcher, error) {
	if len(expression) > maxMatch {
		return nil, fmt.Errorf("a CEL expression of %d bytes, more than %d", len(expression), maxMatch)
	}
	o := []cel.EnvOption{cel.CrossTypeNumericComparisons(true)}
	for _, v := range variables {
		o = append(o, cel.Variable(v.name, v.kind))
	}
	env, err := cel.NewEnv(o...)
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(expression)
	if issues.Err() != nil {
		return nil, wrong(issues)
	}
	if !ast.OutputType().IsExactType(cel.BoolType) {
		return nil, fmt.Errorf("a CEL expression that gives %s, not a bool", ast.OutputType())
	}
	// Constant parts, regular expressions among them, are worked out here, and their errors told.
	p, err := env.Program(ast, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxMatchCost))
	if err != nil {
		return nil, fmt.Errorf("not a CEL expression: %w", err)
	}
	return &matcher{program: p}, nil
}

// wrong tells the problems that the compiler found, on one line.
func wrong(issues *cel.Issues) error {
	var b strings.Builder
	for i, e := range issues.Errors() {
		if i > 0 {
			b.WriteString("; ")
		}
		message := strings.Join(strings.Fields(e.Message), " ")
		fmt.Fprintf(&b, "at %d:%d: %s", e.Location.Line(), max(e.Location.Column(), 0)+1, message)
	}
	return errors.New("not a CEL expression: " + b.String())
}

// matches evaluates the expression. An error is one of the call's own values, such as an attribute that it does not have, or
// that the evaluation was stopped at its bound.
func (m *matcher) matches(c finished) (bool, error) {
	v, _, err := m.program.Eval(&c)
	if err != nil {
		return false, err
	}
	yes, _ := v.Value().(bool) // always one: newMatcher takes no other
	return yes, nil
}

// ResolveName implements cel.Activation: only what an expression names is looked up.
func (c *finished) ResolveName(name string) (any, bool) {
	for i := range variables {
		if variables[i].name == name {
			return variables[i].value(c), true
		}
	}
	return nil, false
}

// Parent implements cel.Activation.
func (c *finished) Parent() cel.Activation { return nil }

// tried is the attribute onCall of the logical span, or onAttempt of the last attempt where there is no logical span.
func (c *finished) tried(onCall, onAttempt Key) string {
	if v := c.text(onCall); v != "" || c.call != c.root {
		return v
	}
	if a := c.attempt.Get(onAttempt); a != nil {
		return a.Str
	}
	return ""
}

// attempts counts the requests to providers.
func (c *finished) attempts() (n int64) {
	for i := range c.trace.Spans {
		if c.trace.Spans[i].Get(SpanwayAttempt) != nil {
			n++
		}
	}
	return n
}

// guardrail is the strongest thing that a guardrail did: rejected, masked, passed; "" when none ran.
func (c *finished) guardrail() string {
	found := ""
	for i := range c.trace.Spans {
		a := c.trace.Spans[i].Get(SpanwayGuardrailResult)
		if a != nil && (found == "" || found == "passed" || a.Str == "rejected") {
			found = a.Str
		}
	}
	return found
}

// attributes are those of SERVER and of the logical span, by name; where both have one, the logical span's.
func (c *finished) attributes() map[string]any {
	m := make(map[string]any, len(c.root.Attrs)+len(c.call.Attrs))
	for _, s := range [...]*Span{c.root, c.call} {
		for i := range s.Attrs {
			m[s.Attrs[i].Key.String()] = s.Attrs[i].value()
		}
	}
	return m
}

// value is a's value as its Go type.
func (a *Attr) value() any {
	switch a.Type {
	case TypeInt:
		return a.Int()
	case TypeFloat:
		return a.Float()
	case TypeBool:
		return a.Bool()
	case TypeStrings:
		return a.Strs
	}
	return a.Str
}
