package lsp

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"slipway/lint"
	"slipway/lint/rules"
	"slipway/source"
)

// longFile returns a Dockerfile of 650 lines: ten tools, each downloaded, built and copied. The
// variable BENCH_DOCKERFILE names another file.
func longFile(tb testing.TB) string {
	tb.Helper()
	if name := os.Getenv("BENCH_DOCKERFILE"); name != "" {
		data, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		return string(data)
	}
	unit, err := os.ReadFile("testdata/bench.txt")
	if err != nil {
		tb.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("# syntax=docker/dockerfile:1\nARG GO_VERSION=1.26\nARG BASE=debian:12\n")
	for i := range 10 {
		b.WriteString(strings.ReplaceAll(string(unit), "TOOL", fmt.Sprintf("tool%d", i)))
	}
	return b.String()
}

// benchChecks returns all rules, with a context of 20,000 files.
func benchChecks() checksFunc {
	l := lint.New(rules.All(), lint.Settings{})
	listing := lint.NewListing(manyFiles(20_000), nil)
	return func(string, *source.File) (Checks, error) {
		return Checks{Linter: l, Options: lint.Options{Listing: listing}}, nil
	}
}

// edit sends a change that replaces the last character of the document.
func (c *client) edit(version int, lines int) {
	c.t.Helper()
	c.notify("textDocument/didChange", fmt.Sprintf(
		`{"textDocument":{"uri":"file:///d/Dockerfile","version":%d},"contentChanges":[{"range":{"start":{"line":%d,"character":0},"end":{"line":%d,"character":0}},"text":"# %d\n"}]}`,
		version, lines, lines, version))
}

// BenchmarkFindings changes a file of 650 lines and waits for the findings. ms/findings is the time
// after the rest of 200 ms.
func BenchmarkFindings(b *testing.B) {
	text := longFile(b)
	c := start(b, Options{Checks: benchChecks()})
	c.initialize("{}")
	c.open(text)
	first := c.receive()
	b.ReportMetric(float64(strings.Count(first, `"severity"`)), "findings")
	b.ReportMetric(float64(strings.Count(text, "\n")), "lines")
	var total time.Duration
	version := 1
	for b.Loop() {
		version++
		begin := time.Now()
		c.edit(version, 1)
		c.receive()
		total += time.Since(begin) - restTime
	}
	b.ReportMetric(float64(total.Microseconds())/1000/float64(version-1), "ms/findings")
	c.end()
}

// BenchmarkRequests measures requests about a file of 650 lines, right after a change, when nothing
// about the new text is known, and again without a change.
func BenchmarkRequests(b *testing.B) {
	text := longFile(b)
	lines := strings.Split(text, "\n")
	for _, bc := range []struct{ name, method, line string }{
		{"completion of a file", "textDocument/completion", "COPY dir0/"},
		{"completion of a variable", "textDocument/completion", "ENV LAST=$"},
		{"hover", "textDocument/hover", "ENV LAST=$BASE"},
	} {
		at := len(lines) - 1
		full := strings.Join(append(lines[:at:at], bc.line, ""), "\n")
		params := fmt.Sprintf(`{"textDocument":{"uri":"file:///d/Dockerfile"},"position":{"line":%d,"character":%d}}`, at+1, len(bc.line))
		for _, changed := range []bool{true, false} {
			name := bc.name
			if changed {
				name += " after a change"
			}
			b.Run(name, func(b *testing.B) {
				c := start(b, Options{Checks: benchChecks()})
				c.initialize(`{"textDocument":{"diagnostic":{}}}`)
				c.open("\n" + full)
				version := 1
				for b.Loop() {
					if version++; changed {
						c.edit(version, 0)
						params = strings.Replace(params, fmt.Sprintf(`"line":%d,`, at+version-1), fmt.Sprintf(`"line":%d,`, at+version), 1)
					}
					c.call(bc.method, params)
				}
				b.StopTimer()
				c.end()
			})
		}
	}
}

// BenchmarkDocuments opens 100 documents of 650 lines and asks for their findings. MB/document is
// the memory that each of them keeps.
func BenchmarkDocuments(b *testing.B) {
	text, err := json.Marshal(longFile(b))
	if err != nil {
		b.Fatal(err)
	}
	const documents = 100
	for b.Loop() {
		c := start(b, Options{Checks: benchChecks()})
		c.initialize(`{"textDocument":{"diagnostic":{}}}`)
		before := heap()
		for i := range documents {
			uri := fmt.Sprintf("file:///d%d/Dockerfile", i)
			c.notify("textDocument/didOpen", fmt.Sprintf(`{"textDocument":{"uri":%q,"languageId":"dockerfile","version":1,"text":%s}}`, uri, text))
			c.call("textDocument/diagnostic", fmt.Sprintf(`{"textDocument":{"uri":%q}}`, uri))
		}
		b.ReportMetric(float64(heap()-before)/(1<<20)/documents, "MB/document")
		c.end()
	}
}

// heap returns the bytes that are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// manyFiles returns a file system with n files in directories of 100.
func manyFiles(n int) fs.FS {
	files := fstest.MapFS{}
	for i := range n {
		files[fmt.Sprintf("dir%d/file%d", i/100, i%100)] = &fstest.MapFile{}
	}
	return files
}
