package source

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/solver"
	"slipway/solver/tree"
)

// Download is a file that was fetched.
type Download struct {
	snapshot *solver.Snapshot
	op       *pb.SourceOp
	// Blob is the content, Name what the file is called.
	Blob tree.Blob
	Name string
	// LastModified is what the server says; nil if it does not.
	LastModified *time.Time
}

// Digest implements [solver.Source].
func (d *Download) Digest() digest.Digest { return d.snapshot.Tree().ID() }

// Fetch implements [solver.Source].
func (d *Download) Fetch(context.Context) (*solver.Snapshot, error) { return d.snapshot, nil }

// http fetches a file. It does so once per build.
func (s *Sources) http(ctx context.Context, op *pb.SourceOp) (*Download, error) {
	return s.downloads.get(sourceKey(op), func() (*Download, error) {
		if b, ok := s.Uploads[op.Identifier]; ok {
			return newDownload(op, b, &http.Response{})
		}
		return s.download(ctx, op)
	})
}

// ResolveHTTP fetches a file and tells what is known of it.
func (s *Sources) ResolveHTTP(ctx context.Context, op *pb.SourceOp) (*Download, error) {
	return s.http(ctx, op)
}

func (s *Sources) download(ctx context.Context, op *pb.SourceOp) (*Download, error) {
	if s.HTTP == nil {
		return nil, errors.New("downloads are not allowed")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, op.Identifier, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, fmt.Errorf("invalid response status %s", resp.Status)
	}
	b, err := s.Store.Put(resp.Body)
	if err != nil {
		return nil, err
	}
	return newDownload(op, b, resp)
}

func newDownload(op *pb.SourceOp, b tree.Blob, resp *http.Response) (*Download, error) {
	if want := op.Attrs[pb.AttrHTTPChecksum]; want != "" && want != string(b.Digest) {
		return nil, fmt.Errorf("digest mismatch %s: %s", b.Digest, want)
	}
	d := &Download{op: op, Blob: b, Name: downloadName(op, resp)}
	m, err := downloadMeta(op.Attrs)
	if err != nil {
		return nil, err
	}
	if t, err := http.ParseTime(resp.Header.Get("Last-Modified")); err == nil {
		m.ModTime = t.UTC()
		d.LastModified = &m.ModTime
	}
	root, err := tree.NewDir(tree.Meta{Mode: 0o755}, []tree.Entry{{Name: d.Name, Node: tree.NewFile(m, b)}})
	if err != nil {
		return nil, err
	}
	d.snapshot = solver.NewSnapshot(nil, nil).With(root)
	return d, nil
}

func downloadMeta(attrs map[string]string) (tree.Meta, error) {
	m := tree.Meta{Mode: 0o600, ModTime: time.Unix(0, 0).UTC()}
	for _, f := range []struct {
		key  string
		base int
		to   *uint32
	}{{pb.AttrHTTPPerm, 0, &m.Mode}, {pb.AttrHTTPUID, 0, &m.UID}, {pb.AttrHTTPGID, 0, &m.GID}} {
		if v := attrs[f.key]; v != "" {
			n, err := strconv.ParseUint(v, f.base, 32)
			if err != nil {
				return m, fmt.Errorf("attribute %s: %w", f.key, err)
			}
			*f.to = uint32(n)
		}
	}
	return m, nil
}

// downloadName is what the file is called: as the definition says, as the
// server says, or as the end of the URL.
func downloadName(op *pb.SourceOp, resp *http.Response) string {
	if name := op.Attrs[pb.AttrHTTPFilename]; name != "" {
		return name
	}
	if _, params, err := mime.ParseMediaType(resp.Header.Get("Content-Disposition")); err == nil {
		if name := path.Base(params["filename"]); name != "." && name != "/" {
			return name
		}
	}
	u, err := url.Parse(op.Identifier)
	if err != nil {
		return "download"
	}
	if name := path.Base(u.Path); name != "." && name != "/" {
		return name
	}
	return "download"
}
