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

// began is a time before the first build.
var began = time.Now()

func started() time.Time { return began }

// TestSolver builds each case of testdata/image and testdata/solver with our
// solver, and compares the images, including layers and all times, with images
// built by BuildKit's built-in frontend. It then builds them with the portable
// runner: the result is the same, or an error about something that this runner
// does not support. Finally, upstream's frontend must create the same images
// with our gateway.
func TestSolver(t *testing.T) {
	native, portable := t.TempDir(), t.TempDir()
	var ran, interpreted atomic.Int32
	cases := slices.Concat(readCases(t, "image"), readCases(t, "solver"))
	t.Run("cases", func(t *testing.T) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				ran.Add(1)
				want := c.build(t, reference)
				got := c.build(t, func(t *testing.T, req rig.Request) ([]imagetree.Image, error) {
					return solveImage(t, req, inState(native, "namespace"))
				})
				if diff := imagetree.Difference(want, got); diff != "" {
					t.Errorf("%s\nimage (-BuildKit +solver):\n%s", c.About, diff)
				}
				got = c.build(t, func(t *testing.T, req rig.Request) ([]imagetree.Image, error) {
					return solveImage(t, req, func(o *builder.Options) {
						inState(native, "namespace")(o)
						o.Frontend = dockerfile.Build
					})
				})
				if diff := imagetree.Difference(want, got); diff != "" {
					t.Errorf("%s\nimage (-BuildKit +upstream's frontend on our solver):\n%s", c.About, diff)
				}
				got = c.build(t, func(t *testing.T, req rig.Request) ([]imagetree.Image, error) {
					return solveImage(t, req, inState(portable, "portable"))
				})
				if strings.Contains(got, "the portable runner") {
					return
				}
				interpreted.Add(1)
				if diff := imagetree.Difference(timeless(want), timeless(got)); diff != "" {
					t.Errorf("%s\nimage (-BuildKit +portable runner):\n%s", c.About, diff)
				}
			})
		}
	})
	// -run may have selected cases that the portable runner cannot build.
	if n := int(interpreted.Load()); int(ran.Load()) == len(cases) && n < len(cases)/2 {
		t.Errorf("the portable runner built only %d of %d cases", n, len(cases))
	}
}

// timeless removes the times of directories from a text. The mount points of
// runc change the time of /etc, while the portable runner has none.
func timeless(text string) string {
	return regexp.MustCompile(`(?m)^(dir .*) \S+$`).ReplaceAllString(text, "$1")
}

// A buildFunc builds a request and returns its images.
type buildFunc func(*testing.T, rig.Request) ([]imagetree.Image, error)

// build runs all builds of a case and returns the images as text, or the text
// of the expected error.
func (c *testCase) build(t *testing.T, f buildFunc) string {
	t.Helper()
	layout, err := c.Lay(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	seen := map[string]int{} // content of random files
	for more := true; more; {
		images, err := f(t, c.requestOf(layout))
		if err != nil {
			return c.failure(err)
		}
		for _, image := range images {
			c.number(image, seen)
			b.WriteString(image.String())
		}
		if more, err = layout.Next(); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// failure returns the expected error texts that err contains.
func (c *testCase) failure(err error) string {
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

// number replaces random content with its number among the contents seen so
// far.
func (c *testCase) number(image imagetree.Image, seen map[string]int) {
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

// reference builds with BuildKit only.
func reference(t *testing.T, req rig.Request) ([]imagetree.Image, error) {
	t.Helper()
	// A new directory has the time of its source, while an updated one has the
	// time of the update.
	req.Image, req.Key = true, rand.Text()
	if _, ok := req.Attrs["build-arg:SOURCE_DATE_EPOCH"]; ok {
		req.Exporter = map[string]string{"rewrite-timestamp": "true"}
	}
	res, err := shared.Build(t.Context(), req)
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
	images, err := imagetree.Read(index, imagetree.Options{Times: true, Start: started()})
	if err != nil {
		t.Fatal(err)
	}
	return images
}

// inState configures a build with our own solver, a state directory and a
// runner.
func inState(dir, run string) func(*builder.Options) {
	return func(o *builder.Options) {
		o.State, o.Runner = dir, run
		o.Mirrors = map[string]string{"docker.io": shared.Addr, rig.Registry: shared.Addr}
	}
}

// solveImage creates images with slipway build. where sets the builder.
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

// serveAgent serves a key as the default agent, if the request has one.
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
