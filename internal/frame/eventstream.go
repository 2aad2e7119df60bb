package frame

import (
	"encoding/binary"
	"hash/crc32"
)

// Sizes in the encoding of a message, in bytes (Amazon Event Stream specification, smithy.io; Amazon Bedrock API reference,
// ConverseStream): the prelude holds the length of the message, the length of its headers and a CRC-32 of both; headers and
// payload follow, and a CRC-32 of all that is before it.
const (
	preludeLen    = 12
	messageCRCLen = 4
	minMessage    = preludeLen + messageCRCLen
	maxMessage    = 24 << 20  // more than AWS allows: a length beyond it is no length
	maxHeaders    = 128 << 10 // the specification's bound
)

// EventStream splits an AWS event stream (application/vnd.amazon.eventstream) into its messages. Data is the payload, Event the
// header :event-type, or of an exception :exception-type, or of an error :error-code. Both CRCs are checked: from a message
// whose lengths are impossible or whose CRC is wrong on, everything is Malformed. Of a message over the bound, which is skipped,
// only the first CRC is checked. A message that the end of the stream cuts short is a frame of Raw alone.
type EventStream struct {
	tail
	prelude [preludeLen]byte
	have    int // bytes of the prelude, while the message's length is not known
	left    int // bytes of the message that follow the prelude and are still to come
	broken  bool
	names   names
}

// NewEventStream returns a splitter for one stream whose messages are at most max bytes, or 16 where that is less: no message
// is shorter, and it takes 12 to tell one.
func NewEventStream(max int) *EventStream {
	if max < minMessage {
		max = minMessage
	}
	return &EventStream{tail: tail{max: max}}
}

// Split implements Splitter.
func (s *EventStream) Split(p []byte, eof bool, emit func(Frame) error) error {
	for len(p) > 0 {
		end, ended, ok := s.scan(p)
		if !ok {
			return s.breakOff(p, emit)
		}
		raw, whole, err := s.take(p[:end], ended, emit)
		if err == nil && whole {
			f, ok := s.parse(raw)
			s.broken = !ok
			err = emit(f)
			s.reset()
		}
		if err != nil {
			return err
		}
		p = p[end:]
	}
	if raw := s.rest(eof); raw != nil {
		err := emit(Frame{Raw: raw})
		s.reset()
		return err
	}
	return nil
}

// scan returns the end in p of the message at hand, or of the input when the message goes on; ok is false when what comes is
// no message.
func (s *EventStream) scan(p []byte) (end int, ended, ok bool) {
	if s.broken {
		return 0, false, false
	}
	if s.left == 0 {
		end = copy(s.prelude[s.have:], p)
		if s.have += end; s.have < preludeLen {
			return end, false, true
		}
		total := binary.BigEndian.Uint32(s.prelude[:])
		headers := binary.BigEndian.Uint32(s.prelude[4:])
		if total < minMessage || total > maxMessage || headers > maxHeaders || headers > total-minMessage ||
			binary.BigEndian.Uint32(s.prelude[8:]) != crc32.ChecksumIEEE(s.prelude[:8]) {
			return 0, false, false
		}
		s.have, s.left = 0, int(total)-preludeLen
	}
	n := min(len(p)-end, s.left)
	s.left -= n
	return end + n, s.left == 0, true
}

// breakOff passes on what cannot be read: what is buffered, and p.
func (s *EventStream) breakOff(p []byte, emit func(Frame) error) error {
	s.broken = true
	if len(s.buf) > 0 {
		err := emit(Frame{Raw: s.buf, Malformed: true})
		s.reset()
		if err != nil {
			return err
		}
	}
	return emit(Frame{Raw: p, Malformed: true})
}

// parse reads a message whose prelude is right.
func (s *EventStream) parse(raw []byte) (f Frame, ok bool) {
	end := len(raw) - messageCRCLen
	if binary.BigEndian.Uint32(raw[end:]) != crc32.ChecksumIEEE(raw[:end]) {
		return Frame{Raw: raw, Malformed: true}, false
	}
	payload := preludeLen + int(binary.BigEndian.Uint32(raw[4:]))
	f = Frame{Raw: raw, Headers: raw[preludeLen:payload], Data: raw[payload:end]}
	var name []byte
	for h := f.Headers; len(h) > 0; {
		key, value, rest, ok := header(h)
		if !ok {
			return Frame{Raw: raw, Malformed: true}, false
		}
		switch string(key) {
		case ":message-type":
			f.Exception = string(value) == "exception" || string(value) == "error"
		case ":event-type", ":exception-type", ":error-code":
			name = value
		}
		h = rest
	}
	f.Event = s.names.of(name)
	return f, true
}

// The types of header values that have a length of their own, and the lengths of the others by their type.
const (
	headerBytes  = 6
	headerString = 7
)

var headerLens = [...]int{0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}

// header takes the first of the encoded headers b: the length of its name (one byte), the name, the value's type (one byte),
// the value, which has its length (two bytes) before it when its type is bytes or string.
func header(b []byte) (name, value, rest []byte, ok bool) {
	n := int(b[0])
	if len(b) < n+2 {
		return nil, nil, nil, false
	}
	name, kind, b := b[1:n+1], int(b[n+1]), b[n+2:]
	if kind >= len(headerLens) {
		return nil, nil, nil, false
	}
	size := headerLens[kind]
	if kind == headerBytes || kind == headerString {
		if len(b) < 2 {
			return nil, nil, nil, false
		}
		size, b = int(binary.BigEndian.Uint16(b)), b[2:]
	}
	if len(b) < size {
		return nil, nil, nil, false
	}
	return name, b[:size], b[size:], true
}

// Header is the value of the header called name, a string or bytes, among those of a message; nil when there is none.
func Header(headers []byte, name string) []byte {
	for len(headers) > 0 {
		key, value, rest, ok := header(headers)
		if !ok {
			return nil
		}
		if string(key) == name {
			return value
		}
		headers = rest
	}
	return nil
}

// AppendHeader appends a header with a string, of at most 64 KiB - 1, to the encoded headers dst.
func AppendHeader(dst []byte, name, value string) []byte {
	dst = append(dst, byte(len(name)))
	dst = append(dst, name...)
	dst = append(dst, headerString)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(value)))
	return append(dst, value...)
}

// AppendMessage appends a message of an event stream, with both CRCs, to dst. headers are encoded.
func AppendMessage(dst, headers, payload []byte) []byte {
	from := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, uint32(minMessage+len(headers)+len(payload)))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(headers)))
	dst = binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[from:]))
	dst = append(append(dst, headers...), payload...)
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[from:]))
}

// Message takes one whole message, such as the Raw of a frame, apart; ok is false when raw is not one by its lengths. CRCs are
// not looked at.
func Message(raw []byte) (headers, payload []byte, ok bool) {
	if len(raw) < minMessage || uint64(binary.BigEndian.Uint32(raw)) != uint64(len(raw)) {
		return nil, nil, false
	}
	n, end := binary.BigEndian.Uint32(raw[4:]), len(raw)-messageCRCLen
	if uint64(n) > uint64(end-preludeLen) {
		return nil, nil, false
	}
	return raw[preludeLen : preludeLen+int(n)], raw[preludeLen+int(n) : end], true
}
