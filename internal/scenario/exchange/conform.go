package exchange

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/llm"
)

// Bounds of the two-part splits of one response: past them, offsets are sampled evenly. Reading byte by byte covers every
// boundary of every response all the same.
const (
	splitWork = 1 << 20 // bytes read
	fewSplits = 16      // of a response that is one frame
)

// Conform parses and reads every exchange through in and out and compares attributes and messages with what is expected:
// whole, in two parts at each offset, byte by byte, and in random pieces, with and without content. api maps a recording's
// wire format to the dialect's.
func Conform(t *testing.T, all []*Exchange, in llm.Inbound, out llm.Outbound, api func(*Exchange) llm.API) {
	t.Helper()
	for _, x := range all {
		t.Run(string(x.API)+"/"+x.ID, func(t *testing.T) {
			t.Parallel()
			conform(t, x, in, out, api(x))
		})
	}
}

func conform(t *testing.T, x *Exchange, in llm.Inbound, out llm.Outbound, api llm.API) {
	h := x.Request.Head()
	req, err := in.ParseRequest(api, h, x.Request.Body)
	if err != nil {
		t.Fatalf("parse request: %v", err)
	}
	for _, want := range []llm.Want{llm.WantMeta, llm.WantParts} {
		var whole map[string]any
		var messages []llm.Message
		check := func(how string, pieces [][]byte) {
			res := Read(t, out.NewReader(api, x.Response.Head(), want), pieces)
			attrs := Attributes(req, res, req.Op, x.Provider, x.Response.Status)
			if whole == nil {
				whole, messages = attrs, res.Messages()
				for _, d := range x.Diff(attrs) {
					t.Error(d)
				}
				if want == llm.WantParts {
					for _, d := range x.DiffMessages(messages) {
						t.Error(d)
					}
				}
				return
			}
			if got := res.Messages(); !reflect.DeepEqual(whole, attrs) || !reflect.DeepEqual(messages, got) {
				t.Errorf("%s: not what the whole body says:\n%s%s", how, cmp.Diff(whole, attrs), cmp.Diff(messages, got))
			}
		}
		splits := fewSplits
		if x.Stream {
			splits = len(x.Response.Body)
		}
		Chunkings(x.Response.Body, splits, check)
	}
}

// Chunkings calls check for the ways in which a body can arrive, the whole body first, with at most about splits ways to cut
// it in two.
func Chunkings(body []byte, splits int, check func(how string, pieces [][]byte)) {
	check("whole", [][]byte{body})
	check("byte by byte", slices.Collect(slices.Chunk(body, 1)))
	step := max(1, len(body)*len(body)/splitWork, len(body)/max(1, splits))
	for i := step; i < len(body); i += step {
		check("in two", [][]byte{body[:i], body[i:]})
	}
	rng := rand.New(rand.NewPCG(1, uint64(len(body))))
	for range 4 {
		var pieces [][]byte
		for rest := body; len(rest) > 0; {
			n := min(len(rest), 1+rng.IntN(200))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		check("in random pieces", pieces)
	}
}

// Read feeds pieces to r, folds its events with their content, and fails the test when the events' bytes are not exactly
// the input's. Each piece is overwritten once read, for readers may not keep it.
func Read(t testing.TB, r llm.Reader, pieces [][]byte) *llm.Result {
	t.Helper()
	res := new(llm.Result)
	var raw, in []byte
	emit := func(ev *llm.Event) error {
		raw = append(raw, ev.Raw...)
		res.Add(ev)
		res.Content(ev)
		return nil
	}
	var scratch []byte
	for i, p := range pieces {
		in = append(in, p...)
		scratch = append(scratch[:0], p...)
		if err := r.Read(scratch, i == len(pieces)-1, emit); err != nil {
			t.Fatalf("read: %v", err)
		}
		for j := range scratch {
			scratch[j] = '!'
		}
	}
	if len(pieces) == 0 {
		if err := r.Read(nil, true, emit); err != nil {
			t.Fatalf("read: %v", err)
		}
	}
	if !bytes.Equal(raw, in) {
		t.Errorf("the events' bytes are not the response's: %d bytes in, %d out", len(in), len(raw))
	}
	res.Truncated = res.Truncated || r.Truncated()
	return res
}
