//go:build integration

package clients

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"slipway/integration/builds"
	"slipway/integration/kaniko"
	"slipway/integration/realimages"
)

var allOfKaniko = flag.Bool("kaniko", false, "build all Dockerfiles of kaniko's tests, also those that need Debian as their base image")

// quickKaniko lists the Dockerfiles of kaniko's tests that run without the flag -kaniko.
func quickKaniko() []string {
	return []string{"Dockerfile_test_copy", "Dockerfile_test_scratch", "TestReplaceFolderWithLink"}
}

// TestKaniko checks that slipway kaniko builds the Dockerfiles of kaniko's own tests to the same images as
// BuildKit. Not on slipway serve: only the command has flags of kaniko.
func TestKaniko(t *testing.T) {
	source, err := kaniko.Source(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	list, err := kaniko.Builds(source)
	if err != nil {
		t.Fatal(err)
	}
	pushKanikoImages(t)
	d, err := server()
	if err != nil {
		t.Fatal(err)
	}
	run := &builds.Runner{Rig: builder, State: t.TempDir(), Dir: t.TempDir(), Start: time.Now().Truncate(time.Second), MustBuild: true}
	built := 0
	for _, b := range list {
		if b.Skip != "" || !*allOfKaniko && !slices.Contains(quickKaniko(), b.Name) {
			continue
		}
		built++
		t.Run(b.Name, func(t *testing.T) {
			diffs, err := run.CompareBuild(t.Context(), b.Request, b.Solver(filepath.Join(d.Dir, "slipway"), builder.Addr))
			if err != nil {
				t.Fatal(err)
			}
			if diff := withoutDate(diffs[0]); diff != "" {
				t.Errorf("images differ (-BuildKit +slipway kaniko):\n%s", diff)
			}
		})
	}
	if want := len(quickKaniko()); built < want {
		t.Errorf("%d Dockerfiles were built, want at least %d", built, want)
	}
	t.Logf("built %d of the %d Dockerfiles of kaniko's tests", built, len(list))
	for _, b := range list {
		if b.Skip != "" && *allOfKaniko {
			t.Logf("%s is not built: it %s", b.Name, b.Skip)
		}
	}
}

// withoutDate removes the lines about the file date, in which RUN date > /date stores the time of day, from
// a difference.
func withoutDate(diff string) string {
	lines := slices.DeleteFunc(slices.Collect(strings.Lines(diff)), func(line string) bool { return strings.Contains(line, " date sha256:") })
	return strings.Join(lines, "")
}

// pushKanikoImages pushes the base images of kaniko's Dockerfiles to the registry of the builder.
func pushKanikoImages(t *testing.T) {
	t.Helper()
	debian, busybox, alpine := kaniko.Tags()
	for of, tags := range map[string][]string{"library/busybox:latest": busybox, "library/alpine:latest": alpine} {
		ref, err := name.ParseReference(builder.Addr + "/" + of)
		if err != nil {
			t.Fatal(err)
		}
		index, err := remote.Index(ref, remote.WithContext(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range tags {
			if err := builder.PushImage(t.Context(), tag, index); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !*allOfKaniko {
		return
	}
	base, err := realimages.Base(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range debian {
		if err := builder.PushImage(t.Context(), tag, base); err != nil {
			t.Fatal(err)
		}
	}
}
