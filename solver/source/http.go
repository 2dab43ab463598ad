package source

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strconv"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/solver"
	"slipway/solver/tree"
)

// download is a file that was fetched.
type download struct{ snapshot *solver.Snapshot }

// Digest implements [solver.Source].
func (d *download) Digest() digest.Digest { return d.snapshot.Tree().ID() }

// Fetch implements [solver.Source].
func (d *download) Fetch(context.Context) (*solver.Snapshot, error) { return d.snapshot, nil }

// http fetches a file.
func (s *Sources) http(ctx context.Context, op *pb.SourceOp) (solver.Source, error) {
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
	if want := op.Attrs[pb.AttrHTTPChecksum]; want != "" && want != string(b.Digest) {
		return nil, fmt.Errorf("digest mismatch %s: %s", b.Digest, want)
	}
	m, err := downloadMeta(op.Attrs, resp)
	if err != nil {
		return nil, err
	}
	root, err := tree.NewDir(tree.Meta{Mode: 0o755}, []tree.Entry{{Name: downloadName(op, resp), Node: tree.NewFile(m, b)}})
	if err != nil {
		return nil, err
	}
	return &download{solver.NewSnapshot(nil, nil).With(root)}, nil
}

func downloadMeta(attrs map[string]string, resp *http.Response) (tree.Meta, error) {
	m := tree.Meta{Mode: 0o600, ModTime: time.Unix(0, 0).UTC()}
	if t, err := http.ParseTime(resp.Header.Get("Last-Modified")); err == nil {
		m.ModTime = t.UTC()
	}
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
	if name := path.Base(resp.Request.URL.Path); name != "." && name != "/" {
		return name
	}
	return "download"
}
