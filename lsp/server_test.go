package lsp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"slipway/diag"
	"slipway/format"
	"slipway/parser"
	"slipway/source"
)

// client is the client of a session in a test. It sends raw messages.
type client struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
	done chan error // receives the result of Serve
	log  bytes.Buffer
	id   int
}

// start starts a session. The connection is in memory, so that it works in a bubble of synctest.
func start(t testing.TB, opt Options) *client {
	t.Helper()
	own, other := net.Pipe()
	c := &client{t: t, conn: own, in: bufio.NewReader(own), done: make(chan error, 1)}
	opt.Log = &c.log
	go func() { c.done <- Serve(context.WithoutCancel(t.Context()), other, opt) }()
	return c
}

// send sends a message as it is.
func (c *client) send(text string) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.conn, "Content-Length: %d\r\n\r\n%s", len(text), text); err != nil {
		c.t.Fatal(err)
	}
}

// notify sends a notification.
func (c *client) notify(method, params string) {
	c.t.Helper()
	c.send(fmt.Sprintf(`{"jsonrpc":"2.0","method":%q,"params":%s}`, method, params))
}

// receive returns the next message.
func (c *client) receive() string {
	c.t.Helper()
	size := 0
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Fatal(err)
		}
		if line == "\r\n" {
			break
		}
		if _, err := fmt.Sscanf(line, "Content-Length: %d", &size); err != nil {
			c.t.Fatalf("header %q: %v", line, err)
		}
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(c.in, data); err != nil {
		c.t.Fatal(err)
	}
	return string(data)
}

// call sends a request and returns the result or the error of the next message.
func (c *client) call(method, params string) string {
	c.t.Helper()
	c.id++
	c.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, c.id, method, params))
	var answer struct {
		ID            int
		Result, Error json.RawMessage
	}
	text := c.receive()
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.ID != c.id {
		c.t.Fatalf("%s: answer %s, %v", method, text, err)
	}
	if answer.Error != nil {
		return string(answer.Error)
	}
	return string(answer.Result)
}

// initialize starts the session with the given capabilities of the client.
func (c *client) initialize(capabilities string) string {
	c.t.Helper()
	out := c.call("initialize", `{"capabilities":`+capabilities+`}`)
	c.notify("initialized", "{}")
	return out
}

// open opens the document file:///d/Dockerfile.
func (c *client) open(text string) {
	c.t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		c.t.Fatal(err)
	}
	c.notify("textDocument/didOpen", fmt.Sprintf(`{"textDocument":{"uri":"file:///d/Dockerfile","languageId":"dockerfile","version":1,"text":%s}}`, quoted))
}

// end ends the session.
func (c *client) end() {
	c.t.Helper()
	if got := c.call("shutdown", "null"); got != "null" {
		c.t.Errorf("shutdown: %s", got)
	}
	c.notify("exit", "null")
	if err := <-c.done; err != nil {
		c.t.Errorf("Serve: %v", err)
	}
}

const documentURI = `{"textDocument":{"uri":"file:///d/Dockerfile"}}`

// TestLifecycle checks the order of a session and the answers to invalid messages.
func TestLifecycle(t *testing.T) {
	c := start(t, Options{Version: "1"})
	if got := c.call("textDocument/formatting", documentURI); !strings.Contains(got, "-32002") {
		t.Errorf("before initialize: %s", got)
	}
	want := `{"capabilities":{"positionEncoding":"utf-8","textDocumentSync":{"openClose":true,"change":2,"save":true},"documentFormattingProvider":true,"documentRangeFormattingProvider":true,"codeActionProvider":{"codeActionKinds":["quickfix","source.fixAll.slipway"]},"definitionProvider":true,"referencesProvider":true,"documentHighlightProvider":true,"renameProvider":{"prepareProvider":true},"hoverProvider":true,"documentSymbolProvider":true,"completionProvider":{"triggerCharacters":[" ","$","{","=",",","/","-"]},"foldingRangeProvider":true,"selectionRangeProvider":true,"semanticTokensProvider":{"legend":{"tokenTypes":["keyword","parameter","variable","string","number","operator","comment","macro","namespace","function","property"],"tokenModifiers":["declaration","readonly","deprecated","defaultLibrary"]},"range":true,"full":true},"documentLinkProvider":{"resolveProvider":false},"inlayHintProvider":true,"documentOnTypeFormattingProvider":{"firstTriggerCharacter":"\n"},"linkedEditingRangeProvider":true},"serverInfo":{"name":"slipway","version":"1"}}`
	if got := c.initialize(`{"general":{"positionEncodings":["utf-16","utf-8"]}}`); got != want {
		t.Errorf("initialize: %s, want %s", got, want)
	}
	for _, tc := range []struct{ message, want string }{
		{"{", `{"error":{"code":-32700,"message":"the message is not a valid JSON-RPC request"},"id":null,"jsonrpc":"2.0"}`},
		{"[]", "-32600"},
		{`{"jsonrpc":"2.0","id":"a","method":"nonsense"}`, `-32601`},
		{`{"jsonrpc":"2.0","id":"a","method":"initialize","params":{}}`, `-32600`},
		{`{"jsonrpc":"2.0","id":"a","method":"textDocument/formatting"}`, `-32602`},
		{`{"jsonrpc":"2.0","id":"a","method":"textDocument/formatting","params":[]}`, `-32602`},
		{`{"jsonrpc":"2.0","id":"a","method":"textDocument/formatting","params":` + documentURI + `}`, `is not open`},
		{`{"jsonrpc":"2.0","method":"textDocument/didOpen","params":[]}`, `window/logMessage`},
	} {
		c.send(tc.message)
		if got := c.receive(); !strings.Contains(got, tc.want) {
			t.Errorf("%s: %s, want %s", tc.message, got, tc.want)
		}
	}
	c.notify("nonsense", "{}")
	c.notify("textDocument/didChange", `{"textDocument":{"uri":"x","version":2},"contentChanges":[]}`)
	c.notify("$/cancelRequest", `{"id":7}`)
	if got := c.call("shutdown", "null"); got != "null" {
		t.Errorf("shutdown: %s", got)
	}
	if got := c.call("textDocument/formatting", documentURI); !strings.Contains(got, "-32600") {
		t.Errorf("after shutdown: %s", got)
	}
	c.notify("exit", "null")
	if err := <-c.done; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// TestEnd checks sessions that end without shutdown.
func TestEnd(t *testing.T) {
	c := start(t, Options{})
	c.initialize("{}")
	c.notify("exit", "null")
	if err := <-c.done; !errors.Is(err, ErrNoShutdown) {
		t.Errorf("exit: %v", err)
	}
	for _, text := range []string{"", "x: y\r\n\r\n", "Content-Length: x\r\n\r\n", "Content-Length: 99999999999\r\n\r\n", strings.Repeat("x", maxHeader+1)} {
		c := start(t, Options{})
		if _, err := io.WriteString(c.conn, text); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			t.Fatal(err)
		}
		if text == "" {
			c.conn.Close()
		}
		if err := <-c.done; !errors.Is(err, ErrNoShutdown) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

// shown formats diagnostics as LINE:CHARACTER-LINE:CHARACTER SEVERITY CODE MESSAGE.
func shown(t *testing.T, list []diagnostic) string {
	t.Helper()
	var b strings.Builder
	for _, d := range list {
		r := d.Range
		fmt.Fprintf(&b, "%d:%d-%d:%d %d %s %s\n", r.Start.Line, r.Start.Character, r.End.Line, r.End.Character, d.Severity, d.Code, d.Message)
	}
	return b.String()
}

// TestDiagnostics checks the diagnostics of documents, for a client that asks for them.
func TestDiagnostics(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"", ""},
		{"# only a comment\n", "0:15-0:16 1  file with no instructions\n"},
		{"FROM scratch\nCOPPY a /\n", "1:0-1:5 1  dockerfile parse error on line 2: unknown instruction: COPPY (did you mean COPY?)\n"},
		{"from scratch\nCOPY a /\n", "0:0-0:4 2 ConsistentInstructionCasing Command 'from' should match the case of the command majority (uppercase)\n"},
		{"FROM scratch\r\nWORKDIR 🐳é\r\n", "1:8-1:11 2 WorkdirRelativePath Relative workdir \"🐳é\" can have unexpected results if the base image changes\n"},
		{"\xEF\xBB\xBFFROM scratch AS A\n", "0:17-0:18 2 StageNameCasing Stage name 'A' should be lowercase\n"},
		{"FROM scratch\nENV A=$B\nFROM alpine\nENV A=$B\n", "1:6-1:8 2 UndefinedVar Usage of undefined variable '$B'\n"},
		{"FROM scratch\nMAINTAINER me\nRUN <<E\n", "1:0-1:10 2 MaintainerDeprecated Maintainer instruction is deprecated in favor of using label\n2:4-2:7 1  unterminated heredoc (no line is \"E\" alone)\n"},
		{"# check=skip=StageNameCasing;x\nFROM scratch AS A\n", "0:0-1:0 1  invalid check option \"x\"\n1:16-1:17 2 StageNameCasing Stage name 'A' should be lowercase\n"},
		{"RUN a\n", "0:0-0:3 1  no build stage in current context (only ARG may come before the first FROM)\n"},
	} {
		c := start(t, Options{})
		c.initialize(`{"textDocument":{"diagnostic":{}}}`)
		c.open(tc.text)
		var report diagnosticReport
		if text := c.call("textDocument/diagnostic", documentURI); json.Unmarshal([]byte(text), &report) != nil || report.Kind != "full" {
			t.Fatalf("%q: %s", tc.text, text)
		}
		if got := shown(t, report.Items); got != tc.want {
			t.Errorf("%q:\n%swant\n%s", tc.text, got, tc.want)
		}
		c.end()
	}
}

// TestPublish checks that diagnostics are published after the client has rested, once for a burst
// of changes, and removed when the document is closed.
func TestPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{})
		c.initialize("{}")
		c.open("FROM scratch\n")
		for v := 2; v < 1000; v++ {
			c.notify("textDocument/didChange", fmt.Sprintf(`{"textDocument":{"uri":"file:///d/Dockerfile","version":%d},"contentChanges":[{"text":"FROM scratch AS A%d\n"}]}`, v, v))
		}
		c.notify("textDocument/didChange", `{"textDocument":{"uri":"file:///d/Dockerfile","version":5},"contentChanges":[{"text":"old"}]}`)
		const want = `"version":999,"diagnostics":[{"range":{"start":{"line":0,"character":16},"end":{"line":0,"character":20}},"severity":2,"code":"StageNameCasing","codeDescription":{"href":"https://docs.docker.com/go/dockerfile/rule/stage-name-casing/"},"source":"slipway","message":"Stage name 'A999' should be lowercase"}]`
		if got := c.receive(); !strings.Contains(got, want) {
			t.Errorf("published %s, want %s", got, want)
		}
		c.notify("textDocument/didClose", documentURI)
		if got := c.receive(); !strings.Contains(got, `"params":{"uri":"file:///d/Dockerfile","diagnostics":[]}`) {
			t.Errorf("after closing: %s", got)
		}
		c.end()
	})
}

// TestFormatting checks the edits for a document and for a range, and the indentation.
func TestFormatting(t *testing.T) {
	const text = "from scratch\nenv 🐳=1 \\\n b=2\n\n\n\nuser  x\n"
	settings := func(path string, opt format.Options) (format.Options, error) {
		switch path {
		case "/d/Dockerfile":
			opt.Keywords = format.LowerCase
			return opt, nil
		}
		return opt, fmt.Errorf("unexpected path %q", path)
	}
	for _, tc := range []struct {
		opt    Options
		text   string
		params string
		want   string
	}{
		{Options{}, text, `"options":{"tabSize":2,"insertSpaces":true}`, "FROM scratch\nENV 🐳=1 \\\n  b=2\n\nUSER x\n"},
		{Options{}, text, `"options":{"tabSize":4}`, "FROM scratch\nENV 🐳=1 \\\n\tb=2\n\nUSER x\n"},
		{Options{Settings: settings}, text, `"options":{"tabSize":4,"insertSpaces":true}`, "from scratch\nenv 🐳=1 \\\n    b=2\n\nuser x\n"},
		{Options{}, text, `"options":{},"range":{"start":{"line":2,"character":0},"end":{"line":2,"character":1}}`, "from scratch\nENV 🐳=1 \\\n    b=2\n\n\n\nuser  x\n"},
		{Options{}, text, `"options":{},"range":{"start":{"line":6,"character":0},"end":{"line":7,"character":0}}`, "from scratch\nenv 🐳=1 \\\n b=2\n\n\n\nUSER x\n"},
		{Options{}, "FROM a\nRUN <<E\n", `"options":{}`, "FROM a\nRUN <<E\n"},
		{Options{}, "FROM a\r\nuser  b", `"options":{}`, "FROM a\r\nUSER b\r\n"},
	} {
		c := start(t, tc.opt)
		c.initialize(`{"textDocument":{"diagnostic":{}}}`)
		c.open(tc.text)
		method := "textDocument/formatting"
		if strings.Contains(tc.params, "range") {
			method = "textDocument/rangeFormatting"
		}
		answer := c.call(method, `{"textDocument":{"uri":"file:///d/Dockerfile"},`+tc.params+`}`)
		var edits []textEdit
		if err := json.Unmarshal([]byte(answer), &edits); err != nil {
			t.Fatalf("%s: %v", answer, err)
		}
		m := newMapper([]byte(tc.text), utf16Encoding)
		f := source.NewFile("", []byte(tc.text))
		var list []diag.Edit
		for _, e := range edits {
			list = append(list, diag.Edit{Range: source.Range{File: f, Start: m.offset(e.Range.Start), End: m.offset(e.Range.End)}, New: e.NewText})
		}
		if got := string(diag.Apply(f, list)); got != tc.want {
			t.Errorf("%q %s: %q, want %q", tc.text, tc.params, got, tc.want)
		}
		c.end()
	}
}

// TestRunningRequest checks that a running request is cancelled, that its edits are refused if the
// document has changed meanwhile, and that a panic does not end the server.
func TestRunningRequest(t *testing.T) {
	started, proceed := make(chan bool), make(chan bool)
	c := start(t, Options{Format: func(ctx context.Context, f *parser.File, opt format.Options) ([]diag.Edit, error) {
		started <- true
		select {
		case fails := <-proceed:
			if fails {
				panic("broken")
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return format.Format(f, opt)
	}})
	c.initialize(`{"textDocument":{"diagnostic":{}}}`)
	c.open("from a\n")
	for i, tc := range []struct {
		during func()
		want   string
	}{
		{func() { c.notify("$/cancelRequest", `{"id":100}`) }, "-32800"},
		{func() {
			c.notify("textDocument/didChange", `{"textDocument":{"uri":"file:///d/Dockerfile","version":2},"contentChanges":[{"text":"from b\n"}]}`)
			if got := c.call("nonsense", "{}"); !strings.Contains(got, "-32601") { // the change has been applied
				t.Error(got)
			}
			proceed <- false
		}, "-32801"},
		{func() { proceed <- true }, "internal error: broken"},
		{func() { proceed <- false }, "FROM"},
	} {
		c.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"textDocument/formatting","params":%s}`, 100+i, documentURI))
		<-started
		tc.during()
		got := c.receive()
		for strings.Contains(got, "window/logMessage") {
			got = c.receive()
		}
		if !strings.Contains(got, tc.want) {
			t.Errorf("request %d: %s, want %s", i, got, tc.want)
		}
	}
	c.end()
}

// TestIncrementalChanges checks that random changes of ranges give the same text as in the client.
func TestIncrementalChanges(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"", "a", "🐳", "é\r\n", "\n", "\r", "RUN x\n"}
	for _, encoding := range []string{utf8Encoding, utf16Encoding} {
		s := &server{opt: Options{Log: io.Discard}, pull: true, encoding: encoding, documents: map[string]*document{}}
		var p openParams
		p.TextDocument.URI = "u"
		s.open(t.Context(), p)
		want := ""
		for v := 1; v < 300; v++ {
			m := newMapper([]byte(want), encoding)
			a, b := m.position(random.IntN(len(want)+1)), m.position(random.IntN(len(want)+1))
			if m.offset(b) < m.offset(a) {
				a, b = b, a
			}
			text := pieces[random.IntN(len(pieces))]
			want = want[:m.offset(a)] + text + want[m.offset(b):]
			s.change(t.Context(), changeParams{documentID{"u", v}, []change{{&textRange{a, b}, text}}})
			if got := string(s.documents["u"].snapshot.file.Bytes); got != want {
				t.Fatalf("%q, want %q", got, want)
			}
		}
	}
}
