package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/session/sshforward/sshprovider"
	"github.com/opencontainers/go-digest"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"
)

// A Request describes a build of one Dockerfile: its text, context, options and output.
type Request struct {
	Dockerfile   string            // content of the Dockerfile; Build writes it to a temporary file
	Ignore       string            // content of Dockerfile.dockerignore, or ""
	Context      string            // directory of the main context; "" for an empty context
	Attrs        map[string]string // frontend options: target, build-arg:X, platform, …
	Contexts     map[string]string // additional directories by name, for attrs like context:x=local:NAME
	Secrets      map[string][]byte // content by secret id
	SSHKey       string            // private key file that the SSH agent "default" serves; "" for no agent
	Entitlements []string          // entitlements of the build, for example network.host
	Image        bool              // whether to export the image as an OCI archive
	Exporter     map[string]string // exporter attributes, for example rewrite-timestamp; used only with Image
	Key          string            // shared key of the contexts: builds with equal keys transfer only changed files
}

// A Result contains the results of a build: the archive, steps, logs, transfers, warnings and
// the exporter response.
type Result struct {
	Archive  string                   // path of the OCI archive; "" without Request.Image
	Vertices []*client.Vertex         // last reported state of each vertex, in order of appearance
	Logs     map[digest.Digest][]byte // output of RUN steps, by vertex
	Sent     map[string]int64         // bytes sent to the builder, by name of the transfer
	Warnings []*client.VertexWarning  // warnings in order of arrival
	Exported map[string]string        // exporter response
}

// StartTimeout is part of the error if the frontend's process does not respond within ten
// seconds, the limit of BuildKit's HTTP/2 server for the first bytes of a connection. A
// process may start so late while the machine is compiling. The error is the same for a
// frontend that crashes.
const StartTimeout = "frontend grpc server closed unexpectedly"

// CombinedOutput runs the command that newCommand returns, for example a client that builds, and
// returns its standard output and standard error. A command that prints [StartTimeout] and fails
// runs once more.
func CombinedOutput(newCommand func() *exec.Cmd) ([]byte, error) {
	out, err := newCommand().CombinedOutput()
	if err != nil && strings.Contains(string(out), StartTimeout) {
		return newCommand().CombinedOutput()
	}
	return out, err
}

// Build runs a build as docker buildx does. It uses buildkitd's built-in Dockerfile frontend,
// which forwards the build to the frontend image of a # syntax line. The result is not nil
// even if the build fails. A build that fails with [StartTimeout] runs once more.
func (d *Daemon) Build(ctx context.Context, req Request) (*Result, error) {
	res, err := d.buildOnce(ctx, req)
	if err != nil && strings.Contains(err.Error(), StartTimeout) {
		return d.buildOnce(ctx, req)
	}
	return res, err
}

func (d *Daemon) buildOnce(ctx context.Context, req Request) (*Result, error) {
	dir, err := d.TempDir("build")
	if err != nil {
		return nil, err
	}
	opt, err := req.solveOpt(dir)
	if err != nil {
		return nil, err
	}
	res := &Result{
		Logs: map[digest.Digest][]byte{},
		Sent: map[string]int64{},
	}
	if req.Image {
		res.Archive = filepath.Join(dir, "image.tar")
		opt.Exports = []client.ExportEntry{{
			Type:  client.ExporterOCI,
			Attrs: req.Exporter,
			Output: func(map[string]string) (io.WriteCloser, error) {
				return os.Create(res.Archive)
			},
		}}
	}
	status := make(chan *client.SolveStatus)
	eg, ctx := errgroup.WithContext(ctx)
	eg.Go(func() error {
		resp, err := d.Client.Solve(ctx, nil, opt, status)
		if resp != nil {
			res.Exported = resp.ExporterResponse
		}
		return err
	})
	eg.Go(func() error {
		for s := range status {
			res.Add(s)
		}
		return nil
	})
	return res, eg.Wait()
}

func (req Request) solveOpt(dir string) (client.SolveOpt, error) {
	dockerfiles, contextDir := filepath.Join(dir, "dockerfile"), req.Context
	if contextDir == "" {
		contextDir = filepath.Join(dir, "context")
	}
	for _, d := range []string{dockerfiles, contextDir} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return client.SolveOpt{}, err
		}
	}
	if err := os.WriteFile(filepath.Join(dockerfiles, "Dockerfile"), []byte(req.Dockerfile), 0o644); err != nil {
		return client.SolveOpt{}, err
	}
	if req.Ignore != "" {
		if err := os.WriteFile(filepath.Join(dockerfiles, "Dockerfile.dockerignore"), []byte(req.Ignore), 0o644); err != nil {
			return client.SolveOpt{}, err
		}
	}
	dockerfileFS, errDockerfile := fsutil.NewFS(dockerfiles)
	contextFS, errContext := fsutil.NewFS(contextDir)
	attachables, errAttach := req.attachables()
	if err := errors.Join(errDockerfile, errContext, errAttach); err != nil {
		return client.SolveOpt{}, err
	}
	locals := map[string]fsutil.FS{"dockerfile": dockerfileFS, "context": contextFS}
	for name, d := range req.Contexts {
		tree, err := fsutil.NewFS(d)
		if err != nil {
			return client.SolveOpt{}, err
		}
		locals[name] = tree
	}
	return client.SolveOpt{
		Frontend:            "dockerfile.v0",
		FrontendAttrs:       maps.Clone(req.Attrs),
		LocalMounts:         locals,
		Session:             attachables,
		AllowedEntitlements: req.Entitlements,
		SharedKey:           req.Key,
	}, nil
}

func (req Request) attachables() ([]session.Attachable, error) {
	list := []session.Attachable{secretsprovider.FromMap(req.Secrets)}
	if req.SSHKey == "" {
		return list, nil
	}
	agent, err := sshprovider.NewSSHAgentProvider([]sshprovider.AgentConfig{{ID: "default", Paths: []string{req.SSHKey}}})
	if err != nil {
		return nil, fmt.Errorf("serve %s: %w", req.SSHKey, err)
	}
	return append(list, agent), nil
}

// Add merges a progress report into the result. Not safe for concurrent use.
func (res *Result) Add(s *client.SolveStatus) {
	for _, v := range s.Vertexes {
		i := slices.IndexFunc(res.Vertices, func(old *client.Vertex) bool { return old.Digest == v.Digest })
		if i < 0 {
			res.Vertices = append(res.Vertices, v)
		} else {
			res.Vertices[i] = v
		}
	}
	for _, l := range s.Logs {
		res.Logs[l.Vertex] = append(res.Logs[l.Vertex], l.Data...)
	}
	for _, st := range s.Statuses {
		res.Sent[st.ID] = max(res.Sent[st.ID], st.Current)
	}
	res.Warnings = append(res.Warnings, s.Warnings...)
}

// Names returns the names of the vertices in order of appearance.
func (res *Result) Names() []string {
	var names []string
	for _, v := range res.Vertices {
		names = append(names, v.Name)
	}
	return names
}
