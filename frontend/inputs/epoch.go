package inputs

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/gitutil/gitobject"

	"slipway/dockerfile2llb"
	"slipway/internal/decompress"
	"slipway/plan"
)

// Time returns the time of the last change of a source. For git, it is the commit time. For
// HTTP, it is the Last-Modified header or, without one, the time of the newest file in the
// archive. For other sources, Time returns nil. Each source is queried once for all
// platforms.
func (in *Inputs) Time(ctx context.Context, of plan.TimeSource) (*time.Time, error) {
	st, err := in.timedSource(ctx, of)
	if err != nil || st == nil {
		return nil, err
	}
	op, err := onlySource(ctx, *st)
	if err != nil || op == nil {
		return nil, err
	}
	key := fmt.Sprintf("%s %q", op.Identifier, op.Attrs)
	return in.times.Do(ctx, key, func(ctx context.Context) (*time.Time, error) { return in.timeOf(ctx, op, of.LogName) })
}

// timedSource returns the LLB state of a git repository, a download or a context. It
// returns nil for a local main context, which has no time.
func (in *Inputs) timedSource(ctx context.Context, of plan.TimeSource) (*llb.State, error) {
	switch src := of.Copy.(type) {
	case *plan.CopyURL:
		st := dockerfile2llb.Download(src)
		return &st, nil
	case *plan.CopyGit:
		st := dockerfile2llb.Checkout(src, in.options.Plan.GitAdvice, in.HostKeys)
		return &st, nil
	default: // a context
	}
	if of.Input != nil {
		st, err := in.State(ctx, of.Input, &plan.Paths{})
		return &st, err
	}
	m, err := in.main(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := in.ignore(ctx); err != nil {
		return nil, fmt.Errorf("failed to read dockerignore patterns: %w", err)
	}
	return m.state, nil
}

// onlySource returns the source operation of a state. It returns nil if the state has no
// source or several sources.
func onlySource(ctx context.Context, st llb.State) (*pb.SourceOp, error) {
	def, err := st.Marshal(ctx)
	if err != nil {
		return nil, err
	}
	var found *pb.SourceOp
	for _, dt := range def.Def {
		var op pb.Op
		if err := op.UnmarshalVT(dt); err != nil {
			return nil, err
		}
		switch src := op.GetSource(); {
		case src == nil:
		case found != nil:
			return nil, nil
		default:
			found = src
		}
	}
	return found, nil
}

// timeOf queries the builder for the time of the last change of a source. [Inputs.Time]
// describes this time for each kind of source. The parameter logName is the name of the query
// in progress output.
func (in *Inputs) timeOf(ctx context.Context, op *pb.SourceOp, logName string) (*time.Time, error) {
	opt := sourceresolver.Opt{LogName: logName}
	scheme, _, _ := strings.Cut(op.Identifier, "://")
	switch scheme {
	case "git":
		opt.GitOpt = &sourceresolver.ResolveGitOpt{ReturnObject: true}
	case "http", "https":
	default:
		return nil, nil
	}
	md, err := in.client.ResolveSourceMetadata(ctx, op.CloneVT(), opt)
	if err != nil {
		return nil, err
	}
	switch {
	case md.Git != nil && len(md.Git.CommitObject) > 0:
		return commitTime(md.Git.CommitObject)
	case md.HTTP != nil && md.HTTP.LastModified != nil:
		return md.HTTP.LastModified, nil
	case scheme == "git":
		return nil, nil
	}
	return in.archiveTime(ctx, op)
}

// commitTime returns the committer time of a git commit object.
func commitTime(object []byte) (*time.Time, error) {
	obj, err := gitobject.Parse(object)
	if err != nil {
		return nil, err
	}
	commit, err := obj.ToCommit()
	if err != nil {
		return nil, err
	}
	return commit.Committer.When, nil
}

// archiveTime downloads an archive and returns the time of its newest file.
func (in *Inputs) archiveTime(ctx context.Context, op *pb.SourceOp) (*time.Time, error) {
	name := op.Attrs[pb.AttrHTTPFilename]
	if name == "" {
		return nil, nil
	}
	ref, _, err := in.open(ctx, llb.NewState(llb.NewSource(op.Identifier, op.Attrs, llb.Constraints{}).Output()))
	if err != nil {
		return nil, err
	}
	content, err := fetchFile(ctx, ref, name)
	if err != nil {
		return nil, err
	}
	return newestTime(contextReader{ctx, bytes.NewReader(content)}), ctx.Err()
}

// contextReader is a reader that fails when ctx is done. It is needed because a small
// download may decompress to a huge archive.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// newestTime returns the latest modification time of the regular files in an archive. It
// returns nil if r is not a valid archive up to its end.
func newestTime(r io.Reader) *time.Time {
	plain, err := decompress.NewReader(r)
	if err != nil {
		return nil
	}
	defer plain.Close()
	var latest *time.Time
	for files := tar.NewReader(plain); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return latest
		}
		if err != nil {
			return nil
		}
		if t := h.ModTime.UTC(); h.FileInfo().Mode().IsRegular() && (latest == nil || t.After(*latest)) {
			latest = &t
		}
	}
}
