package scenario

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// Plane is a data plane that scenarios run through.
type Plane interface {
	// Name is the plane's in a scenario's sections.
	Name() string
	// Start runs the configuration conf until the test ends.
	Start(t testing.TB, conf string) Running
}

// Running is a started data plane.
type Running interface {
	// ClientURL is where clients reach it: http://host:port.
	ClientURL() string
	// ListenerURL is where clients reach the listener called name.
	ListenerURL(name string) string
	// AdminAddress is host:port of health and metrics.
	AdminAddress() string
	// Traces waits until n traces have ended since the last call and takes them.
	Traces(t testing.TB, n int) [][]Span
	// Trace waits for the one trace that has ended since the last call.
	Trace(t testing.TB) []Span
	// Shutdown drains it, at most for the time given, before the test's end does.
	Shutdown(drain time.Duration) error
	// left is how many traces were not taken.
	left() int
	// slack bounds the time of a span that its children leave uncovered.
	slack() time.Duration
}

// Native is the data plane of internal/proxy.
type Native struct{}

// Name implements Plane.
func (Native) Name() string { return "native" }

// Start implements Plane.
func (Native) Start(t testing.TB, conf string) Running { return Start(t, conf) }

func (w *Gateway) slack() time.Duration { return unexplained }

// ClientURL implements Running.
func (w *Gateway) ClientURL() string { return w.URL }

// Suite is a folder of scenarios, one txtar file each: a comment that says what it shows, and sections.
//
//	config.yaml   the native file; listeners on free ports are added
//	request       start line, headers, blank line, body; repeated for further requests, which are sent one after another.
//	              A path after "admin:" goes to the admin listener, one after "NAME:" to the listener of that name.
//	upstream      an answer of the provider: status, headers, blank line, body; repeated for further answers. The last one is
//	upstream2     given again and again. In the body, ¦ is a border between two writes and a line that starts with # is one of
//	              the directives of scripted.
//	upstream.got  what the providers received
//	client.got    what the client received
//	spans         the trace of every request, as a tree
//	metrics       counts of the Prometheus endpoint, where the file has this section
//	client.got.P  what the client of the data plane P gets in place of client.got, for the reason that the comment gives
//	spans.P       the traces of the data plane P in place of spans; empty where it carries the calls by itself and we record none
//
// ${UPSTREAM} and ${UPSTREAM2} are the providers' URLs, ${UPSTREAM_ADDRESS} and ${UPSTREAM2_ADDRESS} host and port of these, ${UPSTREAM_TLS} and ${UPSTREAM2_TLS} theirs over TLS, in HTTP/2 where the
// gateway can, with a certificate of the authority ${CA} and ${CA2}, and ${UNUSED} is one at which nothing listens. A body's last line break does
// not belong to it, save in streams. In what was received, "= request" and "= upstream" stand for a body that is byte for
// byte the one that was sent; headers that every message has are left out, and so are attributes that Check asks of every
// trace. Ids of traces and spans are replaced by names.
type Suite struct {
	Dir    string
	Update bool // write the expected sections in place of comparing them
	Split  int  // bytes of answers that are written at once; 0 = as the scenario says. What is expected does not depend on it.
}

// The sections.
const (
	sectionConfig      = "config.yaml"
	sectionRequest     = "request"
	sectionUpstream    = "upstream"
	sectionUpstream2   = "upstream2"
	sectionUpstreamGot = "upstream.got"
	sectionClientGot   = "client.got"
	sectionSpans       = "spans"
	sectionMetrics     = "metrics"
)

// Run plays every scenario of the folder through p.
func (s Suite) Run(t *testing.T, p Plane) {
	files, err := filepath.Glob(filepath.Join(s.Dir, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios in %s: %v", s.Dir, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			s.one(t, p, file)
		})
	}
}

func (s Suite) one(t *testing.T, p Plane, file string) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sc, err := parse(a)
	if err != nil {
		t.Fatal(err)
	}
	if s.Split > 0 {
		sc.split(s.Split)
	}
	for _, name := range []string{sectionClientGot, sectionSpans} {
		if own, ok := sc.expected[name+"."+p.Name()]; ok {
			sc.expected[name] = own
			sc.untraced = sc.untraced || name == sectionSpans && own == ""
		}
	}
	got := sc.play(t, p)
	if s.Update {
		if !t.Failed() {
			rewrite(t, file, a, got)
		}
		return
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if d := cmp.Diff(sc.expected[name], got[name]); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// rewrite puts got into the sections of file; new ones go to its end.
func rewrite(t *testing.T, file string, a *txtar.Archive, got map[string]string) {
	t.Helper()
	for _, name := range []string{sectionUpstreamGot, sectionClientGot, sectionSpans, sectionMetrics} {
		text, ok := got[name]
		if !ok {
			continue
		}
		i := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == name })
		if i < 0 {
			i, a.Files = len(a.Files), append(a.Files, txtar.File{Name: name})
		}
		a.Files[i].Data = []byte(text)
	}
	if err := os.WriteFile(file, txtar.Format(a), 0o600); err != nil {
		t.Fatal(err)
	}
}

// script is a parsed scenario.
type script struct {
	config   string
	requests []request
	answers  [2][]*scripted
	expected map[string]string
	untraced bool // by us: the data plane carries the calls by itself
}

func parse(a *txtar.Archive) (*script, error) {
	if strings.TrimSpace(string(a.Comment)) == "" {
		return nil, fmt.Errorf("no comment: say what the scenario shows")
	}
	sc := &script{expected: map[string]string{sectionUpstreamGot: "", sectionClientGot: "", sectionSpans: ""}}
	for _, f := range a.Files {
		text := string(f.Data)
		switch f.Name {
		case sectionConfig:
			sc.config = text
		case sectionRequest:
			r, err := parseRequest(text)
			if err != nil {
				return nil, err
			}
			sc.requests = append(sc.requests, r)
		case sectionUpstream, sectionUpstream2:
			x, err := parseAnswer(text)
			if err != nil {
				return nil, err
			}
			i := len(f.Name) - len(sectionUpstream)
			sc.answers[i] = append(sc.answers[i], x)
		case sectionUpstreamGot, sectionClientGot, sectionSpans, sectionMetrics:
			sc.expected[f.Name] = text
		case sectionClientGot + ".envoy", sectionSpans + ".envoy":
			sc.expected[f.Name] = text
		default:
			return nil, fmt.Errorf("unknown section %q", f.Name)
		}
	}
	if sc.config == "" || len(sc.requests) == 0 {
		return nil, fmt.Errorf("a scenario needs the sections %s and %s", sectionConfig, sectionRequest)
	}
	return sc, nil
}

// split cuts every answer that comes in pieces into pieces of n bytes.
func (sc *script) split(n int) {
	for _, answers := range sc.answers {
		for _, a := range answers {
			if a.inPieces() {
				a.pieces = a.cut(n)
			}
		}
	}
}

// play runs sc through p and returns the sections as they are.
func (sc *script) play(t *testing.T, p Plane) map[string]string {
	w := &stage{script: sc}
	vars := []string{"${UNUSED}", "http://" + Unused(t)}
	for i, name := range []string{"${UPSTREAM}", "${UPSTREAM2}"} {
		w.providers[i] = StartUpstream(t, acts(sc.answers[i])...)
		vars = append(vars, name, w.providers[i].URL, strings.TrimSuffix(name, "}")+"_ADDRESS}", strings.TrimPrefix(w.providers[i].URL, "http://"))
		if of := strings.TrimSuffix(name, "}"); strings.Contains(sc.config, of+"_TLS}") {
			front := w.providers[i].secure(t)
			vars = append(vars, of+"_TLS}", front.url, strings.Replace(of, "UPSTREAM", "CA", 1)+"}", front.ca)
		}
	}
	w.run = p.Start(t, "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\n"+strings.NewReplacer(vars...).Replace(sc.config))
	w.client = sceneClient(t)
	for i := range sc.requests {
		w.exchange(t, &sc.requests[i])
	}
	got := map[string]string{sectionUpstreamGot: w.upstreamText(), sectionClientGot: w.clientText(), sectionSpans: w.spansText()}
	if _, ok := sc.expected[sectionMetrics]; ok {
		got[sectionMetrics] = w.metricsText(t)
	}
	names := w.names(vars)
	for name := range got {
		got[name] = names.Replace(got[name])
	}
	return got
}
