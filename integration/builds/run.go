package builds

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"

	"slipway/builder"
	"slipway/integration/buildcase"
	"slipway/integration/imagetree"
	"slipway/integration/rig"
	"slipway/solver"
)

// defaultTimeout is the default of Runner.Timeout.
const defaultTimeout = 30 * time.Second

// A Runner runs builds with BuildKit and with our solver. Safe for concurrent use.
type Runner struct {
	Rig   *rig.Rig
	State string    // state directory of our solver
	Dir   string    // directory for temporary files
	Start time.Time // time before the first build; later file times come from a build
	Log   io.Writer // receives each build and its outcomes; nil discards them
	// MustBuild makes it an error if a build fails with BuildKit.
	MustBuild bool
	// Way is the runner of our solver; "" means namespace. If another one refuses to run a step,
	// and the error says to use --runner namespace, the builds do not count as different.
	Way     string
	refused atomic.Int32 // number of such builds
	// Timeout limits the duration of a case, because commands that open a named pipe block forever;
	// 0 means 30 seconds.
	Timeout time.Duration
}

// An outcome is the result of a build with one builder: the image, the executed and failed
// steps, and the error.
type outcome struct {
	image  string   // description of the image; "" if the build failed
	ran    []string // names of the RUN steps that were not cached, sorted
	failed []string // names of the steps that failed, sorted
	err    error
	output string // end of the output of the failed steps, indented
}

// Compare parses a case in the format of package buildcase, and runs all of its builds with
// BuildKit and with our solver. It returns the difference between the outcomes, or "" if they
// are equal.
func (r *Runner) Compare(ctx context.Context, text []byte) (string, error) {
	c, err := buildcase.Parse(text)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(r.Timeout, defaultTimeout))
	defer cancel()
	dir, err := os.MkdirTemp(r.Dir, "case-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	layout, err := c.Lay(dir)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	afterError := false
	for n, more := 1, true; more; n++ {
		diffs, failed, err := r.compareBuild(ctx, layout.Request(), builder.Run)
		if err != nil {
			return "", err
		}
		if afterError {
			diffs[0] = withoutRan(diffs[0])
		}
		afterError = afterError || failed
		if diffs[0] != "" {
			fmt.Fprintf(&b, "build %d (-BuildKit +solver):\n%s", n, diffs[0])
		}
		if failed && bytes.Contains(text, []byte("type=cache")) {
			break // it is random which steps wrote to their cache mounts before the error
		}
		if more, err = layout.Next(); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// withoutRan removes the lines about executed steps from the difference between two outcomes.
// After a failed build, it is random which steps a later build executes: some concurrent steps
// of the failed build completed and are now cached, and others did not.
func withoutRan(diff string) string {
	var rest strings.Builder
	for line := range strings.Lines(diff) {
		if !strings.HasPrefix(line, "-ran: ") && !strings.HasPrefix(line, "+ran: ") {
			rest.WriteString(line)
		}
	}
	return rest.String()
}

// A Solver is a function that runs a build, with the signature of [builder.Run].
type Solver func(context.Context, builder.Options) error

// CompareBuild runs one build with BuildKit and with each solver. For each solver, it returns
// the difference from BuildKit's outcome in the format of [imagetree.Difference], or "" if the
// outcomes agree.
func (r *Runner) CompareBuild(ctx context.Context, req rig.Request, solvers ...Solver) ([]string, error) {
	diffs, _, err := r.compareBuild(ctx, req, solvers...)
	return diffs, err
}

// compareBuild returns the differences that [Runner.CompareBuild] returns. It also reports
// whether the build failed with BuildKit or was refused by a solver.
func (r *Runner) compareBuild(ctx context.Context, req rig.Request, solvers ...Solver) (diffs []string, failed bool, err error) {
	dir, err := os.MkdirTemp(r.Dir, "build-")
	if err != nil {
		return nil, false, err
	}
	defer os.RemoveAll(dir)
	want, err := r.buildWithBuildKit(ctx, dir, req)
	if err != nil {
		return nil, false, err
	}
	if r.MustBuild && want.err != nil {
		return nil, true, fmt.Errorf("BuildKit: %w\n%s", want.err, want.output)
	}
	for _, s := range solvers {
		got, err := r.buildWithSolver(ctx, dir, req, s)
		if err != nil {
			return nil, false, err
		}
		if r.Log != nil {
			fmt.Fprintf(r.Log, "%s\nBuildKit: %s\nsolver: %s\n", req.Dockerfile, want, got)
		}
		diff := want.difference(got)
		if got.isRefusal() {
			r.refused.Add(1)
			diff, failed = "", true
		}
		if want.err != nil && got.err != nil && diff != "" {
			same, err := r.failAlike(ctx, dir, req, s, truncations(req.Dockerfile, want.failed, got.failed))
			if err != nil {
				return nil, false, err
			}
			if same {
				diff = ""
			}
		}
		diffs = append(diffs, diff)
	}
	return diffs, failed || want.err != nil, nil
}

// failAlike builds several truncated forms of a Dockerfile with BuildKit and with the solver s.
// It reports whether both builders fail in the same step for one of the forms. If so, the
// caller accepts a difference between the builds of the complete Dockerfile: when several steps
// fail, it is random which error ends the build.
func (r *Runner) failAlike(ctx context.Context, dir string, req rig.Request, s Solver, dockerfiles []string) (bool, error) {
	req.Attrs = maps.Clone(req.Attrs)
	delete(req.Attrs, "target")
	for _, dockerfile := range dockerfiles {
		req.Dockerfile = dockerfile
		want, err := r.buildWithBuildKit(ctx, dir, req)
		if err != nil {
			return false, err
		}
		got, err := r.buildWithSolver(ctx, dir, req, s)
		if err != nil {
			return false, err
		}
		if len(want.failed) > 0 && got.err != nil && want.failedWith(got) {
			return true, nil
		}
	}
	return false, nil
}

// truncations returns one truncated form of a Dockerfile for each given step name. A truncated
// form ends after the instruction of its step. A step is omitted if no instruction follows it,
// or if its name does not occur in the Dockerfile.
func truncations(dockerfile string, steps ...[]string) []string {
	var list []string
	for _, step := range slices.Concat(steps...) {
		_, text, _ := strings.Cut(step, "] ")
		head, _, _ := strings.Cut(text, " (") // step names include the beginning of a heredoc in parentheses
		_, word, heredoc := strings.Cut(head, "<<")
		if heredoc {
			text = head
		}
		before, after, ok := strings.Cut(dockerfile, "\n"+text+"\n")
		if heredoc && ok {
			var body string
			body, after, ok = strings.Cut("\n"+after, "\n"+word+"\n")
			text += body + "\n" + word
		}
		if ok && strings.TrimSpace(after) != "" {
			list = append(list, before+"\n"+text+"\n")
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// String returns the outcome as text. If the build succeeded, the text includes the image.
func (o *outcome) String() string {
	return fmt.Sprintf("ran %q, failed %q, error %v\n%s", o.ran, o.failed, o.err, o.image)
}

// difference returns the difference between BuildKit's outcome, the receiver, and our solver's
// outcome, the parameter. It returns "" if they agree.
func (o *outcome) difference(got *outcome) string {
	switch {
	case o.err != nil && got.err != nil:
		if o.failedWith(got) {
			return ""
		}
		return fmt.Sprintf("-error at %q: %v\n%s+error at %q: %v\n%s", o.failed, o.err, o.output, got.failed, got.err, got.output)
	case o.err != nil:
		return fmt.Sprintf("-error at %q: %v\n%s", o.failed, o.err, o.output)
	case got.err != nil:
		return fmt.Sprintf("+error at %q: %v\n%s", got.failed, got.err, got.output)
	}
	diff := imagetree.Difference(o.image, got.image)
	if !slices.Equal(o.ran, got.ran) {
		diff += fmt.Sprintf("-ran: %q\n+ran: %q\n", o.ran, got.ran)
	}
	return diff
}

// isRefusal reports whether the build failed at a known step, because only a runner with namespaces
// can run it.
func (o *outcome) isRefusal() bool {
	return o.err != nil && len(o.failed) > 0 && strings.Contains(o.err.Error(), "use --runner namespace")
}

// maxOutput is the maximum size in bytes of the part of a failed step's output that is shown.
const maxOutput = 4 << 10

// indentTail returns the last maxOutput bytes of a step's output. It indents them, so that no
// line looks like a line of a difference.
func indentTail(log []byte) string {
	log = log[max(0, len(log)-maxOutput):]
	var b strings.Builder
	for line := range strings.Lines(string(log)) {
		fmt.Fprintf(&b, "    %s\n", strings.TrimRight(line, "\r\n"))
	}
	return b.String()
}

// failedWith reports whether two builds failed in the same step. The receiver o is BuildKit's
// outcome, and got is our solver's.
func (o *outcome) failedWith(got *outcome) bool {
	if len(o.failed) == 0 {
		return true // BuildKit may end a build before it reports the failed step
	}
	for _, name := range o.failed {
		image, ok := strings.CutPrefix(name, "[internal] load metadata for ")
		if slices.Contains(got.failed, name) || strings.Contains(got.err.Error(), name) || ok && strings.Contains(got.err.Error(), image) {
			return true
		}
	}
	return false
}

// buildWithBuildKit runs a build with BuildKit and returns its outcome.
func (r *Runner) buildWithBuildKit(ctx context.Context, dir string, req rig.Request) (*outcome, error) {
	// A new key makes BuildKit use an empty directory for the context. Transferring into the
	// directory of an earlier build would change the directory's time.
	req.Image, req.Key = true, rand.Text()
	res, err := r.Rig.Build(ctx, req)
	if res == nil {
		return nil, err
	}
	defer os.RemoveAll(filepath.Dir(res.Archive))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	o := &outcome{err: err}
	o.steps(res)
	if err == nil {
		o.image, err = r.describeArchive(res.Archive, dir)
		return o, err
	}
	return o, nil
}

// buildWithSolver runs a build with one of our solvers and returns its outcome.
func (r *Runner) buildWithSolver(ctx context.Context, dir string, req rig.Request, run Solver) (*outcome, error) {
	opt, err := buildcase.Options(dir, req)
	if err != nil {
		return nil, err
	}
	archive := filepath.Join(dir, "image.tar")
	opt.Outputs = []builder.Output{{Type: "oci", Dest: archive}}
	opt.State, opt.Runner = r.State, cmp.Or(r.Way, "namespace")
	opt.Mirrors = map[string]string{"docker.io": r.Rig.Addr, rig.Registry: r.Rig.Addr}
	res := &rig.Result{Logs: map[digest.Digest][]byte{}, Sent: map[string]int64{}}
	opt.Status = res.Add
	o := &outcome{}
	err = run(ctx, opt)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	o.steps(res)
	if err == nil {
		o.image, err = r.describeArchive(archive, dir)
		return o, err
	}
	if of := (*solver.Error)(nil); errors.As(err, &of) {
		// A step that fails before it starts, for example because a source does not exist, has
		// no status.
		o.failed = append(o.failed, of.Vertex.Name())
	}
	var b strings.Builder
	_ = builder.Report(&b, err, false)
	o.err = fmt.Errorf("%s", strings.TrimSpace(b.String()))
	return o, nil
}

// steps adds three things to the outcome o: the names of the executed RUN steps, the names of
// the failed steps, and the end of the output of each failed step.
func (o *outcome) steps(res *rig.Result) {
	for _, v := range res.Vertices {
		switch {
		case v.Error != "" && !strings.Contains(v.Error, "context canceled"):
			o.failed = append(o.failed, v.Name)
			o.output += indentTail(res.Logs[v.Digest])
		case v.Error == "" && v.Completed != nil && !v.Cached && strings.Contains(v.Name, "] RUN "):
			o.ran = append(o.ran, v.Name)
		}
	}
	slices.Sort(o.failed)
	slices.Sort(o.ran)
}

// describeArchive returns a text that describes the image in an OCI archive.
func (r *Runner) describeArchive(archive, dir string) (string, error) {
	index, err := imagetree.Open(archive, dir)
	if err != nil {
		return "", err
	}
	images, err := imagetree.Read(index, imagetree.Options{Times: true, Start: r.Start})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, image := range images {
		b.WriteString(image.String())
	}
	return b.String(), nil
}
