//go:build integration

package daemon

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"slipway/integration/imagetree"
	"slipway/integration/rig"
)

// TestBuildKit2023 checks that our frontend and upstream's create the same images with
// BuildKit v0.12. If this version lacks a required capability, both must return the same
// error.
func TestBuildKit2023(t *testing.T) {
	t.Parallel()
	old, err := shared.StartDaemon(t.Context(), "buildkitd-2023")
	if err != nil {
		t.Fatal(err)
	}
	compareOld(t, ours, upstream, func(t *testing.T, req rig.Request) (string, error) {
		req.Image = true
		res, err := old.Build(t.Context(), req)
		if err != nil {
			return "", err
		}
		index, err := imagetree.Open(res.Archive, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return imageText(t, index), nil
	})
}

// TestEngine20 checks that our frontend and upstream's create the same images with docker build
// and Docker Engine 20.10, or return the same error. It also checks slipway build --load.
func TestEngine20(t *testing.T) {
	t.Parallel()
	engine, err := shared.StartEngine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	onAddr := strings.NewReplacer(rig.Registry, shared.Addr).Replace
	compareOld(t, onAddr(ours), onAddr(upstream), func(t *testing.T, req rig.Request) (string, error) {
		return dockerBuild(t, engine, req)
	})
	t.Run("load", func(t *testing.T) { loadIntoEngine(t, engine) })
}

// loadIntoEngine checks that slipway build --load loads images into Docker Engine.
func loadIntoEngine(t *testing.T, engine *rig.Engine) {
	program := buildSlipway(t)
	for _, args := range [][]string{{"--state", t.TempDir()}, {"--builder", shared.Socket}} {
		docker := engine.Docker(t.Context(), t.TempDir())
		cmd := exec.CommandContext(t.Context(), program, append([]string{"build", "--load", "-t", "loaded", "--metadata-file", "metadata", "-q", "-"}, args...)...)
		cmd.Dir, cmd.Env = docker.Dir, docker.Env
		cmd.Stdin = strings.NewReader("FROM scratch\nCOPY <<EOF /f\n" + args[0] + "\nEOF\nLABEL l=" + args[0] + "\n")
		id, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", args[0], err)
		}
		out, err := engine.Docker(t.Context(), docker.Dir, "inspect", "--format={{.Id}} {{.Config.Labels.l}}", "loaded").CombinedOutput()
		if want := strings.TrimSpace(string(id)) + " " + args[0] + "\n"; err != nil || string(out) != want {
			t.Errorf("%s: %v, loaded %s, want %s", args[0], err, out, want)
		}
	}
}

// compareOld checks that a build has the same image or the same error with two frontends. The
// parameters ours and upstream are the references of our frontend image and of upstream's.
func compareOld(t *testing.T, ours, upstream string, build func(*testing.T, rig.Request) (string, error)) {
	names := strings.NewReplacer(ours, "FRONTEND", upstream, "FRONTEND")
	ran, built := 0, 0
	for _, c := range readCases(t, "image") {
		t.Run(c.name, func(t *testing.T) {
			ran++
			got, errGot := build(t, c.withSyntax(ours))
			want, errWant := build(t, c.withSyntax(upstream))
			if diff := cmp.Diff(lines(want), lines(got)); diff != "" {
				t.Errorf("%s\nimage (-upstream +ours):\n%s", c.About, diff)
			}
			switch {
			case errWant == nil && errGot == nil:
				built++
			case errWant == nil || errGot == nil:
				t.Errorf("error %v\nupstream's %v", errGot, errWant)
			default:
				// Our error starts with the instruction that requires the missing capability.
				got, want := names.Replace(errGot.Error()), rootMessage(names.Replace(errWant.Error()))
				t.Logf("not built: %s", got)
				if !strings.HasSuffix(got, want) {
					t.Errorf("error %s\nupstream's %s", got, want)
				}
				if strings.Contains(want, "requested experimental feature") && !strings.Contains(got, "] RUN ") {
					t.Errorf("error %s\ndoes not name the instruction", got)
				}
			}
		})
	}
	if built*2 < ran {
		t.Errorf("only %d of %d cases could be built", built, ran)
	}
}

// rootMessage returns an error text without the prefixes "rpc error: …", which gRPC adds each
// time a component passes an error on.
func rootMessage(text string) string {
	const rpc = "rpc error: code = Unknown desc = "
	if i := strings.LastIndex(text, rpc); i >= 0 {
		return text[i+len(rpc):]
	}
	return text
}

// A dockerError is the last error in the output of docker build.
type dockerError string

func (e dockerError) Error() string { return string(e) }

// dockerBuild runs docker build and returns a description of the image.
func dockerBuild(t *testing.T, engine *rig.Engine, req rig.Request) (string, error) {
	t.Helper()
	dir := t.TempDir()
	dockerfile, id := filepath.Join(dir, "Dockerfile"), filepath.Join(dir, "id")
	writeFile(t, dockerfile, []byte(req.Dockerfile))
	args := []string{"build", "--progress=plain", "--network=host", "--iidfile", id, "-f", dockerfile}
	for key, value := range req.Attrs {
		args = append(args, dockerFlags(key, value)...)
	}
	for secret, value := range req.Secrets {
		writeFile(t, filepath.Join(dir, secret), value)
		args = append(args, "--secret", "id="+secret+",src="+filepath.Join(dir, secret))
	}
	if req.SSHKey != "" {
		args = append(args, "--ssh", "default="+req.SSHKey)
	}
	out, err := engine.Docker(t.Context(), dir, append(args, req.Context)...).CombinedOutput()
	if err != nil {
		text := strings.TrimSpace(string(out))
		text = text[strings.LastIndex(text, "\n")+1:]
		return "", dockerError(regexp.MustCompile(`ref [a-z0-9]{25}::[a-z0-9]{25}`).ReplaceAllString(text, "ref REF"))
	}
	image, err := os.ReadFile(id)
	if err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(dir, "image.tar")
	if out, err := engine.Docker(t.Context(), dir, "save", "-o", archive, string(image)).CombinedOutput(); err != nil {
		if !strings.Contains(string(out), "empty export") {
			t.Fatalf("docker save: %v\n%s", err, out)
		}
		// docker save fails for an image without layers, so describe only its config.
		config, err := engine.Docker(t.Context(), dir, "inspect", "--format={{json .Config}}", string(image)).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(config), nil
	}
	saved, err := tarball.ImageFromPath(archive, nil)
	if err != nil {
		t.Fatal(err)
	}
	return imageText(t, mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: saved})), nil
}

// dockerFlags returns the docker build flags that are equivalent to a frontend option.
func dockerFlags(key, value string) []string {
	if name, ok := strings.CutPrefix(key, "build-arg:"); ok {
		return []string{"--build-arg", name + "=" + value}
	}
	if name, ok := strings.CutPrefix(key, "label:"); ok {
		return []string{"--label", name + "=" + value}
	}
	if key == "no-cache" { // docker build cannot disable the cache for single stages
		return []string{"--no-cache"}
	}
	return []string{"--" + key, value}
}

func imageText(t *testing.T, index v1.ImageIndex) string {
	t.Helper()
	images, err := imagetree.Read(index, imagetree.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, i := range images {
		b.WriteString(i.String())
	}
	return b.String()
}
