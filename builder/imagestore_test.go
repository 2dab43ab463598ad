package builder

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gofrs/flock"
	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"

	"slipway/internal/fakeregistry"
	"slipway/internal/slowtest"
)

// TestSave checks that the archive that Save writes has the same blobs as an archive that
// a build writes, and that another build can use it as a named context.
func TestSave(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	o := options(t, "")
	failOnRequest(t, &o)
	o.stored(t, appDockerfile, "app")
	o.BuildArgs = map[string]string{"WHO": "two"}
	o.stored(t, appDockerfile, "example.com/app:2")
	o.Platforms = []string{"linux/amd64", "linux/arm64"}
	o.stored(t, appDockerfile, "multi")
	o.Platforms = nil
	x := imageStore(t, o)
	dir := t.TempDir()
	for _, format := range []string{"oci", "docker"} {
		file := filepath.Join(dir, format)
		if err := x.Save(t.Context(), []string{"app", "example.com/app:2"}, file, format); err != nil {
			t.Fatal(err)
		}
		if img, err := x.find("app"); err != nil || len(archiveBlobs(t, file)) == 0 || indexJSON(t, file).Manifests[0].Digest != img.Root.Digest {
			t.Errorf("%s: the archive has a different image, %v", format, err)
		}
		for name, want := range map[string]string{"app:latest": "one", "example.com/app:2": "two"} {
			other := options(t, "")
			other.Contexts = map[string]string{"saved": "docker-archive://" + file + ":" + name}
			if who, err := other.buildWho(t, "FROM saved\nRUN true\n"); who != want || err != nil {
				t.Errorf("%s, %s: built %q, %v", format, name, who, err)
			}
		}
	}
	if err := x.Save(t.Context(), []string{"multi"}, filepath.Join(dir, "multi"), "oci"); err != nil {
		t.Error(err)
	}
	for want, err := range map[string]error{
		`image "multi": has several platforms, and the archive of docker load holds one (use --format oci)`: x.Save(t.Context(), []string{"app", "multi"}, filepath.Join(dir, "none"), "docker"),
		`image "none": no such image (slipway image ls lists images)`:                                       x.Save(t.Context(), []string{"none"}, filepath.Join(dir, "none"), "oci"),
		`format "zip": unknown (want docker or oci)`:                                                        x.Save(t.Context(), []string{"app"}, filepath.Join(dir, "none"), "zip"),
		`output oci: "` + dir + `" is a directory (name a file in it)`:                                      x.Save(t.Context(), []string{"app"}, dir, "oci"),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); !os.IsNotExist(err) {
		t.Errorf("a failed save left a file: %v", err)
	}
}

// TestPushStored checks that Push pushes a stored image unchanged, under its own name or
// another name, and reports progress.
func TestPushStored(t *testing.T) {
	s := fakeregistry.Start(t, fakeregistry.None)
	logIn(t, s.Host, "")
	o := options(t, "")
	name := s.Host + "/app:1"
	o.stored(t, appDockerfile, "app", name)
	o.Platforms = []string{"linux/amd64", "linux/arm64"}
	o.stored(t, appDockerfile, "multi")
	x := imageStore(t, o)
	for as, from := range map[string]string{"": name, s.Host + "/app:2": "app", s.Host + "/multi:1": "multi"} {
		var shown []string
		lock := flock.New(filepath.Join(o.State, "lock"))
		got, err := x.Push(t.Context(), PushOptions{Name: from, As: as, Status: func(s *client.SolveStatus) {
			for _, v := range s.Vertexes {
				shown = append(shown, v.Name)
			}
			if alone, err := lock.TryLock(); alone || err != nil {
				t.Errorf("a prune can run during a push, %v", err)
			}
			for _, v := range s.Statuses {
				shown = append(shown, v.ID)
			}
		}})
		img, findErr := x.find(from)
		if err = errors.Join(err, findErr); err != nil || got != img.Root.Digest {
			t.Fatalf("%s: pushed %s, %v", from, got, err)
		}
		if as == "" {
			as = name
		}
		if !slices.Contains(shown, "pushing "+as) || !slices.Contains(shown, "pushing layers") {
			t.Errorf("%s: shown was %q", from, shown)
		}
		repo, err := newRegistry(defaultStall, nil).Repository(t.Context(), as, false)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := repo.Resolve(t.Context()); err != nil || d.Digest != got {
			t.Errorf("%s: the registry has %v, %v", as, d, err)
		}
	}
	private := fakeregistry.Start(t, fakeregistry.Basic)
	if _, err := x.Push(t.Context(), PushOptions{Name: "app", As: private.Host + "/app:1"}); err == nil || !strings.Contains(err.Error(), "slipway login "+private.Host) {
		t.Errorf("push without a login: %v", err)
	}
	_, err := x.Push(t.Context(), PushOptions{Name: "app", As: s.Host + "/app@sha256:" + strings.Repeat("0", 64)})
	if err == nil || !strings.Contains(err.Error(), "has a digest") {
		t.Errorf("push to a digest: %v", err)
	}
	if _, err := x.Push(t.Context(), PushOptions{Name: "ap"}); err == nil || err.Error() != `image "ap": no such image (did you mean app?)` {
		t.Errorf("push of an unknown image: %v", err)
	}
}

// TestTag checks that Tag stores an image under a second name, and that this name
// remains when the first name is removed.
func TestTag(t *testing.T) {
	o := options(t, "")
	failOnRequest(t, &o)
	d := o.stored(t, appDockerfile, "app").Exported["containerimage.digest"]
	x := imageStore(t, o)
	if err := errors.Join(x.Tag(t.Context(), "app@"+d, "example.com/x"), x.Remove(t.Context(), []string{"app"})); err != nil {
		t.Fatal(err)
	}
	if got := storedNames(t, o); got != "example.com/x:latest" {
		t.Errorf("images %s", got)
	}
	if who, err := o.buildWho(t, "FROM example.com/x\nRUN true\n"); who != "one" || err != nil {
		t.Errorf("built %q, %v", who, err)
	}
	for want, name := range map[string]string{"has a digest": "x@" + d, "image name \"X\"": "X"} {
		if err := x.Tag(t.Context(), "example.com/x", name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("tag %s: %v, want %s", name, err, want)
		}
	}
	if err := x.Tag(t.Context(), "app", "y"); err == nil {
		t.Error("tag an unknown image: no error")
	}
}

// TestInspect checks that Inspect describes an index together with the images of its
// platforms.
func TestInspect(t *testing.T) {
	o := options(t, "")
	o.Platforms = []string{"linux/amd64", "linux/arm64"}
	d := o.stored(t, appDockerfile, "multi").Exported["containerimage.digest"]
	o.Platforms = []string{"linux/arm64"}
	one := o.stored(t, appDockerfile, "one").Exported
	x := imageStore(t, o)
	got, err := x.Inspect(t.Context(), "multi")
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != "docker.io/library/multi:latest" || got.Digest.String() != d || len(got.Images) != 2 || got.Size == 0 || !bytes.Contains(got.Index, []byte(got.Images[1].Digest)) {
		t.Errorf("index %+v", got)
	}
	single, err := x.Inspect(t.Context(), "one")
	if err != nil {
		t.Fatal(err)
	}
	if single.Index != nil || len(single.Images) != 1 || single.Images[0].Digest != one["containerimage.digest"] ||
		!bytes.Contains(single.Images[0].Manifest, []byte(one["containerimage.config.digest"])) {
		t.Errorf("image %+v", single)
	}
	if diff := cmp.Diff(got.Images[1], single.Images[0]); diff != "" || single.Images[0].Platform != "linux/arm64" {
		t.Errorf("image of linux/arm64 (-index +alone):\n%s", diff)
	}
	if _, err := x.Inspect(t.Context(), "none"); err == nil {
		t.Error("inspect an unknown image: no error")
	}
}
