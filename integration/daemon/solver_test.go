//go:build integration

package daemon

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	dockerfile "github.com/moby/buildkit/frontend/dockerfile/builder"
	"golang.org/x/crypto/ssh"

	"slipway/builder"
	"slipway/integration/buildcase"
	"slipway/integration/imagetree"
	"slipway/integration/rig"
	"slipway/internal/fakeagent"
)

// startTime is a time before the first build. Files with later times were created by a build.
var startTime = time.Now()

// TestSolver checks that our solver creates the same images as BuildKit with its built-in
// frontend, including layers and all file times. The cases are testdata/image and
// testdata/solver.
//
// Two more builds of each case are checked. With the portable runner, the image must be equal,
// or the error must name something that this runner does not support. With upstream's frontend
// and our gateway, the image must be equal.
func TestSolver(t *testing.T) {
	native, portable := t.TempDir(), t.TempDir()
	var ran, interpreted atomic.Int32
	cases := slices.Concat(readCases(t, "image"), readCases(t, "solver"))
	t.Run("cases", func(t *testing.T) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				ran.Add(1)
				want := c.build(t, buildWithBuildKit)
				got := c.build(t, func(t *testing.T, req rig.Request) ([]imagetree.Image, error) {
					return solveImage(t, req, setState(native, "namespace"))
				})
				if diff := imagetree.Difference(want, got); diff != "" {
					t.Errorf("%s\nimage (-BuildKit +solver):\n%s", c.About, diff)
				}
				got = c.build(t, func(t *testing.T, req rig.Request) ([]imagetree.Image, error) {
					return solveImage(t, req, func(o *builder.Options) {
						setState(native, "namespace")(o)
						o.Frontend = dockerfile.Build
					})
				})
				if diff := imagetree.Difference(want, got); diff != "" {
					t.Errorf("%s\nimage (-BuildKit +upstream's frontend on our solver):\n%s", c.About, diff)
				}
				got = c.build(t, func(t *testing.T, req rig.Request) ([]imagetree.Image, error) {
					return solveImage(t, req, setState(portable, "portable"))
				})
				if strings.Contains(got, "the portable runner") {
					return
				}
				interpreted.Add(1)
				if diff := imagetree.Difference(withoutDirTimes(want), withoutDirTimes(got)); diff != "" {
					t.Errorf("%s\nimage (-BuildKit +portable runner):\n%s", c.About, diff)
				}
			})
		}
	})
	// -run may select only cases that the portable runner cannot build.
	if n := int(interpreted.Load()); int(ran.Load()) == len(cases) && n < len(cases)/2 {
		t.Errorf("the portable runner built only %d of %d cases", n, len(cases))
	}
}

// withoutDirTimes removes the times of directories from the description of an image. Mount
// points that runc creates change the time of /etc. The portable runner creates none.
func withoutDirTimes(text string) string {
	return regexp.MustCompile(`(?m)^(dir .*) \S+$`).ReplaceAllString(text, "$1")
}

// A buildFunc is a function that runs a build with one of the compared builders and returns
// the images.
type buildFunc func(*testing.T, rig.Request) ([]imagetree.Image, error)

// build runs all builds of a case. It returns a description of the images, or the result of
// matchError if a build fails.
func (c *testCase) build(t *testing.T, f buildFunc) string {
	t.Helper()
	layout, err := c.Lay(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	seen := map[string]int{} // number of each content of a random file
	for more := true; more; {
		images, err := f(t, c.currentRequest(layout))
		if err != nil {
			return c.matchError(err)
		}
		for _, image := range images {
			c.numberRandomFiles(image, seen)
			b.WriteString(image.String())
		}
		if more, err = layout.Next(); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// matchError checks that the build error err contains all lines that the case c expects. It
// returns these lines. If err lacks a line, it returns a text that describes the missing
// lines. If c expects no error, it returns the text of err.
func (c *testCase) matchError(err error) string {
	if c.Errors == nil {
		return "error: " + err.Error()
	}
	for _, line := range c.Errors {
		if !strings.Contains(err.Error(), line) {
			return fmt.Sprintf("error without %q: %v", line, err)
		}
	}
	return strings.Join(c.Errors, "\n")
}

// numberRandomFiles replaces digests of files in image with numbers, if the case declares that
// the files have random content. Equal contents get equal numbers. The parameter seen maps
// digests to numbers, including the digests from earlier builds of the case.
func (c *testCase) numberRandomFiles(image imagetree.Image, seen map[string]int) {
	for _, layer := range image.Layers {
		for i, e := range layer {
			if !slices.Contains(c.Random, e.Path) {
				continue
			}
			if seen[e.Digest] == 0 {
				seen[e.Digest] = len(seen) + 1
			}
			layer[i].Digest = fmt.Sprintf("random content %d", seen[e.Digest])
		}
	}
}

// buildWithBuildKit runs a build with BuildKit's built-in frontend and returns its images.
func buildWithBuildKit(t *testing.T, req rig.Request) ([]imagetree.Image, error) {
	t.Helper()
	return buildWith(t, shared.Daemon, req)
}

// buildWith runs the build described by req with a daemon and returns its images.
func buildWith(t *testing.T, d *rig.Daemon, req rig.Request) ([]imagetree.Image, error) {
	t.Helper()
	// A new key makes BuildKit use an empty directory for the context. Transferring into the
	// directory of an earlier build would change the directory's time.
	req.Image, req.Key = true, rand.Text()
	if _, ok := req.Attrs["build-arg:SOURCE_DATE_EPOCH"]; ok {
		req.Exporter = map[string]string{"rewrite-timestamp": "true"}
	}
	res, err := d.Build(t.Context(), req)
	if err != nil {
		return nil, err
	}
	return readArchive(t, res.Archive), nil
}

func readArchive(t *testing.T, archive string) []imagetree.Image {
	t.Helper()
	index, err := imagetree.Open(archive, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	images, err := imagetree.Read(index, imagetree.Options{Times: true, Start: startTime})
	if err != nil {
		t.Fatal(err)
	}
	return images
}

// setState returns a function that sets the state directory and the runner of a build with our
// solver.
func setState(dir, run string) func(*builder.Options) {
	return func(o *builder.Options) {
		o.State, o.Runner = dir, run
		o.Mirrors = map[string]string{"docker.io": shared.Addr, rig.Registry: shared.Addr}
	}
}

// solveImage runs the build described by req and returns its images. The callback where
// selects the builder by modifying the options of the build.
func solveImage(t *testing.T, req rig.Request, where func(*builder.Options)) ([]imagetree.Image, error) {
	t.Helper()
	dir := t.TempDir()
	archive := filepath.Join(dir, "image.tar")
	o, err := buildcase.Options(dir, req)
	if err != nil {
		t.Fatal(err)
	}
	o.Outputs = []builder.Output{{Type: "oci", Dest: archive}}
	o.Agents = serveAgent(t, req.SSHKey)
	where(&o)
	if _, ok := req.Attrs["build-arg:SOURCE_DATE_EPOCH"]; ok {
		o.Outputs[0].Attrs = map[string]string{"rewrite-timestamp": "true"}
	}
	if err := builder.Run(t.Context(), o); err != nil {
		var text bytes.Buffer
		_ = builder.Report(&text, err, false)
		return nil, errors.New(text.String())
	}
	return readArchive(t, archive), nil
}

// serveAgent starts an SSH agent that serves the key in keyFile, and returns the sockets of
// agents by ID, with "default" for this agent. If keyFile is "", it starts no agent.
func serveAgent(t *testing.T, keyFile string) map[string]string {
	t.Helper()
	if keyFile == "" {
		return nil
	}
	data, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParseRawPrivateKey(data)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"default": fakeagent.Serve(t, key)}
}
