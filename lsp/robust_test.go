package lsp

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
)

// TestAbrupt checks that nothing runs any more after a client has closed the connection in the
// middle of requests and with documents to check. The bubble of synctest fails if a goroutine is
// left.
func TestAbrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, utf16Encoding, "FROM a\nRUN b\n")
		for i := range 20 {
			uri := fmt.Sprintf("file:///d%d/Dockerfile", i)
			s.send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":{"uri":%q,"version":1,"text":"FROM a\nRUN b\n"}}}`, uri))
			s.start("textDocument/hover", fmt.Sprintf(`{"textDocument":{"uri":%q},"position":{"line":1,"character":1}}`, uri))
		}
		if err := s.conn.Close(); err != nil {
			t.Error(err)
		}
		<-s.done
	})
}

// TestSamePath checks that two URIs of one path are two documents, and that a document can be opened
// again without being closed.
func TestSamePath(t *testing.T) {
	c := start(t, Options{})
	c.initialize(`{"textDocument":{"diagnostic":{}}}`)
	ask := func(uri string) string {
		return c.call("textDocument/diagnostic", fmt.Sprintf(`{"textDocument":{"uri":%q}}`, uri))
	}
	open := func(uri, text string) {
		quoted, _ := json.Marshal(text)
		c.notify("textDocument/didOpen", fmt.Sprintf(`{"textDocument":{"uri":%q,"version":1,"text":%s}}`, uri, quoted))
	}
	const one, other = "file:///d/Dockerfile", "file:///d/Docker%66ile"
	open(one, "FROM scratch AS A\n")
	open(other, "COPPY\n")
	if got := ask(one); !strings.Contains(got, "StageNameCasing") || strings.Contains(got, "COPPY") {
		t.Errorf("%s: %s", one, got)
	}
	if got := ask(other); !strings.Contains(got, "COPPY") || strings.Contains(got, "StageNameCasing") {
		t.Errorf("%s: %s", other, got)
	}
	open(one, "FROM scratch\n")
	if got := ask(one); !strings.Contains(got, `"items":[]`) {
		t.Errorf("opened again: %s", got)
	}
	c.notify("textDocument/didClose", fmt.Sprintf(`{"textDocument":{"uri":%q}}`, one))
	if got := ask(one); !strings.Contains(got, "is not open") {
		t.Errorf("closed: %s", got)
	}
	if got := ask(other); !strings.Contains(got, "COPPY") {
		t.Errorf("the other one: %s", got)
	}
	c.end()
}

// TestHugeDocument checks that a document that is too long gets one diagnostic, and answers to all
// requests.
func TestHugeDocument(t *testing.T) {
	text := "FROM scratch\n" + strings.Repeat("RUN echo a | tee b\n", maxText/18)
	s := newScene(t, utf16Encoding, text)
	got := s.call("textDocument/diagnostic", documentURI)
	if !strings.Contains(got, "larger than 4 MiB: the file is not checked") || strings.Count(got, `"severity"`) != 1 {
		t.Errorf("%.300s", got)
	}
	for _, method := range methods() {
		if got := s.call(method, params(position{1000, 5})); strings.Contains(got, "-32603") {
			t.Errorf("%s: %.300s", method, got)
		}
	}
	s.end()
}

// TestInvalidChanges checks changes whose ranges are outside of the document, inside of a surrogate
// pair, or reversed.
func TestInvalidChanges(t *testing.T) {
	for _, tc := range []struct {
		a, b position
		want string
	}{
		{position{-1, -1}, position{0, 1}, "XROM 🐳\r\nRUN a"},
		{position{0, 6}, position{0, 6}, "FROM X🐳\r\nRUN a"}, // between the surrogates
		{position{0, 5}, position{0, 6}, "FROM X🐳\r\nRUN a"},
		{position{0, 99}, position{1, 0}, "FROM 🐳XRUN a"},
		{position{1, 2}, position{0, 2}, "FROM 🐳\r\nRUXN a"}, // the end precedes the start
		{position{1, 0}, position{99, 0}, "FROM 🐳\r\nX"},
		{position{math.MaxInt, math.MaxInt}, position{math.MaxInt, 0}, "FROM 🐳\r\nRUN aX"},
	} {
		s := &server{opt: Options{Log: &lockedBuffer{}}, pull: true, encoding: utf16Encoding, documents: map[string]*document{}}
		p := openParams{}
		p.TextDocument.URI, p.TextDocument.Text = "u", "FROM 🐳\r\nRUN a"
		s.open(t.Context(), p)
		s.change(t.Context(), changeParams{documentID{"u", 1}, []change{{&textRange{tc.a, tc.b}, "X"}}})
		if got := string(s.documents["u"].snapshot.file.Bytes); got != tc.want {
			t.Errorf("%v-%v: %q, want %q", tc.a, tc.b, got, tc.want)
		}
	}
}
