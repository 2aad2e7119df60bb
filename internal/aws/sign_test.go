package aws

import (
	"net/http"
	"testing"
	"time"

	"github.com/spanway/spanway/internal/ir"
)

// TestPublishedSignatures signs the requests of AWS' Signature Version 4 test suite.
func TestPublishedSignatures(t *testing.T) {
	const scope = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
	for _, c := range []struct {
		name    string
		request Request
		header  http.Header
		token   string
		want    string
	}{
		{name: "get-vanilla", request: Request{Method: "GET", Path: "/"},
			want: "SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{name: "get-vanilla-query-order-key-case", request: Request{Method: "GET", Path: "/", Query: "Param2=value2&Param1=value1"},
			want: "SignedHeaders=host;x-amz-date, Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		{name: "post-vanilla", request: Request{Method: "POST", Path: "/"},
			want: "SignedHeaders=host;x-amz-date, Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		{name: "post-x-www-form-urlencoded", request: Request{Method: "POST", Path: "/", Body: []byte("Param1=value1")},
			header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
			want:   "SignedHeaders=content-type;host;x-amz-date, Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
		{name: "post-sts-header-before", request: Request{Method: "POST", Path: "/"},
			token: "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==",
			want:  "SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := NewSigner(ir.AWS{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", SessionToken: ir.Secret(c.token)}, "us-east-1")
			s.now = func() time.Time { return time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC) }
			h := http.Header{"Accept": {"*/*"}, "User-Agent": {"any"}, "X-Amz-Content-Sha256": {"the client's"}, "X-Amz-Security-Token": {"the client's"}}
			for k, v := range c.header {
				h[k] = v
			}
			c.request.Service, c.request.Host = "service", "example.amazonaws.com"
			if err := s.Sign(t.Context(), &c.request, h); err != nil {
				t.Fatal(err)
			}
			if got := h.Get("Authorization"); got != scope+c.want {
				t.Errorf("got  %s\nwant %s", got, scope+c.want)
			}
			if h.Get("X-Amz-Date") != "20150830T123600Z" || h.Get("X-Amz-Security-Token") != c.token || h["X-Amz-Content-Sha256"] != nil {
				t.Errorf("headers %v", h)
			}
		})
	}
}

func TestRegionOf(t *testing.T) {
	for host, want := range map[string]string{
		"bedrock-runtime.us-east-1.amazonaws.com":                        "us-east-1",
		"bedrock-runtime-fips.us-gov-west-1.amazonaws.com:443":           "us-gov-west-1",
		"bedrock-runtime.cn-north-1.amazonaws.com.cn":                    "cn-north-1",
		"vpce-0a1b-2c3d.bedrock-runtime.eu-central-1.vpce.amazonaws.com": "eu-central-1",
		"bedrock-runtime.ap-southeast-2.api.aws":                         "ap-southeast-2",
		"bedrock.example.com":                                            "",
		"us-east-1.example.com":                                          "",
		"127.0.0.1:8080":                                                 "",
		"amazonaws.com":                                                  "",
	} {
		if got := RegionOf(host); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
}

func TestStripQuery(t *testing.T) {
	for query, want := range map[string]string{
		"": "", "a=b": "a=b", "X-Amz-Signature=1": "", "a=b&X-Amz-Credential=k&X-Amz-Date=d&c=d": "a=b&c=d",
	} {
		if got := StripQuery(query); got != want {
			t.Errorf("%q: %q, want %q", query, got, want)
		}
	}
}
