package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// client is one keep-alive connection of the load.
type client struct {
	conn net.Conn
	r    *bufio.Reader
}

func dial(addr string) (*client, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &client{conn: c, r: bufio.NewReaderSize(c, 4<<10)}, nil
}

// request is what the load sends, ready for the wire.
func request(addr, model string, size int) []byte {
	body := requestBody(model, size)
	return fmt.Appendf(nil, "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nAuthorization: Bearer sk-bench\r\nUser-Agent: bench/1\r\nAccept: */*\r\nContent-Length: %d\r\n\r\n%s", addr, len(body), body)
}

// call sends one request and reads its response whole.
func (c *client) call(req []byte) error {
	if _, err := c.conn.Write(req); err != nil {
		return err
	}
	return c.response()
}

func (c *client) response() error {
	length, chunked, err := c.head()
	switch {
	case err != nil:
		return err
	case chunked:
		_, err = c.chunks(math.MaxInt)
	default:
		_, err = c.r.Discard(length)
	}
	return err
}

// head reads a response's head, which is to say 200.
func (c *client) head() (length int, chunked bool, err error) {
	status := ""
	for first := true; ; first = false {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return 0, false, err
		}
		line = bytes.TrimSpace(line)
		switch {
		case first:
			status = string(line)
		case len(line) == 0:
			if len(status) < 12 || status[9:12] != "200" {
				return 0, false, fmt.Errorf("answer %q", status)
			}
			return length, chunked, nil
		case bytes.EqualFold(line, []byte("transfer-encoding: chunked")):
			chunked = true
		case len(line) > 15 && bytes.EqualFold(line[:15], []byte("content-length:")):
			length, _ = strconv.Atoi(string(bytes.TrimSpace(line[15:])))
		}
	}
}

// errEnough says that a body was not read to its end.
var errEnough = errors.New("the client went")

// chunks reads a body in chunked coding, or at least enough bytes of it, and returns how many it read.
func (c *client) chunks(enough int) (n int, err error) {
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return n, err
		}
		size, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 64)
		if err != nil {
			return n, err
		}
		if _, err := c.r.Discard(int(size) + 2); err != nil {
			return n, err
		}
		n += int(size)
		switch {
		case size == 0:
			return n, nil
		case n >= enough:
			return n, errEnough
		}
	}
}

// closedLoop runs workers that call one after the other for d, and returns how many calls were answered whole and how many
// were cut. A worker whose call was cut goes on with a new connection.
func closedLoop(addr string, req []byte, workers int, d time.Duration) (calls, cut int64, err error) {
	var n, failed atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, workers)
	end := time.Now().Add(d)
	for range workers {
		wg.Go(func() {
			for first := true; first || time.Now().Before(end); first = false {
				c, err := dial(addr)
				if err != nil {
					errs <- err
					return
				}
				for ok := true; ok && (first || time.Now().Before(end)); first = false {
					if ok = c.call(req) == nil; ok {
						n.Add(1)
					} else {
						failed.Add(1)
					}
				}
				_ = c.conn.Close()
			}
		})
	}
	wg.Wait()
	select {
	case err = <-errs:
	default:
	}
	if n.Load() == 0 {
		err = errors.Join(err, errors.New("no call was answered"))
	}
	return n.Load(), failed.Load(), err
}

// openLoop sends rate calls a second for d whatever becomes of them, and returns their latencies, sorted.
func openLoop(addr string, req []byte, rate int, d time.Duration) ([]time.Duration, error) {
	const conns = 32
	idle := make(chan *client, conns)
	for range conns {
		c, err := dial(addr)
		if err != nil {
			return nil, err
		}
		idle <- c
	}
	var mu sync.Mutex
	var out []time.Duration
	var failed error
	var wg sync.WaitGroup
	begin := time.Now()
	for i := 0; time.Since(begin) < d; i++ {
		due := begin.Add(time.Duration(i) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(due))
		c := <-idle
		wg.Go(func() {
			start := time.Now()
			err := c.call(req)
			took := time.Since(start)
			mu.Lock()
			out = append(out, took)
			if err != nil {
				_ = c.conn.Close()
				c, err = dial(addr)
				failed = errors.Join(failed, err)
			}
			mu.Unlock()
			idle <- c
		})
	}
	wg.Wait()
	for range conns {
		_ = (<-idle).conn.Close()
	}
	slices.Sort(out)
	return out, failed
}

// hold opens n streams, waits for the first chunk of each, and returns what closes them.
func hold(addr string, n int) (stop func(), err error) {
	req := request(addr, "hold", 1000)
	var conns []net.Conn
	stop = func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}
	for range n {
		c, err := dial(addr)
		if err != nil {
			stop()
			return nil, err
		}
		conns = append(conns, c.conn)
		if _, err := c.conn.Write(req); err != nil {
			stop()
			return nil, err
		}
		if err := waitFor(c.conn, []byte("word0")); err != nil {
			stop()
			return nil, err
		}
	}
	return stop, nil
}

func waitFor(r io.Reader, what []byte) error {
	var got []byte
	buf := make([]byte, 2048)
	for !bytes.Contains(got, what) {
		n, err := r.Read(buf)
		if err != nil {
			return err
		}
		got = append(got, buf[:n]...)
	}
	return nil
}
