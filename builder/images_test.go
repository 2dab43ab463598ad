package builder

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"

	"slipway/builder/state"
	"slipway/internal/fakeregistry"
	"slipway/internal/slowtest"
)

// appDockerfile is a Dockerfile for an image whose file /who contains the build argument WHO.
const appDockerfile = "FROM scratch\nARG WHO=one\nCOPY base /\nCOPY a /\nRUN cat a > /who; echo $WHO >> /who\n"

// stored builds the Dockerfile with the given text and stores the image under the given tags.
func (o Options) stored(t *testing.T, dockerfile string, tags ...string) *Result {
	t.Helper()
	write(t, o, dockerfile)
	o.Tags = tags
	res, err := Build(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func write(t *testing.T, o Options, dockerfile string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(o.Context, "Dockerfile"), []byte(dockerfile), 0o600); err != nil {
		t.Fatal(err)
	}
}

// buildWho builds a Dockerfile and returns the content of the file /who in the result. The
// file /who usually comes from an image that was built from appDockerfile.
func (o Options) buildWho(t *testing.T, dockerfile string) (string, error) {
	t.Helper()
	write(t, o, dockerfile)
	dir := t.TempDir()
	o.Outputs = []Output{{Type: "local", Dest: dir}}
	if err := Run(t.Context(), o); err != nil {
		return "", err
	}
	data, err := os.ReadFile(filepath.Join(dir, "who"))
	return strings.TrimSpace(strings.TrimPrefix(string(data), "content\n")), err
}

func imageStore(t *testing.T, o Options) *ImageStore {
	t.Helper()
	x, err := OpenImages(o.State, o.Now)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// storedNames returns the short names of the stored images, separated by spaces.
func storedNames(t *testing.T, o Options) string {
	t.Helper()
	list, err := imageStore(t, o).List()
	if err != nil {
		t.Error(err)
	}
	var names []string
	for _, img := range list {
		names = append(names, FamiliarName(img.Name))
	}
	return strings.Join(names, " ")
}

// failOnRequest configures o so that any request for an image on Docker Hub fails: no
// server listens at the only mirror.
func failOnRequest(t *testing.T, o *Options) {
	t.Helper()
	logIn(t, "127.0.0.1:1", "")
	o.Mirrors = map[string]string{"docker.io": "http://127.0.0.1:1"}
}

// TestLocalImages checks that a build finds an image that another build stored. It
// refers to the image by several spellings of its name, in FROM, COPY and RUN
// instructions.
func TestLocalImages(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	o := options(t, "")
	failOnRequest(t, &o)
	d := o.stored(t, appDockerfile, "app", "app:2").Exported["containerimage.digest"]
	if got, want := storedNames(t, o), "app:2 app:latest"; got != want {
		t.Errorf("images %s, want %s", got, want)
	}
	for _, dockerfile := range []string{
		"FROM app\nRUN true\n",
		"FROM app:latest\nCOPY a /\n",
		"FROM docker.io/library/app:2\nCOPY a /\n",
		"FROM app@" + d + "\nCOPY a /\n",
		"FROM app:other@" + d + "\nCOPY a /\n",
		"FROM scratch\nCOPY --from=app /who /\n",
		"FROM app AS base\nFROM scratch\nCOPY --from=base /who /\n",
		"FROM scratch\nCOPY base /\nRUN --mount=from=app:2,target=/m cat /m/who > /who\n",
	} {
		if who, err := o.buildWho(t, dockerfile); err != nil || who != "one" {
			t.Errorf("%s: built %q, %v", dockerfile, who, err)
		}
	}
	for _, dockerfile := range []string{"FROM app:3\nRUN true\n", "FROM example/app\nRUN true\n", "FROM app@sha256:" + strings.Repeat("0", 64) + "\nRUN true\n"} {
		if who, err := o.buildWho(t, dockerfile); err == nil {
			t.Errorf("%s: built %q", dockerfile, who)
		}
	}
	o.BuildArgs = map[string]string{"WHO": "two"}
	o.stored(t, appDockerfile, "app")
	for name, want := range map[string]string{"app": "two", "app:2": "one"} {
		if who, err := o.buildWho(t, "FROM "+name+"\nRUN true\n"); err != nil || who != want {
			t.Errorf("%s: built %q, %v, want %q", name, who, err, want)
		}
	}
}

// TestStoredByDefault checks that a build with tags but without outputs stores the
// image. A build that pushes or loads the image only updates a stored image with the
// same name.
func TestStoredByDefault(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	standInEngine(t)
	s := fakeregistry.Start(t, fakeregistry.None)
	logIn(t, s.Host, "")
	name := s.Host + "/app:1"
	dir := t.TempDir()
	for _, tc := range []struct {
		about   string
		change  func(o *Options)
		renews  bool
		creates bool
	}{
		{"no output", func(*Options) {}, true, true},
		{"image", func(o *Options) { o.Outputs, o.Tags = []Output{{Type: "image", Name: name}}, nil }, true, true},
		{"push", func(o *Options) { o.Outputs = []Output{{Type: "image", Push: true}} }, true, false},
		{"load", func(o *Options) { o.Outputs = []Output{{Type: "docker", Load: true}} }, true, false},
		{"oci", func(o *Options) { o.Outputs = []Output{{Type: "oci", Dest: filepath.Join(dir, "oci")}} }, false, false},
		{"docker", func(o *Options) { o.Outputs = []Output{{Type: "docker", Dest: filepath.Join(dir, "docker")}} }, false, false},
		{"local", func(o *Options) { o.Outputs = []Output{{Type: "local", Dest: filepath.Join(dir, "local")}} }, false, false},
		{"cacheonly", func(o *Options) { o.Outputs = []Output{{Type: "cacheonly"}} }, false, false},
		{"check", func(o *Options) { o.Call = "frontend.lint" }, false, false},
	} {
		for _, has := range []bool{false, true} {
			o := options(t, appDockerfile)
			if has {
				o.stored(t, appDockerfile, name)
			}
			o.Tags, o.BuildArgs = []string{name}, map[string]string{"WHO": "two"}
			tc.change(&o)
			if err := Run(t.Context(), o); err != nil {
				t.Fatalf("%s: %v", tc.about, err)
			}
			got := storedNames(t, o) != ""
			if want := has || tc.creates; got != want {
				t.Errorf("%s, image stored before: %t; after: %t, want %t", tc.about, has, got, want)
			}
			if !got {
				continue
			}
			o = Options{Context: o.Context, State: o.State, Runner: o.Runner, Now: o.Now}
			who, err := o.buildWho(t, "FROM "+name+"\nRUN true\n")
			if want := map[bool]string{true: "two", false: "one"}[tc.renews || !has]; who != want || err != nil {
				t.Errorf("%s, image stored before: %t; now it is %q, %v, want %q", tc.about, has, who, err, want)
			}
		}
	}
}

// standInEngine installs a script as the program docker. The script reads an image from
// standard input and ignores it.
func standInEngine(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "docker"), []byte("#!/bin/sh\n/bin/cat >/dev/null\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
}

// TestPullAsksTheRegistry checks when a build requests an image from the registry although an
// image of the same name is stored: if Options.Pull is set, or if the stored image is for
// other platforms. If the registry does not have the image, the error must list the platforms
// of the stored image.
func TestPullAsksTheRegistry(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	s := fakeregistry.Start(t, fakeregistry.None)
	logIn(t, s.Host, "")
	o := options(t, "")
	name := s.Host + "/app:1"
	o.Platforms = []string{"linux/arm64"}
	o.stored(t, appDockerfile, name)
	s.TakeRequests()
	if who, err := o.buildWho(t, "FROM "+name+"\nRUN true\n"); who != "one" || err != nil || len(s.TakeRequests()) > 0 {
		t.Errorf("built %q, %v", who, err)
	}
	o.Pull = true
	if _, err := o.buildWho(t, "FROM "+name+"\nRUN true\n"); err == nil || !strings.Contains(err.Error(), "not found") || len(s.TakeRequests()) == 0 {
		t.Errorf("pull: error %v", err)
	}
	o.Pull, o.Platforms = false, []string{"linux/s390x"}
	const hint = "not found (the local image of that name is for linux/arm64 only)"
	if _, err := o.buildWho(t, "FROM "+name+"\nRUN true\n"); err == nil || !strings.Contains(err.Error(), hint) || len(s.TakeRequests()) == 0 {
		t.Errorf("another platform: error %v", err)
	}
	o.BuildArgs = map[string]string{"WHO": "two"}
	write(t, o, appDockerfile)
	other := o
	other.State, other.Outputs = t.TempDir(), []Output{{Type: "image", Push: true, Name: name}}
	if err := Run(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if who, err := o.buildWho(t, "FROM "+name+"\nRUN true\n"); err != nil || who != "two" {
		t.Errorf("another platform that the registry has: built %q, %v", who, err)
	}
}

// TestPruneKeepsImages checks that no prune removes the blobs of a stored image. Removing the
// last name of the image must remove the blobs that the cache does not need.
func TestPruneKeepsImages(t *testing.T) {
	o := options(t, "")
	failOnRequest(t, &o)
	o.stored(t, appDockerfile, "app:1", "app:2")
	killed := filepath.Join(o.State, "images", ".slipway-1")
	if err := os.WriteFile(killed, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	kinds, bytes := cacheKinds(t, o)
	if !slices.Contains(kinds, state.KindImage) {
		t.Errorf("kinds %q", kinds)
	}
	prune := func() {
		t.Helper()
		gone, err := state.Prune(t.Context(), o.State, o.Now, state.PruneOptions{})
		if err != nil || slices.ContainsFunc(gone, func(e state.Entry) bool { return e.Kind == state.KindImage }) {
			t.Errorf("pruned %v, %v", gone, err)
		}
	}
	prune()
	kinds, left := cacheKinds(t, o)
	if want := []string{state.KindImage, state.KindImage}; !slices.Equal(kinds, want) || left >= bytes {
		t.Errorf("kept %q with %d of %d bytes", kinds, left, bytes)
	}
	if _, err := os.Stat(killed); !os.IsNotExist(err) {
		t.Errorf("the file of a killed build still exists: %v", err)
	}
	x := imageStore(t, o)
	if err := x.Remove(t.Context(), []string{"app:2", "app:3"}); err == nil || storedNames(t, o) != "app:1 app:2" {
		t.Errorf("an unknown name: %v", err)
	}
	if err := x.Remove(t.Context(), []string{"app:1"}); err != nil {
		t.Error(err)
	}
	if who, err := o.buildWho(t, "FROM app:2\nRUN true\n"); who != "one" || err != nil {
		t.Errorf("pruned and with one name: built %q, %v", who, err)
	}
	prune()
	if err := x.Remove(t.Context(), []string{"app:2"}); err != nil {
		t.Error(err)
	}
	if left := files(t, filepath.Join(o.State, "store", "blobs")); len(left) > 0 {
		t.Errorf("after removing the last name: %q are left", left)
	}
}

// TestRemoveKeepsCache checks that removing an image removes nothing from the cache. While a
// build is running, removing an image must not remove the blobs of the image, but a later
// prune must.
func TestRemoveKeepsCache(t *testing.T) {
	o := options(t, "")
	failOnRequest(t, &o)
	blobs := filepath.Join(o.State, "store", "blobs")
	write(t, o, appDockerfile)
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	before := files(t, blobs)
	o.stored(t, appDockerfile, "app")
	all := files(t, blobs)
	x := imageStore(t, o)
	release, err := x.s.Hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Remove(t.Context(), []string{"app"}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(all, files(t, blobs)); diff != "" || storedNames(t, o) != "" {
		t.Errorf("during a build: images %q, blobs (-want +got):\n%s", storedNames(t, o), diff)
	}
	release()
	o.stored(t, appDockerfile, "app")
	if err := x.Remove(t.Context(), []string{"app"}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(before, files(t, blobs)); diff != "" {
		t.Errorf("blobs (-want +got):\n%s", diff)
	}
	cached := false
	o.Status = func(s *client.SolveStatus) {
		for _, v := range s.Vertexes {
			cached = cached || v.Cached && strings.Contains(v.Name, "RUN")
		}
	}
	if who, err := o.buildWho(t, appDockerfile); who != "one" || err != nil || !cached {
		t.Errorf("the next build: %q, %v, cached %t", who, err, cached)
	}
}

// TestLostLayer checks that a build from a stored image with a damaged layer fails with a
// hint, and that building the image again repairs the layer.
func TestLostLayer(t *testing.T) {
	o := options(t, "")
	failOnRequest(t, &o)
	o.stored(t, appDockerfile, "app")
	if _, err := state.Prune(t.Context(), o.State, o.Now, state.PruneOptions{}); err != nil {
		t.Fatal(err)
	}
	x := imageStore(t, o)
	img, err := x.find("app")
	if err != nil {
		t.Fatal(err)
	}
	hex := img.Blobs[0].Digest.Encoded()
	if err := os.WriteFile(filepath.Join(o.State, "store", "blobs", hex[:2], hex[2:]), make([]byte, img.Blobs[0].Size), 0o600); err != nil {
		t.Fatal(err)
	}
	const lost, hint = "local image docker.io/library/app:latest: blob sha256:", "(build it again, or slipway image rm docker.io/library/app:latest)"
	_, err = o.buildWho(t, "FROM app\nRUN true\n")
	errs := map[string]error{
		"build": err,
		"save":  x.Save(t.Context(), []string{"app"}, filepath.Join(t.TempDir(), "app.tar"), "docker"),
	}
	_, errs["push"] = x.Push(t.Context(), PushOptions{Name: "app"})
	for what, err := range errs {
		if err == nil || !strings.Contains(err.Error(), lost+hex) || !strings.Contains(err.Error(), hint) {
			t.Errorf("%s: error %v", what, err)
		}
	}
	o.stored(t, appDockerfile, "app")
	if who, err := o.buildWho(t, "FROM app\nRUN true\n"); who != "one" || err != nil {
		t.Errorf("stored again: built %q, %v", who, err)
	}
}

// TestDamagedName checks a stored image name whose record is damaged. Using the name must
// fail, even if a registry has the image, other images must remain usable, and the user must
// be able to remove the name.
func TestDamagedName(t *testing.T) {
	o := options(t, "")
	failOnRequest(t, &o)
	o.stored(t, appDockerfile, "app")
	file := files(t, filepath.Join(o.State, "images"))[0]
	o.stored(t, appDockerfile, "other")
	if err := os.Truncate(file, 10); err != nil {
		t.Fatal(err)
	}
	const want = "local image docker.io/library/app:latest: the file is damaged (build it again, or slipway image rm docker.io/library/app:latest)"
	if _, err := o.buildWho(t, "FROM app\nRUN true\n"); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("build: error %v, want %s", err, want)
	}
	x := imageStore(t, o)
	list, err := x.List()
	if want := "image file " + file + ": damaged (delete it, and build the image again)"; len(list) != 1 || err == nil || err.Error() != want {
		t.Errorf("list %v, %v, want %s", list, err, want)
	}
	if _, err := state.Prune(t.Context(), o.State, o.Now, state.PruneOptions{}); err != nil {
		t.Error(err)
	}
	if who, err := o.buildWho(t, "FROM other\nRUN true\n"); who != "one" || err != nil {
		t.Errorf("the other image: built %q, %v", who, err)
	}
	if err := x.Remove(t.Context(), []string{"app"}); err != nil || storedNames(t, o) != "other:latest" {
		t.Errorf("removed with %v, left %s", err, storedNames(t, o))
	}
}

// TestStoreCancelled checks that a canceled build does not change which image a name
// refers to, and that a build without names stores no image.
func TestStoreCancelled(t *testing.T) {
	o := options(t, appDockerfile)
	s, err := openLocal(&o, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.storeImage(ctx, nil, []string{"docker.io/library/app:1"}, true); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if err := s.storeImage(t.Context(), nil, nil, true); err != nil {
		t.Errorf("without a name: %v", err)
	}
}
