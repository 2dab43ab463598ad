package lsp

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/sourcegraph/jsonrpc2"
)

// maxMessage is the maximum size of a message in bytes, and maxHeader that of a header line.
const (
	maxMessage = 64 << 20
	maxHeader  = 4 << 10
)

// stream implements [jsonrpc2.ObjectStream] with the headers of the protocol. It answers messages
// that are not JSON itself. The codec of package jsonrpc2 would close the connection.
type stream struct {
	rwc io.ReadWriteCloser
	in  *bufio.Reader
	mu  sync.Mutex // guards writes
}

func newStream(rwc io.ReadWriteCloser) *stream {
	return &stream{rwc: rwc, in: bufio.NewReaderSize(rwc, maxHeader)}
}

// WriteObject writes a message.
func (s *stream) WriteObject(obj any) error {
	data, err := json.Marshal(obj)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.rwc.Write(append(fmt.Appendf(nil, "Content-Length: %d\r\n\r\n", len(data)), data...))
	return err
}

// ReadObject reads the next valid message.
func (s *stream) ReadObject(v any) error {
	for {
		size, err := s.readHeader()
		if err != nil {
			return err
		}
		data := make([]byte, size)
		if _, err := io.ReadFull(s.in, data); err != nil {
			return err
		}
		code := int64(codeParseError)
		if json.Valid(data) {
			if err = json.Unmarshal(data, v); err == nil {
				return nil
			}
			code = codeInvalidRequest
		}
		if err := s.reject(code); err != nil {
			return err
		}
	}
}

// reject answers a message that has no valid id.
func (s *stream) reject(code int64) error {
	return s.WriteObject(map[string]any{
		"jsonrpc": "2.0", "id": nil,
		"error": jsonrpc2.Error{Code: code, Message: "the message is not a valid JSON-RPC request"},
	})
}

// readHeader reads the header of a message and returns the size of its body.
func (s *stream) readHeader() (int, error) {
	size := -1
	for first := true; ; first = false {
		line, err := s.in.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF) && first && len(line) == 0:
			return 0, io.EOF
		case err != nil:
			return 0, fmt.Errorf("header of a message: %w", err)
		}
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" {
			if size < 0 {
				return 0, errors.New("header of a message: no Content-Length")
			}
			return size, nil
		}
		name, value, _ := strings.Cut(text, ":")
		if !strings.EqualFold(name, "Content-Length") {
			continue
		}
		if size, err = strconv.Atoi(strings.TrimSpace(value)); err != nil || size < 0 || size > maxMessage {
			return 0, fmt.Errorf("header of a message: invalid Content-Length %q", value)
		}
	}
}

// Close closes the connection.
func (s *stream) Close() error { return s.rwc.Close() }
