package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// The upstream plays a provider at the cost of a few system calls, so that the proxies' own cost shows. The model's name in
// the request says what it does: "unary", "stream" (50 chunks), "burst" (100 chunks), "paced" (100 chunks, one every 5 ms), "hold"
// (one chunk, then silence until the client goes) or "long" (10,000 chunks). "w0100" is a stream of soakChunks chunks, one every 100 ms;
// "x0100" is the same, cut after its half.

const (
	soakChunks   = 20
	streamChunks = 50
	burstChunks  = 100
	pace         = 5 * time.Millisecond
)

func playUpstream(*roleFlags) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go serveUpstream(c)
		}
	}()
	return announce(ln.Addr().String())
}

func serveUpstream(c net.Conn) {
	defer c.Close()
	r := bufio.NewReaderSize(c, 4<<10)
	for {
		length, err := readHead(r)
		if err != nil {
			return
		}
		model, err := readModel(r, length)
		if err != nil {
			return
		}
		switch model[0] {
		case 'w', 'x':
			err = writeSlowly(c, model)
		case 's':
			err = writeStream(c, streamChunks, 0)
		case 'b':
			err = writeStream(c, burstChunks, 0)
		case 'p':
			err = writeStream(c, burstChunks, pace)
		case 'l':
			err = writeStream(c, 10000, 0)
		case 'h':
			if _, err = c.Write(append([]byte(streamHead), chunk(0)...)); err == nil {
				_, _ = io.Copy(io.Discard, r)
				return
			}
		default:
			_, err = c.Write(unaryResponse)
		}
		if err != nil {
			return
		}
	}
}

// readHead consumes a request's head and returns its Content-Length.
func readHead(r *bufio.Reader) (length int, err error) {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if len(line) <= 2 {
			return length, nil
		}
		if len(line) > 16 && strings.EqualFold(string(line[:15]), "content-length:") {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[15:]))); err != nil {
				return 0, err
			}
		}
	}
}

// modelLength is how much of a model's name is looked at, bytes.
const modelLength = 5

// readModel consumes a body that begins {"model":"X… and returns X and what follows it.
func readModel(r *bufio.Reader, length int) (string, error) {
	head, err := r.Peek(len(bodyStart) + modelLength)
	if err != nil {
		return "", err
	}
	model := string(head[len(bodyStart):])
	_, err = r.Discard(length)
	return model, err
}

const bodyStart = `{"model":"`

// requestBody is a chat request with a prompt of about size bytes.
func requestBody(model string, size int) []byte {
	stream := ""
	if model != "unary" {
		stream = `"stream":true,`
	}
	prompt := strings.Repeat("where did the time of this call go? ", size/36+1)[:size]
	return []byte(bodyStart + model + `",` + stream + `"temperature":0.7,"max_tokens":256,"messages":[{"role":"user","content":"` + prompt + `"}]}`)
}

var unaryResponse = func() []byte {
	body := `{"id":"chatcmpl-bench","object":"chat.completion","created":1700000000,"model":"unary-1","choices":[{"index":0,"message":{"role":"assistant","content":"` +
		strings.Repeat("an answer of some length. ", 30) + `"},"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":210,"total_tokens":221}}`
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: req_bench\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}()

const streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Request-Id: req_bench\r\nTransfer-Encoding: chunked\r\n\r\n"

// chunk is one streamed event in HTTP's chunked coding.
func chunk(i int) []byte {
	data := fmt.Sprintf(`data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"stream-1","choices":[{"index":0,"delta":{"content":"word%d "},"finish_reason":null}]}`+"\n\n", i%10)
	return fmt.Appendf(nil, "%x\r\n%s\r\n", len(data), data)
}

var streamChunk, streamEnd = chunk(0), func() []byte {
	data := `data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"stream-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":50,"total_tokens":61}}` + "\n\ndata: [DONE]\n\n"
	return fmt.Appendf(nil, "%x\r\n%s\r\n0\r\n\r\n", len(data), data)
}()

// writeStream writes a stream of n chunks, each with a write of its own.
func writeStream(c net.Conn, n int, pause time.Duration) error {
	if _, err := c.Write([]byte(streamHead)); err != nil {
		return err
	}
	for range n {
		if _, err := c.Write(streamChunk); err != nil {
			return err
		}
		if pause > 0 {
			time.Sleep(pause)
		}
	}
	_, err := c.Write(streamEnd)
	return err
}

// writeSlowly writes a stream at the pace that model tells, or half of it and an error.
func writeSlowly(c net.Conn, model string) error {
	ms, err := strconv.Atoi(model[1:])
	if err != nil {
		return err
	}
	if model[0] == 'w' {
		return writeStream(c, soakChunks, time.Duration(ms)*time.Millisecond)
	}
	if _, err := c.Write([]byte(streamHead)); err != nil {
		return err
	}
	for range soakChunks / 2 {
		if _, err := c.Write(streamChunk); err != nil {
			return err
		}
		time.Sleep(time.Duration(ms) * time.Millisecond)
	}
	return errCut
}

var errCut = errors.New("cut")
