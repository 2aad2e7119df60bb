package gateway

import (
	"testing"
	"time"
)

// TestOverhead counts what the gateway does, not what it waits for.
func TestOverhead(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(100, int64(ms)*1e6) }
	var c Call
	c.work(at(0))
	c.work(at(3)) // at work already
	c.rest(at(5)) // the request is out
	c.work(at(100))
	c.rest(at(101)) // a backoff begins
	c.rest(at(150)) // it waits already
	c.work(at(200))
	c.rest(at(202))
	if want := 8 * time.Millisecond; c.overhead != want {
		t.Errorf("overhead %v, want %v", c.overhead, want)
	}
}
