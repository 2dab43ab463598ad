package inputs

import (
	"context"
	"fmt"
	"path"
	"regexp"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/util/archiveutil"
)

const (
	contextName    = "context"    // the local source and the frontend input of the main context
	dockerfileName = "dockerfile" // the frontend input of the Dockerfile
	downloadName   = "context"    // the file name of a context downloaded over HTTP
	sniffSize      = 1024         // the number of bytes that identify an archive
)

// mainContext contains the states of the main context and of the Dockerfile.
type mainContext struct {
	state      *llb.State // nil for a local context
	dockerfile *llb.State // the source of the Dockerfile; nil for a local source
	filename   string     // the path of the Dockerfile in its source
}

// openMain determines the main context. It is a git repository, a download, a frontend
// input or, by default, a local source.
func (in *Inputs) openMain(ctx context.Context) (*mainContext, error) {
	m := &mainContext{filename: in.options.Filename}
	if err := in.openRemote(ctx, m); err != nil {
		return nil, err
	}
	if in.options.LocalDockerfile {
		m.dockerfile = nil
	}
	if dir := in.options.ContextSubDir; m.state != nil && dir != nil {
		st := llb.Scratch().File(llb.Copy(*m.state, *dir, "/", &llb.CopyInfo{CopyDirContentsOnly: true}))
		m.state = &st
	}
	return m, nil
}

// openRemote opens a main context that is a git repository, a download or a frontend input. It
// sets the state and the Dockerfile of the main context m. If the main context is a local
// source, openRemote leaves m unchanged.
func (in *Inputs) openRemote(ctx context.Context, m *mainContext) error {
	ref := in.options.Context
	st, isGit, err := in.git(ref, in.mainGitOptions()...)
	switch {
	case isGit && err != nil:
		return err
	case isGit:
		m.state, m.dockerfile = st, st
		return nil
	case isHTTP(ref):
		return in.openHTTP(ctx, m, ref)
	}
	return in.openInputs(ctx, m)
}

// mainGitOptions returns the options for a main context from git. They determine whether
// the context includes .git, and whether its files have the commit time.
func (in *Inputs) mainGitOptions() []llb.GitOption {
	var opts []llb.GitOption
	if in.options.CommitTimes {
		opts = append(opts, llb.GitMTimeCommit())
	}
	if in.options.KeepGitDir {
		opts = append(opts, llb.KeepGitDir())
	}
	return opts
}

// httpURL matches the scheme at the start of an HTTP or HTTPS URL.
var httpURL = regexp.MustCompile(`^https?://`)

// isHTTP reports whether ref is an HTTP or HTTPS URL.
func isHTTP(ref string) bool { return httpURL.MatchString(ref) }

// openHTTP downloads the main context. An archive is unpacked, and any other file is the
// Dockerfile.
func (in *Inputs) openHTTP(ctx context.Context, m *mainContext, url string) error {
	st := llb.HTTP(url, llb.Filename(downloadName), llb.WithCustomName("[internal] load remote build context"))
	def, err := st.Marshal(ctx, llb.WithCaps(in.build.Caps))
	if err != nil {
		return fmt.Errorf("failed to marshal httpcontext: %w", err)
	}
	res, err := in.client.Solve(ctx, client.SolveRequest{Definition: def.ToPB()})
	if err != nil {
		return fmt.Errorf("failed to resolve httpcontext: %w", err)
	}
	ref, err := res.SingleRef()
	if err != nil {
		return err
	}
	head, err := ref.ReadFile(ctx, client.ReadRequest{Filename: downloadName, Range: &client.FileRange{Length: sniffSize}})
	if err != nil {
		return fmt.Errorf("failed to read downloaded context: %w", err)
	}
	if archiveutil.IsArchive(head) {
		st = llb.Scratch().File(llb.Copy(st, path.Join("/", downloadName), "/", &llb.CopyInfo{AttemptUnpack: true}))
	} else {
		m.filename = downloadName
	}
	m.state, m.dockerfile = &st, &st
	return nil
}

// openInputs sets the main context and the Dockerfile to the frontend inputs that the client
// provides as LLB. It does nothing if the client provides none.
func (in *Inputs) openInputs(ctx context.Context, m *mainContext) error {
	if in.build.Caps.Supports(gwpb.CapFrontendInputs) != nil {
		return nil // old builders do not support inputs
	}
	states, err := in.client.Inputs(ctx)
	if err != nil {
		return fmt.Errorf("failed to get frontend inputs: %w", err)
	}
	if st, ok := states[dockerfileName]; ok {
		m.dockerfile = &st
	}
	if st, ok := states[contextName]; ok {
		m.state = &st
	}
	return nil
}
