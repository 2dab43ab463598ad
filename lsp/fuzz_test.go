package lsp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/lint"
	"slipway/lint/rules"
	"slipway/source"
)

// scene is a session that tests drive with arbitrary messages. It reads all messages of the server,
// as a real client does.
type scene struct {
	t    testing.TB
	conn net.Conn
	done chan error

	text     string // of the document, as the client knows it
	encoding string
	version  int
	id       int

	mu      sync.Mutex
	answers map[int]json.RawMessage
	arrived *sync.Cond
	closed  bool
	log     lockedBuffer
}

// lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

// Write implements [io.Writer].
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// newScene starts a session with all rules, and opens a document.
func newScene(t testing.TB, encoding, text string) *scene {
	t.Helper()
	own, other := net.Pipe()
	s := &scene{t: t, conn: own, done: make(chan error, 1), text: text, encoding: encoding, answers: map[int]json.RawMessage{}}
	s.arrived = sync.NewCond(&s.mu)
	l := lint.New(rules.All(), lint.Settings{})
	opt := Options{Log: &s.log, Checks: func(string, *source.File) (Checks, error) { return Checks{Linter: l}, nil }}
	go func() { s.done <- Serve(context.WithoutCancel(t.Context()), other, opt) }()
	go s.read()
	s.call("initialize", fmt.Sprintf(`{"capabilities":{"general":{"positionEncodings":[%q]},"workspace":{"workspaceEdit":{"documentChanges":true}},"textDocument":{"diagnostic":{},"documentSymbol":{"hierarchicalDocumentSymbolSupport":true}}}}`, encoding))
	s.open()
	return s
}

// open opens the document with its current text.
func (s *scene) open() {
	s.version++
	quoted, _ := json.Marshal(s.text)
	s.send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":{"uri":"file:///d/Dockerfile","version":%d,"text":%s}}}`, s.version, quoted))
}

// read stores the answers of the server until the connection is closed.
func (s *scene) read() {
	in := newStream(s.conn)
	for {
		var m struct {
			ID     *int            `json:"id"`
			Method string          `json:"method"`
			Result json.RawMessage `json:"result"`
			Error  json.RawMessage `json:"error"`
		}
		err := in.ReadObject(&m)
		s.mu.Lock()
		switch {
		case err != nil:
			s.closed = true
		case m.ID != nil && m.Error != nil:
			s.answers[*m.ID] = m.Error
		case m.ID != nil:
			s.answers[*m.ID] = m.Result
		}
		s.arrived.Broadcast()
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// send sends a message as it is.
func (s *scene) send(text string) {
	_, _ = fmt.Fprintf(s.conn, "Content-Length: %d\r\n\r\n%s", len(text), text) // fails if the server has closed the connection
}

// start sends a request and returns its id.
func (s *scene) start(method, params string) int {
	s.id++
	s.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, s.id, method, params))
	return s.id
}

// await waits for the answer to a request.
func (s *scene) await(id int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if answer, ok := s.answers[id]; ok {
			delete(s.answers, id)
			return string(answer)
		}
		if s.closed {
			s.t.Fatalf("request %d: no answer\n%s", id, s.log.String())
		}
		s.arrived.Wait()
	}
}

// call sends a request and waits for its answer.
func (s *scene) call(method, params string) string { return s.await(s.start(method, params)) }

// change sends a change and applies it to the client's text.
func (s *scene) change(a, b position, text string) {
	m := newMapper([]byte(s.text), s.encoding)
	start := m.offset(a)
	end := max(start, m.offset(b))
	s.text = s.text[:start] + text + s.text[end:]
	s.version++
	p, _ := json.Marshal(changeParams{documentID{"file:///d/Dockerfile", s.version}, []change{{&textRange{a, b}, text}}})
	s.send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"textDocument/didChange","params":%s}`, p))
}

// methods are the requests about a position or a range.
func methods() []string {
	var list []string
	for _, m := range []string{
		"diagnostic", "codeAction", "definition", "references", "documentHighlight", "prepareRename", "rename", "hover", "documentSymbol", "completion",
		"foldingRange", "selectionRange", "semanticTokens/full", "semanticTokens/range", "documentLink", "inlayHint", "formatting", "rangeFormatting", "onTypeFormatting", "linkedEditingRange",
	} {
		list = append(list, "textDocument/"+m)
	}
	return list
}

// params returns the parameters of a request about a position.
func params(at position) string {
	p, _ := json.Marshal(at)
	return fmt.Sprintf(`{"textDocument":{"uri":"file:///d/Dockerfile"},"position":%s,"positions":[%[1]s],"range":{"start":%[1]s,"end":%[1]s},"newName":"other","context":{"includeDeclaration":true},"options":{"tabSize":4,"insertSpaces":true}}`, p)
}

// requests sends all requests about a position and checks the answers.
func (s *scene) requests(at position) {
	for _, method := range methods() {
		s.check(method, s.call(method, params(at)))
	}
}

// check checks that an answer is no internal error, and that its ranges are in the document.
func (s *scene) check(method, answer string) {
	if strings.Contains(answer, "-32603") || strings.Contains(answer, "internal error") {
		s.t.Errorf("%s in %q: %s\n%s", method, s.text, answer, s.log.String())
	}
	var v any
	if err := json.Unmarshal([]byte(answer), &v); err != nil && answer != "" {
		s.t.Errorf("%s: %v", method, err)
	}
	m := newMapper([]byte(s.text), s.encoding)
	s.ranges(m, method, v)
}

// ranges checks all ranges in a value: they are positions of the document, and the start precedes
// the end.
func (s *scene) ranges(m *mapper, method string, v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			s.ranges(m, method, e)
		}
	case map[string]any:
		if start, ok := v["start"].(map[string]any); ok {
			end, _ := v["end"].(map[string]any)
			a, b := offsetOf(m, start), offsetOf(m, end)
			if a < 0 || b < a {
				s.t.Errorf("%s in %q: invalid range %v", method, s.text, v)
			}
		}
		for _, e := range v {
			s.ranges(m, method, e)
		}
	}
}

// offsetOf returns the offset of a position, or -1 if the document has no such position.
func offsetOf(m *mapper, v map[string]any) int {
	line, okLine := v["line"].(float64)
	character, okCharacter := v["character"].(float64)
	p := position{int(line), int(character)}
	if offset := m.offset(p); okLine && okCharacter && m.position(offset) == p {
		return offset
	}
	return -1
}

// end ends the session.
func (s *scene) end() {
	s.call("shutdown", "null")
	s.send(`{"jsonrpc":"2.0","method":"exit"}`)
	select {
	case err := <-s.done:
		if err != nil {
			s.t.Errorf("Serve: %v", err)
		}
	case <-time.After(time.Minute):
		s.t.Error("the server does not end")
	}
	_ = s.conn.Close()
	if log := s.log.String(); strings.Contains(log, "panic") {
		s.t.Errorf("%q: %s", s.text, log)
	}
}

// FuzzServer changes a document in a session, asks about it, cancels requests, and sends invalid
// messages. Each byte pair of script is one of these.
func FuzzServer(f *testing.F) {
	for i, text := range awkward() {
		f.Add(text, []byte{byte(i), 1, 2, 3, 40, 5, 200, 7, 9, 0, byte(i), 4, 255, 255, 6, 6}, i%2 == 0)
	}
	f.Add("# syntax=a\n# slipway=1.0\n\nLET A=1\nFROM a AS b IF $A\nINCLUDE x\nRUN --if=$A b\n", []byte{1, 2, 3, 4, 5, 6, 7, 8}, true)
	f.Fuzz(func(t *testing.T, text string, script []byte, utf8 bool) {
		if len(text) > 2000 || len(script) > 24 {
			return
		}
		text = strings.ToValidUTF8(text, "?")
		encoding := utf16Encoding
		if utf8 {
			encoding = utf8Encoding
		}
		s := newScene(t, encoding, text)
		for ; len(script) >= 2; script = script[2:] {
			s.step(int(script[0]), int(script[1]))
		}
		s.requests(position{1, 2})
		s.end()
	})
}

// step does one of the things that clients do.
func (s *scene) step(kind, n int) {
	at := position{n % 16, n / 4}
	pieces := []string{"", "🐳", "\n", "\r\n", "\\\n", "FROM a AS b\n", "RUN <<E\n", "$A", "'", "--from=", "# x\n", "ARG A=1\n", "\"", "&& ", "[", "é"}
	switch kind % 8 {
	case 0, 1:
		method := methods()[kind/8%len(methods())]
		s.check(method, s.call(method, params(at)))
	case 2, 3:
		s.change(at, position{at.Line + kind/64, at.Character + kind%3}, pieces[(kind+n)%len(pieces)])
	case 4: // an invalid range
		s.change(position{at.Line - 8, at.Character - 32}, position{at.Line - 9, -1}, pieces[n%len(pieces)])
	case 5:
		id := s.start(methods()[n%len(methods())], params(at))
		s.send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":%d}}`, id))
		s.await(id)
	case 6:
		s.send([]string{"{", "[]", "null", `{"jsonrpc":"2.0","method":7}`, `{"jsonrpc":"2.0","id":{},"method":"a"}`, `{"jsonrpc":"2.0","id":9}`, `{"jsonrpc":"2.0","method":"textDocument/didChange","params":{"textDocument":{"version":1e99}}}`}[n%7])
	case 7: // the same document is opened again, or closed and opened
		if n%2 == 0 {
			s.send(`{"jsonrpc":"2.0","method":"textDocument/didClose","params":{"textDocument":{"uri":"file:///d/Dockerfile"}}}`)
		}
		s.open()
	}
}

var _ io.Writer = (*lockedBuffer)(nil)
