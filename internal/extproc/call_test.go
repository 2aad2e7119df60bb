package extproc

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
)

// TestCall carries one call from its head to its end.
func TestCall(t *testing.T) {
	f := start(t, "")
	c := f.call(chat)
	common := c.answer.GetRequestBody().GetResponse()
	if body := common.GetBodyMutation().GetBody(); string(body) != "{}" || !common.ClearRouteCache {
		t.Errorf("R lets the body %q through, clears the route: %v", body, common.ClearRouteCache)
	}
	want := `-api-key
-authorization
-content-length
-cookie
-proxy-authorization
-x-amz-date
-x-amz-security-token
-x-api-key
-x-goog-api-key
-x-spanway-request-id
-x-spanway-span
:path: /r/v1/chat/completions
x-spanway-route: r`
	if d := cmp.Diff(want, mutated(common.HeaderMutation)); d != "" {
		t.Errorf("what R changes of the request (-want +got):\n%s", d)
	}
	if got := namesOf(c.plan); got != "a b a" {
		t.Errorf("plan %q", got)
	}

	u := c.attempt(1)
	u.ask()
	m := u.recv()
	common = m.GetRequestHeaders().GetResponse()
	got := mutated(common.HeaderMutation)
	for _, line := range []string{":authority: a.test", ":method: POST", ":path: /v1/chat/completions", "authorization: Bearer sk-house-a", "-x-api-key",
		"-x-request-id", "-x-spanway-route", "content-type: application/json", "accept-encoding: identity"} {
		if !strings.Contains("\n"+got+"\n", "\n"+line+"\n") {
			t.Errorf("U does not %q:\n%s", line, got)
		}
	}
	if strings.Contains(got, "sk-client") || !strings.Contains(got, "traceparent: 00-") {
		t.Errorf("U sets\n%s", got)
	}
	length := m.DynamicMetadata.GetFields()["spanway"].GetStructValue().GetFields()["content_length"].GetStringValue()
	if body := string(common.BodyMutation.GetBody()); body != chat || length != "73" || common.Status != extprocv3.CommonResponse_CONTINUE_AND_REPLACE {
		t.Errorf("U sends %q of length %s, %v", body, length, common.Status)
	}

	u.head(false, "200", nil, append(jsonType, "x-spanway-protocol", "HTTP/2")...)
	if got := mutated(u.recv().GetResponseHeaders().GetResponse().GetHeaderMutation()); got != "-x-spanway-protocol" {
		t.Errorf("U changes the answer: %s", got)
	}
	c.head(false, "200", viaProvider, append(jsonType, "alt-svc", "h3", "x-envoy-upstream-service-time", "3")...)
	c.body(completion[:20], false)
	got = mutated(c.recv().GetResponseHeaders().GetResponse().GetHeaderMutation())
	if got != "-alt-svc\n-x-envoy-upstream-service-time" {
		t.Errorf("R changes the answer: %s", got)
	}
	if text, end := c.piece(); text != completion[:20] || end {
		t.Errorf("piece %q, end %v", text, end)
	}
	c.body(completion[20:], true)
	if text, end := c.piece(); text != completion[20:] || !end {
		t.Errorf("piece %q, end %v", text, end)
	}
	f.trace("ok 200 | a 200")
	c.close()
	if f.Running() != 0 {
		t.Error("the session outlives the call")
	}
}

// namesOf is a plan by the names of its backends.
func namesOf(plan []string) string {
	var names []string
	for _, cluster := range plan {
		name, _, _ := strings.Cut(cluster, "@")
		names = append(names, name)
	}
	return strings.Join(names, " ")
}
