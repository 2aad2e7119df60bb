package extproc

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// requests are of each kind that Envoy sends.
func requests(tb testing.TB) (out [][]byte) {
	tb.Helper()
	told, err := structpb.NewStruct(map[string]any{"source.address": "127.0.0.1:5", "response.flags": 8388608, "true": true, "none": nil})
	if err != nil {
		tb.Fatal(err)
	}
	head := &extprocv3.HttpHeaders{EndOfStream: true, Headers: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{
		{Key: ":method", RawValue: []byte("POST")}, {Key: ":path", Value: "/v1"}, {Key: "x", Value: "text", RawValue: []byte("raw \xff")}, {Key: "empty"}}}}
	for _, m := range []*extprocv3.ProcessingRequest{
		{Request: &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: head}, Attributes: map[string]*structpb.Struct{"envoy.filters.http.ext_proc": told}},
		{Request: &extprocv3.ProcessingRequest_ResponseHeaders{ResponseHeaders: &extprocv3.HttpHeaders{}}, ObservabilityMode: true},
		{Request: &extprocv3.ProcessingRequest_RequestBody{RequestBody: &extprocv3.HttpBody{Body: bytes.Repeat([]byte("body"), 9000), EndOfStream: true}}},
		{Request: &extprocv3.ProcessingRequest_ResponseBody{ResponseBody: &extprocv3.HttpBody{Body: []byte("chunk")}},
			ProtocolConfig: &extprocv3.ProtocolConfiguration{SendBodyWithoutWaitingForHeaderResponse: true}},
		{Request: &extprocv3.ProcessingRequest_ResponseTrailers{ResponseTrailers: &extprocv3.HttpTrailers{Trailers: &corev3.HeaderMap{}}}},
		{Request: &extprocv3.ProcessingRequest_RequestTrailers{RequestTrailers: &extprocv3.HttpTrailers{}}},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

// generated is what the generated types make of a message.
func generated(r *extprocv3.ProcessingRequest) (m message) {
	head := func(k kind, h *extprocv3.HttpHeaders) {
		m.kind, m.last = k, h.GetEndOfStream()
		for _, f := range h.GetHeaders().GetHeaders() {
			v := f.GetValue()
			if len(f.GetRawValue()) > 0 {
				v = string(f.GetRawValue())
			}
			m.fields = append(m.fields, field{f.GetKey(), v})
		}
	}
	switch r := r.Request.(type) {
	case *extprocv3.ProcessingRequest_RequestHeaders:
		head(requestHead, r.RequestHeaders)
	case *extprocv3.ProcessingRequest_ResponseHeaders:
		head(responseHead, r.ResponseHeaders)
	case *extprocv3.ProcessingRequest_RequestBody:
		m.kind, m.body, m.last = requestBody, r.RequestBody.GetBody(), r.RequestBody.GetEndOfStream()
	case *extprocv3.ProcessingRequest_ResponseBody:
		m.kind, m.body, m.last = responseBody, r.ResponseBody.GetBody(), r.ResponseBody.GetEndOfStream()
	case *extprocv3.ProcessingRequest_RequestTrailers:
		m.kind = requestTrailers
	case *extprocv3.ProcessingRequest_ResponseTrailers:
		m.kind = responseTrailers
	}
	return m
}

// TestMessageKeepsWhatItMay: strings and the body of a request outlive the next message, whatever becomes of the buffers.
func TestMessageKeepsWhatItMay(t *testing.T) {
	for _, pieces := range []int{1, 3} {
		var m message
		come := func(b []byte) {
			b = bytes.Clone(b)
			var data mem.BufferSlice
			for i := range pieces {
				data = append(data, mem.SliceBuffer(b[len(b)*i/pieces:len(b)*(i+1)/pieces]))
			}
			if err := m.unmarshal(data); err != nil {
				t.Fatal(err)
			}
			clear(b)
		}
		all := requests(t)
		come(all[0])
		path, source := m.fields[1], m.attributes.text("source.address")
		if n := m.attributes.number("response.flags"); n != 8388608 || m.attributes.text("true") != "" {
			t.Errorf("attributes: %+v", m.attributes)
		}
		come(all[2])
		body := m.body
		come(all[3])
		if string(m.body) != "chunk" {
			t.Errorf("body %q", m.body)
		}
		if path != (field{":path", "/v1"}) || source != "127.0.0.1:5" || string(body) != strings.Repeat("body", 9000) {
			t.Errorf("with %d pieces: path %v, source %q, %d bytes of body", pieces, path, source, len(body))
		}
	}
}

// FuzzMessage: a message is read as the generated types read it, and nothing makes reading panic.
func FuzzMessage(f *testing.F) {
	for _, b := range requests(f) {
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m message
		_ = m.decode(b, false) // whether it is one is not asked here
		var r extprocv3.ProcessingRequest
		if proto.Unmarshal(b, &r) != nil {
			return
		}
		plain, err := proto.Marshal(&r) // fields that came twice are one
		if err != nil {
			t.Fatal(err)
		}
		if err := m.decode(plain, true); err != nil {
			t.Fatalf("%x: %v", plain, err)
		}
		want, got := generated(&r), message{kind: m.kind, fields: append([]field(nil), m.fields...), body: m.body, last: m.last}
		if got.kind != want.kind || got.last != want.last || !bytes.Equal(got.body, want.body) || !cmp.Equal(got.fields, want.fields, cmp.AllowUnexported(field{})) {
			t.Errorf("%x: got %+v, want %+v", plain, got, want)
		}
		for _, s := range r.Attributes {
			for name := range s.GetFields() {
				found := false
				for _, o := range r.Attributes { // of several filters any may be first
					v := o.GetFields()[name]
					found = found || v != nil && m.attributes.text(name) == v.GetStringValue() && (m.attributes.number(name) == v.GetNumberValue() || v.GetNumberValue() != v.GetNumberValue())
				}
				if !found {
					t.Errorf("attribute %q: %+v, want one of %v", name, m.attributes.of(name), r.Attributes)
				}
			}
		}
	})
}

// FuzzAnswer: the generated types read what is written.
func FuzzAnswer(f *testing.F) {
	f.Add(uint8(2), "x-a", "1", "x-b", []byte("{}"), true, true, 0)
	f.Add(uint8(5), "", "", "", bytes.Repeat([]byte("b"), 100), false, true, 0)
	f.Add(uint8(5), "", "", "", bytes.Repeat([]byte("b"), 70000), true, false, 0)
	f.Add(uint8(8), "content-type", strings.Repeat("v", 200), "", []byte("error"), false, false, 503)
	f.Fuzz(func(t *testing.T, k uint8, name, value, removed string, body []byte, one, two bool, status int) {
		if k < 2 || k == 6 || k == 7 || k > 8 || status < 0 || status > 999 || !utf8.ValidString(name) || !utf8.ValidString(removed) || !utf8.ValidString(value) {
			return
		}
		a := newAnswer(kind(k), 1)
		a.putAll(name, []string{value, name})
		a.put(removed, value)
		a.drop(removed)
		a.route, a.replace, a.last, a.hasBody, a.body, a.status, a.details = one, two, two, one, body, status, name
		if a.kind == immediateReply {
			a.hasBody = true
		}
		if !a.hasBody {
			a.body = nil
		}
		if two {
			a.metadata = appendTexts(nil, "space", "k", value, "", name)
		}
		var got extprocv3.ProcessingResponse
		if err := proto.Unmarshal(a.marshal().Materialize(), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(asGenerated(a, value, name), &got, protocmp.Transform()); diff != "" {
			t.Errorf("-want +got: %s", diff)
		}
	})
}

// asGenerated is a by the generated types.
func asGenerated(a *answer, value, name string) *extprocv3.ProcessingResponse {
	m := &extprocv3.HeaderMutation{RemoveHeaders: a.remove}
	for _, s := range a.set {
		o := &corev3.HeaderValueOption{Header: &corev3.HeaderValue{Key: s.name, RawValue: []byte(s.value)}}
		if s.beside {
			o.Append = wrapperspb.Bool(true) //nolint:staticcheck // as Envoy 1.40 wants it
		} else {
			o.AppendAction = corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD
		}
		m.SetHeaders = append(m.SetHeaders, o)
	}
	r := &extprocv3.ProcessingResponse{}
	if len(a.metadata) > 0 {
		r.DynamicMetadata = &structpb.Struct{Fields: map[string]*structpb.Value{"space": structpb.NewStructValue(&structpb.Struct{
			Fields: map[string]*structpb.Value{"k": structpb.NewStringValue(value), "": structpb.NewStringValue(name)}})}}
	}
	c := &extprocv3.CommonResponse{HeaderMutation: m, ClearRouteCache: a.route}
	if a.replace {
		c.Status = extprocv3.CommonResponse_CONTINUE_AND_REPLACE
	}
	switch {
	case a.hasBody && a.kind == responseBody:
		c.BodyMutation = &extprocv3.BodyMutation{Mutation: &extprocv3.BodyMutation_StreamedResponse{
			StreamedResponse: &extprocv3.StreamedBodyResponse{Body: a.body, EndOfStream: a.last}}}
	case a.hasBody:
		c.BodyMutation = &extprocv3.BodyMutation{Mutation: &extprocv3.BodyMutation_Body{Body: a.body}}
	}
	switch a.kind {
	case requestHead:
		r.Response = &extprocv3.ProcessingResponse_RequestHeaders{RequestHeaders: &extprocv3.HeadersResponse{Response: c}}
	case responseHead:
		r.Response = &extprocv3.ProcessingResponse_ResponseHeaders{ResponseHeaders: &extprocv3.HeadersResponse{Response: c}}
	case requestBody:
		r.Response = &extprocv3.ProcessingResponse_RequestBody{RequestBody: &extprocv3.BodyResponse{Response: c}}
	case responseBody:
		r.Response = &extprocv3.ProcessingResponse_ResponseBody{ResponseBody: &extprocv3.BodyResponse{Response: c}}
	case immediateReply:
		r.Response = &extprocv3.ProcessingResponse_ImmediateResponse{ImmediateResponse: &extprocv3.ImmediateResponse{
			Status: &typev3.HttpStatus{Code: typev3.StatusCode(a.status)}, Headers: m, Body: a.body, Details: a.details}}
	}
	return r
}
