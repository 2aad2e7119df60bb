package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/sigv4"
)

// bare takes out of the environment whatever it says of AWS, and puts in what set says.
func bare(t *testing.T, set ...string) {
	t.Helper()
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "") // restores it at the end
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for _, kv := range set {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// fakeSTS is a security token service. It gives the keys of the roles it is asked for, each for life.
type fakeSTS struct {
	url    string
	life   time.Duration
	refuse atomic.Bool
	mu     sync.Mutex
	asked  []string
}

func startSTS(t *testing.T) *fakeSTS {
	s := &fakeSTS{life: time.Hour}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// ServeHTTP implements http.Handler (STS API reference, AssumeRole, AssumeRoleWithWebIdentity).
func (s *fakeSTS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	action := r.FormValue("Action")
	s.asked = append(s.asked, strings.Join([]string{action, r.FormValue("RoleArn"), r.FormValue("RoleSessionName"), r.FormValue("WebIdentityToken")}, " "))
	if s.refuse.Load() {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>Not authorized: token-of-the-pod</Message></Error></ErrorResponse>`))
		return
	}
	n := len(s.asked)
	inner := fmt.Sprintf("<Credentials><AccessKeyId>ASIA%d</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey>"+
		"<SessionToken>role-token-%d</SessionToken><Expiration>%s</Expiration></Credentials>", n, n, time.Now().Add(s.life).UTC().Format(time.RFC3339))
	_, _ = fmt.Fprintf(w, `<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult></%[1]sResponse>`, action, inner)
}

func (s *fakeSTS) took() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// sign signs a request and returns the id of the key and the token with which it did.
func sign(t *testing.T, s *Signer) (key, token string, err error) {
	t.Helper()
	h := http.Header{}
	r := &Request{Service: "bedrock", Method: "POST", Host: "bedrock-runtime.us-east-1.amazonaws.com", Path: "/model/m/invoke", Body: []byte("{}")}
	if err := s.Sign(t.Context(), r, h); err != nil {
		return "", "", err
	}
	got, err := sigv4.Parse(&http.Request{Header: h})
	if err != nil {
		t.Fatal(err)
	}
	return got.AccessKeyID + " " + got.Region, h.Get("X-Amz-Security-Token"), nil
}

// TestSources holds where credentials come from, and which go before which.
func TestSources(t *testing.T) {
	service := startSTS(t)
	profiles := write(t, "credentials", "[default]\naws_access_key_id = AKIDDEFAULT\naws_secret_access_key = s\n"+
		"[work]\naws_access_key_id = AKIDWORK\naws_secret_access_key = s\naws_session_token = work-token\n")
	regions := write(t, "config", "[profile work]\nregion = eu-west-1\n")
	jwt := write(t, "token", "token-of-the-pod")
	files := []string{"AWS_SHARED_CREDENTIALS_FILE=" + profiles, "AWS_CONFIG_FILE=" + regions, "AWS_ENDPOINT_URL_STS=" + service.url}
	keys := []string{"AWS_ACCESS_KEY_ID=AKIDENV", "AWS_SECRET_ACCESS_KEY=s", "AWS_SESSION_TOKEN=env-token"}
	container := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "pod-authorization" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		_, _ = w.Write([]byte(`{"AccessKeyId":"ASIAPOD","SecretAccessKey":"s","Token":"pod-token","Expiration":"2099-01-01T00:00:00Z"}`))
	}))
	defer container.Close()
	for _, c := range []struct {
		name       string
		env        []string
		conf       ir.AWS
		region     string
		key, token string
		asked      string // of STS
	}{
		{name: "configured key", env: keys, conf: ir.AWS{AccessKeyID: "AKIDCONF", SecretAccessKey: "s", SessionToken: "conf-token"}, region: "us-west-2", key: "AKIDCONF us-west-2", token: "conf-token"},
		{name: "environment", env: append(keys, "AWS_REGION=us-east-2"), key: "AKIDENV us-east-2", token: "env-token"},
		{name: "configured region first", env: append(keys, "AWS_REGION=us-east-2"), region: "us-west-2", key: "AKIDENV us-west-2", token: "env-token"},
		{name: "default profile", env: []string{"AWS_DEFAULT_REGION=us-east-2"}, key: "AKIDDEFAULT us-east-2"},
		{name: "AWS_PROFILE", env: []string{"AWS_PROFILE=work"}, key: "AKIDWORK eu-west-1", token: "work-token"},
		{name: "configured profile", env: keys, conf: ir.AWS{Profile: "work"}, key: "AKIDWORK eu-west-1", token: "work-token"},
		{name: "web identity of the environment", env: []string{"AWS_WEB_IDENTITY_TOKEN_FILE=" + jwt, "AWS_ROLE_ARN=arn:aws:iam::1:role/env", "AWS_ROLE_SESSION_NAME=pod", "AWS_REGION=us-east-2"},
			key: "ASIA1 us-east-2", token: "role-token-1", asked: "AssumeRoleWithWebIdentity arn:aws:iam::1:role/env pod token-of-the-pod"},
		{name: "configured web identity", env: keys, conf: ir.AWS{RoleARN: "arn:aws:iam::1:role/conf", WebIdentityTokenFile: jwt}, region: "us-west-2",
			key: "ASIA1 us-west-2", token: "role-token-1", asked: "AssumeRoleWithWebIdentity arn:aws:iam::1:role/conf spanway token-of-the-pod"},
		{name: "configured role", env: keys, conf: ir.AWS{RoleARN: "arn:aws:iam::1:role/conf", RoleSessionName: "me"}, region: "us-west-2",
			key: "ASIA1 us-west-2", token: "role-token-1", asked: "AssumeRole arn:aws:iam::1:role/conf me "},
		{name: "configured role with a configured key", conf: ir.AWS{AccessKeyID: "AKIDCONF", SecretAccessKey: "s", RoleARN: "arn:aws:iam::1:role/conf"}, region: "us-west-2",
			key: "ASIA1 us-west-2", token: "role-token-1", asked: "AssumeRole arn:aws:iam::1:role/conf spanway "},
		{name: "container", env: []string{"AWS_SHARED_CREDENTIALS_FILE=/none", "AWS_CONTAINER_CREDENTIALS_FULL_URI=" + container.URL, "AWS_CONTAINER_AUTHORIZATION_TOKEN=pod-authorization"}, region: "us-west-2",
			key: "ASIAPOD us-west-2", token: "pod-token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			service.mu.Lock()
			service.asked = nil
			service.mu.Unlock()
			bare(t, append(files, c.env...)...)
			key, token, err := sign(t, NewSigner(c.conf, c.region))
			if err != nil {
				t.Fatal(err)
			}
			if key != c.key || token != c.token {
				t.Errorf("signed with %s %s, want %s %s", key, token, c.key, c.token)
			}
			if got := strings.Join(service.took(), "; "); got != c.asked {
				t.Errorf("STS was asked %q, want %q", got, c.asked)
			}
		})
	}
}

// TestFailures holds what is said when there are no credentials: what to set, and no name and no secret.
func TestFailures(t *testing.T) {
	service := startSTS(t)
	service.refuse.Store(true)
	jwt := write(t, "token", "token-of-the-pod")
	for _, c := range []struct {
		name   string
		env    []string
		conf   ir.AWS
		region string
		status int
		says   string
	}{
		{name: "nothing", region: "us-east-1", status: 500, says: "AWS_ACCESS_KEY_ID"},
		{name: "no region", env: []string{"AWS_ACCESS_KEY_ID=AKIDENV", "AWS_SECRET_ACCESS_KEY=s"}, status: 500, says: "AWS_REGION"},
		{name: "no profile", conf: ir.AWS{Profile: "secret-profile"}, region: "us-east-1", status: 500, says: "aws.profile"},
		{name: "no token", conf: ir.AWS{RoleARN: "arn:aws:iam::1:role/secret-role", WebIdentityTokenFile: "/secret-file"}, region: "us-east-1", status: 500, says: "aws.webIdentityTokenFile"},
		{name: "refused", conf: ir.AWS{RoleARN: "arn:aws:iam::1:role/secret-role", WebIdentityTokenFile: jwt}, region: "us-east-1", status: 502, says: "AccessDenied"},
		{name: "unreachable", env: []string{"AWS_ENDPOINT_URL_STS=http://127.0.0.1:1"}, conf: ir.AWS{RoleARN: "arn:aws:iam::1:role/secret-role", WebIdentityTokenFile: jwt}, region: "us-east-1", status: 502, says: "STS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bare(t, append([]string{"AWS_ENDPOINT_URL_STS=" + service.url}, c.env...)...)
			_, _, err := sign(t, NewSigner(c.conf, c.region))
			var e *llm.Error
			if !errors.As(err, &e) || e.Status != c.status || e.Type != Failure || !strings.Contains(e.Message, c.says) {
				t.Fatalf("got %v, want status %d and %q", err, c.status, c.says)
			}
			for _, secret := range []string{"secret-", "arn:", "token-of", "127.0.0.1"} {
				if strings.Contains(e.Message, secret) {
					t.Errorf("%q in %q", secret, e.Message)
				}
			}
		})
	}
}

// TestRenewal holds when credentials are asked for: once, again before they expire, and not at once after a failure.
func TestRenewal(t *testing.T) {
	bare(t)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	asked, fails := 0, false
	s := NewSigner(ir.AWS{}, "us-east-1")
	now := start
	s.now = func() time.Time { return now }
	s.store.load = func(context.Context) (*found, error) {
		asked++
		if fails {
			return nil, llm.Errorf(502, Failure, "no")
		}
		return &found{credentials: sdk.Credentials{AccessKeyID: fmt.Sprintf("K%d", asked), SecretAccessKey: "s", CanExpire: true, Expires: now.Add(time.Hour)}}, nil
	}
	type step struct {
		At    time.Duration
		Key   string
		Asked int
	}
	want := []step{
		{0, "K1 us-east-1", 1},
		{54 * time.Minute, "K1 us-east-1", 1},
		{55 * time.Minute, "K2 us-east-1", 2},                                // before the end
		{55*time.Minute + 54*time.Minute, "K2 us-east-1", 2},                 //
		{55*time.Minute + 56*time.Minute, "K2 us-east-1", 3},                 // fails: the old ones are still good
		{55*time.Minute + 56*time.Minute + 9*time.Second, "K2 us-east-1", 3}, // is not tried again yet
		{55*time.Minute + 57*time.Minute, "K2 us-east-1", 4},
		{55*time.Minute + 60*time.Minute, "", 5}, // they have expired
		{55*time.Minute + 60*time.Minute + 9*time.Second, "", 5},
		{55*time.Minute + 60*time.Minute + 10*time.Second, "K6 us-east-1", 6}, // there are some again
	}
	var got []step
	for _, w := range want {
		now = start.Add(w.At)
		fails = w.Asked >= 3 && w.Asked <= 5
		key, _, err := sign(t, s)
		if (err != nil) != (w.Key == "") {
			t.Errorf("at %v: %v", w.At, err)
		}
		got = append(got, step{w.At, key, asked})
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestOneAsks lets many sign at once: one asks for credentials, all get them, and who has given up waiting does not.
func TestOneAsks(t *testing.T) {
	bare(t)
	s := NewSigner(ir.AWS{}, "us-east-1")
	var asked atomic.Int32
	begun, release := make(chan struct{}), make(chan struct{})
	s.store.load = func(context.Context) (*found, error) {
		if asked.Add(1) == 1 {
			close(begun)
		}
		<-release
		return &found{credentials: sdk.Credentials{AccessKeyID: "K", SecretAccessKey: "s"}}, nil
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := s.store.get(t.Context(), time.Now()); err != nil {
				t.Error(err)
			}
		})
	}
	<-begun
	if s.Ready() {
		t.Error("ready before there were credentials")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	var e *llm.Error
	if _, err := s.store.get(gone, time.Now()); !errors.As(err, &e) || e.Type != Failure {
		t.Errorf("a caller that is gone got %v", err)
	}
	close(release)
	all.Wait()
	if asked.Load() != 1 || !s.Ready() {
		t.Errorf("asked %d times, ready %v", asked.Load(), s.Ready())
	}
}

// TestSilentMachine has a metadata service that does not answer: the wait for it is short, and the next call does not wait.
func TestSilentMachine(t *testing.T) {
	silent := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-silent }))
	defer server.Close()
	defer close(silent)
	bare(t, "AWS_EC2_METADATA_DISABLED=false", "AWS_EC2_METADATA_SERVICE_ENDPOINT="+server.URL)
	s := NewSigner(ir.AWS{}, "us-east-1")
	for _, bound := range []time.Duration{2 * metadataTime, metadataTime / 4} {
		start := time.Now()
		if _, _, err := sign(t, s); err == nil {
			t.Fatal("signed without credentials")
		}
		if took := time.Since(start); took > bound {
			t.Errorf("took %v, more than %v", took, bound)
		}
	}
}
