package llbsource

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

	"slipway/internal/oneline"
	"slipway/solver/snapshot"
	"slipway/solver/track"
	"slipway/solver/tree"
)

// Download is the result of an HTTP source: a directory that contains the downloaded file.
type Download struct {
	snapshot *snapshot.Snapshot
	op       *pb.SourceOp
	Blob     tree.Blob // content of the file
	Name     string    // file name
	// LastModified is the modification time that the server reported, or nil.
	LastModified *time.Time
}

// Digest implements [solver.Source].
func (d *Download) Digest() digest.Digest { return d.snapshot.Ref().ID() }

// Fetch implements [solver.Source].
func (d *Download) Fetch(context.Context) (*snapshot.Snapshot, error) { return d.snapshot, nil }

// http downloads the file of an HTTP source. Within a build, it downloads each file only once.
func (s *Sources) http(ctx context.Context, op *pb.SourceOp) (*Download, error) {
	return s.downloads.Do(ctx, sourceKey(op), func(ctx context.Context) (*Download, error) {
		b, ok, err := s.upload(ctx, op.Identifier)
		if err != nil {
			return nil, fmt.Errorf("upload %s: %w", op.Identifier, err)
		}
		var d *Download
		if ok {
			d, err = newDownload(op, b, nil)
		} else {
			d, err = s.download(ctx, op)
		}
		if err == nil {
			err = s.verifyDownload(op, d.Blob)
		}
		return d, err
	})
}

// upload returns the content of a file that the client offers under a URL, and reports whether
// the client offers it.
func (s *Sources) upload(ctx context.Context, url string) (tree.Blob, bool, error) {
	if s.Client == nil {
		b, ok := s.Uploads[url]
		return b, ok, nil
	}
	r, ok, err := s.Client.Upload(ctx, url)
	if err != nil || !ok {
		return tree.Blob{}, false, err
	}
	b, err := s.Store.Put(tree.Reader(ctx, r))
	return b, true, errors.Join(err, r.Close())
}

// ResolveHTTP downloads the file of an HTTP source, and returns its digest, name and
// modification time. Within a build, it downloads each file only once.
func (s *Sources) ResolveHTTP(ctx context.Context, op *pb.SourceOp) (*Download, error) {
	return s.http(ctx, op)
}

// download downloads a file. It reuses the file from a previous build if the operation's
// checksum matches, or if the server reports that the file is unchanged.
func (s *Sources) download(ctx context.Context, op *pb.SourceOp) (*Download, error) {
	key := downloadKey(op)
	old, known := s.Files.download(key)
	known = known && s.Store.Has(old.Blob)
	if known && op.Attrs[pb.AttrHTTPChecksum] == string(old.Blob.Digest) {
		return newDownload(op, old.Blob, old.header())
	}
	if known && s.unchanged(ctx, op, old.Header["Etag"]) {
		return newDownload(op, old.Blob, old.header())
	}
	resp, err := s.sendRequest(ctx, op, http.MethodGet, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, fmt.Errorf("invalid response status %s", oneline.Excerpt(resp.Status))
	}
	t := track.Start(ctx, "downloading", max(0, resp.ContentLength))
	defer t.Done()
	b, err := s.Store.Put(t.Reader(resp.Body))
	if err != nil {
		return nil, err
	}
	fresh := pastDownload{Blob: b, Header: map[string]string{}}
	for _, name := range []string{"Etag", "Last-Modified", "Content-Disposition"} {
		fresh.Header[name] = resp.Header.Get(name)
	}
	s.Files.rememberDownload(key, fresh)
	return newDownload(op, b, resp.Header)
}

func newDownload(op *pb.SourceOp, b tree.Blob, header http.Header) (*Download, error) {
	if want := op.Attrs[pb.AttrHTTPChecksum]; want != "" && want != string(b.Digest) {
		return nil, fmt.Errorf("digest mismatch %s: %s (the first one is the digest of the download, the second one the checksum that the instruction wants)", b.Digest, want)
	}
	d := &Download{op: op, Blob: b, Name: downloadName(op, header)}
	m, err := downloadMeta(op.Attrs)
	if err != nil {
		return nil, err
	}
	if t, err := http.ParseTime(header.Get("Last-Modified")); err == nil {
		m.ModTime = t.UTC()
		d.LastModified = &m.ModTime
	}
	root, err := tree.NewDir(tree.Meta{Mode: 0o755}, []tree.Entry{{Name: d.Name, Node: tree.NewFile(m, b)}})
	if err != nil {
		return nil, err
	}
	d.snapshot = snapshot.New(nil, nil).With(root)
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

// downloadName returns the name of a downloaded file. The name comes from an attribute of the
// operation, or else from the server's Content-Disposition, or else from the URL.
func downloadName(op *pb.SourceOp, header http.Header) string {
	if name := op.Attrs[pb.AttrHTTPFilename]; name != "" {
		return name
	}
	if _, params, err := mime.ParseMediaType(header.Get("Content-Disposition")); err == nil {
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
