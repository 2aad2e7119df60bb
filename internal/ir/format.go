package ir

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/parser"
)

// command is one of Envoy's command operators: a name, arguments, the longest length.
var command = regexp.MustCompile(`^%([A-Z0-9_]+)(?:\((.*?)\))?(:[0-9]+)?%`)

// Command operators of Envoy 1.40 for access logs (its documentation, "Access logging", and what the program itself takes).
var (
	// plainCommands have neither arguments nor a length.
	plainCommands = strings.Fields(`ACCESS_LOG_TYPE BYTES_RECEIVED BYTES_RETRANSMITTED BYTES_SENT CONNECTION_ID CONNECTION_TERMINATION_DETAILS
		CUSTOM_FLAGS DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT DOWNSTREAM_DETECTED_CLOSE_TYPE
		DOWNSTREAM_DIRECT_LOCAL_ADDRESS DOWNSTREAM_DIRECT_LOCAL_PORT DOWNSTREAM_DIRECT_REMOTE_ADDRESS DOWNSTREAM_DIRECT_REMOTE_PORT
		DOWNSTREAM_HANDSHAKE_DURATION DOWNSTREAM_HEADER_BYTES_RECEIVED DOWNSTREAM_HEADER_BYTES_SENT DOWNSTREAM_LOCAL_ADDRESS
		DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID DOWNSTREAM_LOCAL_CLOSE_REASON DOWNSTREAM_LOCAL_DNS_SAN DOWNSTREAM_LOCAL_EMAIL_SAN
		DOWNSTREAM_LOCAL_IP_SAN DOWNSTREAM_LOCAL_OTHERNAME_SAN DOWNSTREAM_LOCAL_PORT DOWNSTREAM_LOCAL_SUBJECT DOWNSTREAM_LOCAL_URI_SAN
		DOWNSTREAM_PEER_CERT DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1 DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256 DOWNSTREAM_PEER_CHAIN_SERIALS
		DOWNSTREAM_PEER_DNS_SAN DOWNSTREAM_PEER_EMAIL_SAN DOWNSTREAM_PEER_FINGERPRINT_1 DOWNSTREAM_PEER_FINGERPRINT_256 DOWNSTREAM_PEER_IP_SAN
		DOWNSTREAM_PEER_ISSUER DOWNSTREAM_PEER_OTHERNAME_SAN DOWNSTREAM_PEER_SERIAL DOWNSTREAM_PEER_SUBJECT DOWNSTREAM_PEER_URI_SAN
		DOWNSTREAM_REMOTE_ADDRESS DOWNSTREAM_REMOTE_PORT DOWNSTREAM_TLS_CIPHER DOWNSTREAM_TLS_SESSION_ID DOWNSTREAM_TLS_VERSION
		DOWNSTREAM_TRANSPORT_FAILURE_REASON DOWNSTREAM_WIRE_BYTES_RECEIVED DOWNSTREAM_WIRE_BYTES_SENT DURATION FILTER_CHAIN_NAME GRPC_STATUS_NUMBER
		HOSTNAME LOCAL_REPLY_BODY PACKETS_RETRANSMITTED PROTOCOL REQUESTED_SERVER_NAME REQUEST_DURATION REQUEST_HEADERS_BYTES REQUEST_TX_DURATION
		RESPONSE_CODE RESPONSE_DURATION RESPONSE_FLAGS RESPONSE_FLAGS_LONG RESPONSE_HEADERS_BYTES RESPONSE_TRAILERS_BYTES RESPONSE_TX_DURATION
		ROUNDTRIP_DURATION ROUTE_NAME SPAN_ID STREAM_ID TLS_JA3_FINGERPRINT TLS_JA4_FINGERPRINT TRACE_ID UNIQUE_ID UPSTREAM_CLUSTER
		UPSTREAM_CLUSTER_RAW UPSTREAM_CONNECTION_ID UPSTREAM_CONNECTION_IDS_ATTEMPTED UPSTREAM_CONNECTION_POOL_READY_DURATION
		UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT UPSTREAM_DETECTED_CLOSE_TYPE
		UPSTREAM_HEADER_BYTES_RECEIVED UPSTREAM_HEADER_BYTES_SENT UPSTREAM_HOST UPSTREAM_HOSTS_ATTEMPTED UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT
		UPSTREAM_HOST_NAME UPSTREAM_HOST_NAMES_ATTEMPTED UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT UPSTREAM_HOST_NAME_WITHOUT_PORT
		UPSTREAM_LOCAL_ADDRESS UPSTREAM_LOCAL_CLOSE_REASON UPSTREAM_LOCAL_DNS_SAN UPSTREAM_LOCAL_IP_SAN UPSTREAM_LOCAL_PORT UPSTREAM_LOCAL_URI_SAN
		UPSTREAM_PEER_CERT UPSTREAM_PEER_DNS_SAN UPSTREAM_PEER_IP_SAN UPSTREAM_PEER_ISSUER UPSTREAM_PEER_SUBJECT UPSTREAM_PEER_URI_SAN
		UPSTREAM_PROTOCOL UPSTREAM_REMOTE_ADDRESS UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID UPSTREAM_REMOTE_PORT UPSTREAM_REQUEST_ATTEMPT_COUNT
		UPSTREAM_SERVER_NAME UPSTREAM_TLS_CIPHER UPSTREAM_TLS_SESSION_ID UPSTREAM_TLS_VERSION UPSTREAM_TRANSPORT_FAILURE_REASON
		UPSTREAM_WIRE_BYTES_RECEIVED UPSTREAM_WIRE_BYTES_SENT VIRTUAL_CLUSTER_NAME`)
	// openCommands may have arguments.
	openCommands = strings.Fields(`DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT
		DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT DOWNSTREAM_PEER_CERT_V_END DOWNSTREAM_PEER_CERT_V_START DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT
		EMIT_TIME EMIT_TIME_LOCAL GRPC_STATUS PATH QUERY_PARAMS RESPONSE_CODE_DETAILS START_TIME START_TIME_LOCAL
		UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT UPSTREAM_PEER_CERT_V_END UPSTREAM_PEER_CERT_V_START UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT`)
	// headerCommands have the name of a header for an argument, and perhaps that of another one instead of it.
	headerCommands = strings.Fields(`REQ REQUEST_HEADER REQ_WITHOUT_QUERY RESP RESPONSE_HEADER RESPONSE_TRAILER TRAILER`)
	// askingCommands have arguments.
	askingCommands = strings.Fields(`CEL CLUSTER_METADATA COALESCE COMMON_DURATION DYNAMIC_METADATA ENVIRONMENT FILTER_STATE METADATA QUERY_PARAM
		UPSTREAM_FILTER_STATE UPSTREAM_METADATA`)

	headerArguments = regexp.MustCompile("^:?[A-Za-z0-9!#$%&'*+.^_`|~-]+(\\?:?[A-Za-z0-9!#$%&'*+.^_`|~-]+)?$")
)

// CheckFormat is what Envoy would refuse a format of access logs for, with the whole configuration around it: a percent sign that
// begins no command operator, an operator that there is none of, arguments where none can be or the lack of them. nil = nothing that
// can be told from here.
func CheckFormat(format string) error {
	for {
		i := strings.IndexByte(format, '%')
		if i < 0 {
			return nil
		}
		format = format[i:]
		if rest, ok := strings.CutPrefix(format, "%%"); ok {
			format = rest
			continue
		}
		m := command.FindStringSubmatchIndex(format)
		if m == nil {
			return fmt.Errorf("%q begins no command operator of Envoy's; a percent sign is written %%%%", head(format))
		}
		part := func(n int) (string, bool) {
			if m[2*n] < 0 {
				return "", false
			}
			return format[m[2*n]:m[2*n+1]], true
		}
		name, _ := part(1)
		arguments, has := part(2)
		_, length := part(3)
		if err := checkCommand(name, arguments, has || length); err != nil {
			return err
		}
		format = format[m[1]:]
	}
}

// head is the beginning of a text, to be shown.
func head(s string) string {
	if len(s) > 32 {
		return s[:32]
	}
	return s
}

func checkCommand(name, arguments string, more bool) error {
	switch {
	case slices.Contains(plainCommands, name):
		if more {
			return fmt.Errorf("%%%s%% has no arguments and no length", name)
		}
	case slices.Contains(headerCommands, name):
		if !headerArguments.MatchString(arguments) {
			return fmt.Errorf("%%%s(…)%% needs the name of a header, or two with a question mark between them", name)
		}
	case slices.Contains(askingCommands, name):
		if arguments == "" {
			return fmt.Errorf("%%%s(…)%% needs arguments", name)
		}
		if name == "CEL" {
			return CheckExpression(arguments)
		}
	case !slices.Contains(openCommands, name):
		return fmt.Errorf("there is no command operator %%%s%%", name)
	}
	return nil
}

// functions are what Envoy's expressions can call beside operators, with the least and the greatest number of arguments, that before
// the dot included: CEL's standard library but string, and the extension re.
var functions = map[string][2]int{
	"bool": {1, 1}, "bytes": {1, 1}, "double": {1, 1}, "duration": {1, 1}, "dyn": {1, 1}, "int": {1, 1}, "timestamp": {1, 1}, "type": {1, 1}, "uint": {1, 1},
	"contains": {2, 2}, "endsWith": {2, 2}, "matches": {2, 2}, "size": {1, 1}, "startsWith": {2, 2},
	"getDate": {1, 2}, "getDayOfMonth": {1, 2}, "getDayOfWeek": {1, 2}, "getDayOfYear": {1, 2}, "getFullYear": {1, 2}, "getHours": {1, 2},
	"getMilliseconds": {1, 2}, "getMinutes": {1, 2}, "getMonth": {1, 2}, "getSeconds": {1, 2},
	"capture": {3, 3}, "captureN": {3, 3}, "extract": {4, 4},
}

// identifier is a function's name; operators have others.
var identifier = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

// CheckExpression is what Envoy would refuse an expression in CEL for: its syntax, a function that there is none of or that has other
// arguments, a pattern, or a look at each element of a list. nil = nothing that can be told from here; types are not looked at.
func CheckExpression(text string) error {
	p, err := parser.NewParser(parser.Macros(parser.AllMacros...))
	if err != nil {
		return err
	}
	tree, issues := p.Parse(common.NewTextSource(text))
	if found := issues.GetErrors(); len(found) > 0 {
		return fmt.Errorf("column %d: %s", found[0].Location.Column()+1, strings.TrimPrefix(found[0].Message, "Syntax error: "))
	}
	ast.PostOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch {
		case err != nil:
		case e.Kind() == ast.ComprehensionKind:
			err = errors.New("all, exists, exists_one, map and filter are not to be had in Envoy")
		case e.Kind() == ast.CallKind:
			err = checkCall(e.AsCall())
		}
	}))
	return err
}

func checkCall(c ast.CallExpr) error {
	name, arguments := c.FunctionName(), c.Args()
	if c.IsMemberFunction() {
		arguments = append([]ast.Expr{c.Target()}, arguments...)
	}
	if !identifier.MatchString(name) {
		return nil
	}
	n, known := functions[name]
	switch {
	case !known:
		return fmt.Errorf("there is no function %s", name)
	case len(arguments) < n[0] || len(arguments) > n[1]:
		return fmt.Errorf("%s has another number of arguments", name)
	case name == "matches" && arguments[1].Kind() == ast.LiteralKind:
		if pattern, ok := arguments[1].AsLiteral().Value().(string); ok {
			return CheckRegex(pattern)
		}
	}
	return nil
}

// maxProgram bounds a regular expression: it keeps it well below what RE2 compiles with the memory that Envoy gives it.
const maxProgram = 20_000

// CheckRegex is what is wrong with a regular expression in RE2's syntax, which has no lookaround and no backreferences: how it is
// written, or that it is too large for Envoy. nil = nothing.
func CheckRegex(text string) error {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return err
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return err
	}
	size := len(program.Inst)
	for i := range program.Inst {
		size += len(program.Inst[i].Rune) / 2 // RE2 has instructions for each range
	}
	if size > maxProgram {
		return fmt.Errorf("the regular expression is too large: about %d steps, of %d at most", size, maxProgram)
	}
	return nil
}
