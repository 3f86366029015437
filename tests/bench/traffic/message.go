package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http/httputil"
	"strconv"
	"strings"
	"time"
)

// message is one HTTP/1.1 request or answer; its buffers are reused for the next one on the same connection.
type message struct {
	start     string // request line or status line
	body      []byte
	closes    bool
	length    int // -1: not given
	chunks    bool
	expects   bool
	firstByte time.Time // when the first byte of the body was there
}

var errHead = errors.New("malformed HTTP head")

func (m *message) readHead(in *bufio.Reader) error {
	m.closes, m.length, m.chunks, m.expects = false, -1, false, false
	line, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	m.start = string(bytes.TrimRight(line, "\r\n"))
	for {
		if line, err = in.ReadSlice('\n'); err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return nil
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 0 {
			return errHead
		}
		if err = m.header(line[:colon], bytes.TrimSpace(line[colon+1:])); err != nil {
			return err
		}
	}
}

// header looks at the length first: most headers are none of the four that matter here.
func (m *message) header(name, value []byte) (err error) {
	switch {
	case len(name) == 14 && strings.EqualFold(string(name), "content-length"):
		m.length, err = strconv.Atoi(string(value))
	case len(name) == 17 && strings.EqualFold(string(name), "transfer-encoding"):
		m.chunks = strings.EqualFold(string(value), "chunked")
	case len(name) == 10 && strings.EqualFold(string(name), "connection"):
		m.closes = strings.EqualFold(string(value), "close")
	case len(name) == 6 && strings.EqualFold(string(name), "expect"):
		m.expects = true
	}
	return err
}

// readBody fills m.body. Without a length an answer lasts until the connection ends, and a request has no body.
func (m *message) readBody(in *bufio.Reader, isAnswer bool) error {
	m.body = m.body[:0]
	m.firstByte = time.Time{}
	switch {
	case m.chunks:
		return m.readChunks(in)
	case m.length > 0:
		if cap(m.body) < m.length {
			m.body = make([]byte, 0, 2*m.length)
		}
		if _, err := in.Peek(1); err != nil {
			return err
		}
		m.firstByte = time.Now()
		m.body = m.body[:m.length]
		_, err := io.ReadFull(in, m.body)
		return err
	case m.length < 0 && isAnswer:
		m.closes = true
		var err error
		m.body, err = io.ReadAll(in)
		m.firstByte = time.Now()
		return err
	}
	return nil
}

func (m *message) readChunks(in *bufio.Reader) error {
	content := httputil.NewChunkedReader(in)
	for {
		if len(m.body) == cap(m.body) {
			m.body = append(m.body, 0)[:len(m.body)]
		}
		n, err := content.Read(m.body[len(m.body):cap(m.body)])
		if n > 0 && m.firstByte.IsZero() {
			m.firstByte = time.Now()
		}
		m.body = m.body[:len(m.body)+n]
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	// What follows the last chunk: trailers, which nobody here sends, and an empty line.
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			return nil
		}
	}
}
