package lsp

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// document is an open document.
type document struct {
	snapshot *snapshot
	timers   []*time.Timer // send the diagnostics
}

// stop ends what is scheduled or runs for the diagnostics.
func (d *document) stop() {
	d.snapshot.retire()
	for _, t := range d.timers {
		t.Stop()
	}
	d.timers = nil
}

// open adds a document.
func (s *server) open(ctx context.Context, p openParams) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.documents[p.TextDocument.URI]; old != nil {
		old.stop()
	}
	d := &document{snapshot: newSnapshot(ctx, p.TextDocument.documentID, []byte(p.TextDocument.Text), s.encoding, s.opt.Checks)}
	s.documents[p.TextDocument.URI] = d
	s.schedule(ctx, d)
}

// change applies changes to a document. Changes of unknown documents and of old versions are
// dropped.
func (s *server) change(ctx context.Context, p changeParams) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.documents[p.TextDocument.URI]
	if d == nil || p.TextDocument.Version <= d.snapshot.version {
		fmt.Fprintf(s.opt.Log, "dropped version %d of %s\n", p.TextDocument.Version, p.TextDocument.URI)
		return
	}
	text, m := d.snapshot.file.Bytes, d.snapshot.mapper
	for i, c := range p.ContentChanges {
		if c.Range == nil {
			text = []byte(c.Text)
		} else {
			if i > 0 {
				m = newMapper(text, s.encoding)
			}
			start := m.offset(c.Range.Start)
			end := max(start, m.offset(c.Range.End))
			text = append(append(append(make([]byte, 0, len(text)+len(c.Text)), text[:start]...), c.Text...), text[end:]...)
		}
	}
	d.stop()
	d.snapshot = newSnapshot(ctx, p.TextDocument, text, s.encoding, s.opt.Checks)
	s.schedule(ctx, d)
}

// saved checks the documents again that include a file, after it has changed on the disk.
func (s *server) saved(ctx context.Context, uri string) {
	name := fileName(uri)
	again := false
	s.mu.Lock()
	for _, d := range s.documents {
		old := d.snapshot
		if gated := bytes.Contains(old.file.Bytes, []byte("slipway")); !gated || old.uri == uri || !old.includes(name) {
			continue
		}
		d.stop()
		d.snapshot = newSnapshot(ctx, documentID{old.uri, old.version}, old.file.Bytes, s.encoding, s.opt.Checks)
		s.schedule(ctx, d)
		again = true
	}
	s.mu.Unlock()
	if again && s.refresh {
		s.call(ctx, "workspace/diagnostic/refresh")
	}
}

// close removes a document and its diagnostics.
func (s *server) close(ctx context.Context, uri string) {
	s.mu.Lock()
	d := s.documents[uri]
	if d != nil {
		d.stop()
		delete(s.documents, uri)
	}
	s.mu.Unlock()
	if d != nil {
		s.publishing.Lock()
		defer s.publishing.Unlock()
		s.clear(ctx, uri)
	}
}

// isCurrent reports whether a snapshot is the latest version of an open document.
func (s *server) isCurrent(snap *snapshot) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.documents[snap.uri]
	return d != nil && d.snapshot == snap
}

// fileName returns the path of the file that a URI names. If the URI does not name a file, it
// returns the last part of the URI.
func fileName(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "file" {
		return uri[strings.LastIndexByte(uri, '/')+1:]
	}
	path := u.Path
	if runtime.GOOS == "windows" {
		path = strings.TrimPrefix(path, "/")
	}
	return filepath.FromSlash(path)
}
