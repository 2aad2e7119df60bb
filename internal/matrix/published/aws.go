package published

import (
	"net/http"
	"net/http/httptrace"
)

// AWSClient is an HTTP client that returns a response when its request is written. AWS' library (smithy-go 1.28) closes a request's
// body as soon as there is a response, and a closed body fails with io.EOF: where net/http has just sent the last of it and
// looks whether there is more, it takes that for a broken request and closes the connection in the midst of the response.
type AWSClient struct{ HTTP *http.Client }

// Do implements bedrockruntime.HTTPClient.
func (c AWSClient) Do(r *http.Request) (*http.Response, error) {
	done := make(chan struct{}, 1)
	ctx := httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) {
		select {
		case done <- struct{}{}:
		default: // a second attempt of net/http's own
		}
	}})
	resp, err := c.HTTP.Do(r.WithContext(ctx))
	if err == nil {
		<-done
	}
	return resp, err
}
