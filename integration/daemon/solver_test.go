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

	"slipway/build"
	"slipway/integration/buildcase"
	"slipway/integration/imagetree"
	"slipway/integration/rig"
	"slipway/internal/fakeagent"
)

// began is when the first build may have begun.
var began = time.Now()

func started() time.Time { return began }

// TestSolver builds each case of testdata/image and testdata/solver with our own
// solver, and compares the images, layer by layer and with all times, with
// those that BuildKit makes with the frontend that is part of it. Then it builds
// them without a kernel's help: what comes out is the same, or an error that
// says what that runner cannot do. And upstream's frontend makes the same images on
// our gateway.
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
					return solveImage(t, req, func(o *build.Options) {
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
	// -run may have chosen cases that it cannot build.
	if n := int(interpreted.Load()); int(ran.Load()) == len(cases) && n < len(cases)/2 {
		t.Errorf("the portable runner built only %d of %d cases", n, len(cases))
	}
}

// timeless takes the times of directories out of a text. runc's mount points
// change that of /etc, where the portable runner has none.
func timeless(text string) string {
	return regexp.MustCompile(`(?m)^(dir .*) \S+$`).ReplaceAllString(text, "$1")
}

// A buildFunc makes the images of a request.
type buildFunc func(*testing.T, rig.Request) ([]imagetree.Image, error)

// build makes the images of all builds of a case, and returns them as
// text; or what its error is to say, if that is what the error says.
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

// failure returns what an error is to say, as far as it says so.
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

// number puts a number in the place of random content: which one of those that
// were seen it is.
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

// reference builds with BuildKit alone.
func reference(t *testing.T, req rig.Request) ([]imagetree.Image, error) {
	t.Helper()
	// A directory that is sent anew has its time; one that is brought up to date
	// has the time when that was.
	req.Image, req.Key = true, rand.Text()
	if _, ok := req.Attrs["build-arg:SOURCE_DATE_EPOCH"]; ok {
		req.Exporter = map[string]string{"rewrite-timestamp": "true"}
	}
	res, err := builder.Build(t.Context(), req)
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
	images, err := imagetree.Read(index, imagetree.Options{Times: true, Began: started()})
	if err != nil {
		t.Fatal(err)
	}
	return images
}

// inState has our own solver build with a state directory and a runner.
func inState(dir, run string) func(*build.Options) {
	return func(o *build.Options) {
		o.State, o.Runner = dir, run
		o.Mirrors = map[string]string{"docker.io": builder.Addr, rig.Registry: builder.Addr}
	}
}

// solveImage makes images with slipway build, where the options say.
func solveImage(t *testing.T, req rig.Request, where func(*build.Options)) ([]imagetree.Image, error) {
	t.Helper()
	dir := t.TempDir()
	archive := filepath.Join(dir, "image.tar")
	o, err := buildcase.Options(dir, req)
	if err != nil {
		t.Fatal(err)
	}
	o.Outputs = []build.Output{{Type: "oci", Dest: archive}}
	o.Agents = serveAgent(t, req.SSHKey)
	where(&o)
	if _, ok := req.Attrs["build-arg:SOURCE_DATE_EPOCH"]; ok {
		o.Outputs[0].Attrs = map[string]string{"rewrite-timestamp": "true"}
	}
	if err := build.Run(t.Context(), o); err != nil {
		var text bytes.Buffer
		_ = build.Report(&text, err, false)
		return nil, errors.New(text.String())
	}
	return readArchive(t, archive), nil
}

// serveAgent serves a key as the default agent, if there is one.
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
