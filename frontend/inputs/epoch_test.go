package inputs

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/go-archive/compression"

	"slipway/internal/fakegateway"
	"slipway/plan"
)

// timedBuilder is a builder whose sources have modification times.
type timedBuilder struct {
	fakegateway.Client
	mu       sync.Mutex
	requests []string
	http     *time.Time
	err      error
}

func (c *timedBuilder) ResolveSourceMetadata(_ context.Context, op *pb.SourceOp, opt sourceresolver.Opt) (*sourceresolver.MetaResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, op.Identifier+" for "+opt.LogName)
	if opt.GitOpt != nil && opt.GitOpt.ReturnObject {
		commit := "tree 1\nauthor a <a> 1 +0000\ncommitter c <c> 1700000000 +0130\n\nx\n"
		return &sourceresolver.MetaResponse{Op: op, Git: &sourceresolver.ResolveGitResponse{CommitObject: []byte(commit)}}, c.err
	}
	return &sourceresolver.MetaResponse{Op: op, HTTP: &sourceresolver.ResolveHTTPResponse{LastModified: c.http}}, c.err
}

// TestTimeOnce checks that several concurrent calls of Time for the same source cause only one
// request to the builder.
func TestTimeOnce(t *testing.T) {
	c := &timedBuilder{}
	in := newInputs(t, c, map[string]string{"context": "https://example.com/a.git"})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			at, err := in.Time(t.Context(), plan.TimeSource{LogName: "log"})
			if err != nil || at == nil || at.Format(time.RFC3339) != "2023-11-14T23:43:20+01:30" {
				t.Errorf("time %v, %v", at, err)
			}
		})
	}
	wg.Wait()
	if len(c.requests) != 1 || !strings.HasSuffix(c.requests[0], "example.com/a.git for log") {
		t.Errorf("requests %q", c.requests)
	}
	if _, err := in.Time(t.Context(), plan.TimeSource{Copy: &plan.CopyGit{Remote: "https://example.com/b.git"}}); err != nil || len(c.requests) != 2 {
		t.Errorf("requests %q, error %v", c.requests, err)
	}
}

// TestArchiveTime checks how the time of an archive for ADD is determined. The archive must be
// read only if the server sends no Last-Modified header.
func TestArchiveTime(t *testing.T) {
	var b bytes.Buffer
	gz := gzip.NewWriter(&b)
	files := tar.NewWriter(gz)
	for sec, kind := range map[int64]byte{50: tar.TypeReg, 60: tar.TypeReg, 70: tar.TypeDir} {
		if err := files.WriteHeader(&tar.Header{Name: "x", Typeflag: kind, ModTime: time.Unix(sec, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(files.Close(), gz.Close()); err != nil {
		t.Fatal(err)
	}
	of := plan.TimeSource{Copy: &plan.CopyURL{URL: "https://example.com/f", Filename: "f"}}
	c := &timedBuilder{Client: fakegateway.Client{Files: map[string]string{"f": b.String()}}}
	if at, err := newInputs(t, c, nil).Time(t.Context(), of); err != nil || at == nil || at.Unix() != 60 {
		t.Errorf("time %v, %v", at, err)
	}
	said := time.Unix(5, 0)
	c = &timedBuilder{http: &said}
	if at, err := newInputs(t, c, nil).Time(t.Context(), of); err != nil || at.Unix() != 5 || len(c.SolveRequests()) != 0 {
		t.Errorf("time %v, %v, %d downloads", at, err, len(c.SolveRequests()))
	}
	c = &timedBuilder{err: errors.New("no network")}
	if _, err := newInputs(t, c, nil).Time(t.Context(), of); !errors.Is(err, c.err) {
		t.Errorf("error %v", err)
	}
	if _, err := newInputs(t, &timedBuilder{}, nil).Time(t.Context(), of); err == nil {
		t.Error("no error for a missing download")
	}
}

// TestTimeCancelled checks that reading an archive ends if the context is canceled.
func TestTimeCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if at := newestTime(contextReader{ctx, bytes.NewReader(make([]byte, 4096))}); at != nil {
		t.Errorf("time %v", at)
	}
}

// FuzzNewest checks that newestTime does not panic for any content, and that compressing
// the content does not change the result.
func FuzzNewest(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte) {
		plain := newestTime(bytes.NewReader(content))
		if compression.Detect(content) != compression.None {
			return
		}
		var b bytes.Buffer
		gz := gzip.NewWriter(&b)
		if _, err := gz.Write(content); err != nil || gz.Close() != nil {
			t.Fatal(err)
		}
		packed := newestTime(&b)
		if (plain == nil) != (packed == nil) || plain != nil && !plain.Equal(*packed) {
			t.Errorf("%v, compressed %v", plain, packed)
		}
	})
}
