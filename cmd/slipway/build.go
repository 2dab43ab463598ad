package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/progress/progressui"
	"github.com/spf13/cobra"

	"slipway/builder"
	"slipway/diag"
	"slipway/internal/controls"
	"slipway/solver/export"
	"slipway/solver/runner/namespace"
)

func buildCommand() *cobra.Command {
	f := &buildFlags{}
	cmd := &cobra.Command{
		Use:     "build [flags] CONTEXT",
		Aliases: []string{"b"},
		Short:   "Build an image from a Dockerfile",
		Long: `Build an image from a Dockerfile, in this process or with --builder.

CONTEXT is a directory, the URL of a git repository or an archive, or - for
an archive or a Dockerfile on standard input.

RUN steps run in Linux namespaces if the machine allows it. They share the kernel
of the host, so build hostile code in a virtual machine only. Root in a container
without namespaces runs them in a changed root directory, isolated by nothing but
the container. A warning says so, and --runner namespace makes it an error.

An image without an output is stored (see slipway image). --push and --load store
no new image, so that pushed images do not fill the disk. They replace a stored
image of the same name, so that FROM does not find an older one.

Exit codes:
    0  built, or checked without a warning
    1  the build failed, or --check found something
    2  the command line is wrong
  130  interrupted
  143  terminated`,
		Example: `  slipway build -t hello --load .
  slipway build -t registry.example/hello --push .
  slipway build --target test -o out .
  slipway build --check .
  slipway build --builder docker-container://buildx_buildkit_default0 -t registry.example/hello --push .`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("build needs one CONTEXT, a directory, a URL or -, not %d", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f.opt.Context = args[0]
			return f.run(cmd.Context(), cmd.Flags())
		},
		ValidArgsFunction: completeDirs,
	}
	f.define(cmd.Flags())
	f.complete(cmd)
	return cmd
}

// run executes the command slipway build: it runs the build, shows progress and prints the
// outcome.
func (f *buildFlags) run(ctx context.Context, given flagSet) error {
	if err := f.parse(given); err != nil {
		return usageError{err}
	}
	// A description of the build looks up cache keys, which depend on how steps run.
	runs := f.opt.Call == "" || f.describes() || f.opt.FrontendImage != "" || f.opt.SyntaxImage
	if runs && f.opt.Builder == nil && usesNamespaces(&f.opt) {
		// Without a user namespace, steps may run without one. Enter may start the program
		// again, so nothing is read or written before.
		if err := namespace.Enter(); err != nil && (f.opt.Runner == "namespace" || f.opt.Runner == "oci") {
			return err
		}
	}
	if err := f.readInputs(ctx); err != nil {
		return usageError{err}
	}
	for _, w := range f.warnings {
		fmt.Fprintln(os.Stderr, "warning:", diag.Block(w))
	}
	if f.iidFile != "" {
		if err := export.Remove(f.iidFile); err != nil { // a failed build must not leave an old ID
			return err
		}
	}
	stop, err := f.serveAgents()
	if err != nil {
		return err
	}
	defer stop()
	var r recorder
	if f.graphFile != "" || f.report != "" {
		r.record(&f.opt)
	}
	res, warnings, err := f.build(ctx, r.status)
	if err == nil && f.opt.Call != "" {
		return f.printAnswer(ctx, res)
	}
	if f.showsProgress() {
		f.printWarnings(os.Stderr, warnings, isColored(os.Stderr))
	}
	if err := f.writeRecord(ctx, &r, res, err); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	return f.printOutcome(ctx, res.Exported)
}

// writeRecord writes the graph and the report of a build, which ended with the given error, unless it
// was interrupted.
func (f *buildFlags) writeRecord(ctx context.Context, r *recorder, res *builder.Result, failed error) error {
	if ctx.Err() != nil {
		return nil
	}
	if f.graphFile != "" {
		if err := r.writeGraph(ctx, f.graphFile, failed); err != nil {
			return fmt.Errorf("--graph: %w", err)
		}
	}
	if f.report != "" {
		if err := f.writeReport(ctx, r.finished(res, failed, f.opt.Builder != nil)); err != nil {
			return fmt.Errorf("--report: %w", err)
		}
	}
	return nil
}

// usesNamespaces reports whether steps may run in namespaces.
func usesNamespaces(o *builder.Options) bool { return o.Runner != "portable" && o.Runner != "chroot" }

// build runs the build that the flags describe and shows its progress. It returns the
// warnings from the frontend. The callback watch receives the progress, too.
func (f *buildFlags) build(ctx context.Context, watch func(*client.SolveStatus)) (res *builder.Result, warnings []client.VertexWarning, err error) {
	var later deferredOutput
	if f.redraws() {
		f.opt.Log, f.opt.Explain = later.writer(f.opt.Log), later.writer(f.opt.Explain)
	}
	var logs failedLogs
	f.opt.Now = time.Now
	warnings, err = show(ctx, f.progress, func(send func(*client.SolveStatus)) (err error) {
		f.opt.Status = func(s *client.SolveStatus) {
			if f.progress == string(progressui.QuietMode) {
				logs.add(s)
			}
			watch(s)
			send(s)
		}
		res, err = builder.Build(ctx, f.opt)
		return err
	})
	later.flush()
	if err != nil && ctx.Err() == nil {
		logs.print(os.Stderr)
	}
	return res, warnings, err
}

// show runs the function work and displays its progress on standard error, in the given mode of
// --progress. To report progress, work calls the function send that it receives. The returned
// warnings come from the reported progress.
func show(ctx context.Context, mode string, work func(send func(*client.SolveStatus)) error) ([]client.VertexWarning, error) {
	display, err := progressui.NewDisplay(os.Stderr, progressui.DisplayMode(mode))
	if err != nil {
		return nil, usageError{fmt.Errorf("--progress=%s: standard error is not a terminal (use --progress=plain): %w", mode, err)}
	}
	var warnings []client.VertexWarning
	status, end := make(chan *client.SolveStatus), make(chan error, 1)
	go func() {
		var err error
		warnings, err = display.UpdateFrom(context.WithoutCancel(ctx), status)
		end <- err
	}()
	send := func(s *client.SolveStatus) { status <- s }
	if progressui.DisplayMode(mode) != progressui.RawJSONMode {
		r := &sanitizer{terminal: isTerminal(os.Stderr), streams: map[stream]*controls.Filter{}}
		send = func(s *client.SolveStatus) { status <- r.status(s) }
	}
	err = work(send)
	close(status)
	if shownErr := <-end; err == nil {
		err = shownErr
	}
	return warnings, err
}
