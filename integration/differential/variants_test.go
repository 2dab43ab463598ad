package differential

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"slipway/internal/golden"
)

// variantSets is the folder of the examples that replace several Dockerfiles with one.
const variantSets = "../../examples/variants"

// variant is one Dockerfile of a set, and how the Dockerfile with extensions builds the same.
type variant struct {
	args     map[string]string
	original map[string]string // frontend options of the original; nil for those of args
}

// variantsOf returns the variants that replace the original Dockerfile with the given name.
var variantsOf = map[string]func(name string) []variant{
	"jaeger": func(name string) []variant {
		images := map[string]string{"build-arg:base_image": "alpine:3.22", "build-arg:debug_image": "golang:1.25"}
		of := func(target, debug string) variant {
			return variant{
				args:     with(images, map[string]string{"build-arg:service": name, "build-arg:debug": debug}),
				original: with(images, map[string]string{"target": target}),
			}
		}
		return []variant{of("release", ""), of("debug", "1")}
	},
	"thrift": func(name string) []variant {
		version, distro, _ := strings.Cut(name, "-")
		return []variant{{args: map[string]string{"build-arg:version": version, "build-arg:distro": distro}}}
	},
	"thrift-build": func(name string) []variant {
		return []variant{
			{args: map[string]string{"build-arg:release": name}},
			{args: map[string]string{"build-arg:release": name, "build-arg:uid": "7", "build-arg:gid": "8"}},
		}
	},
	"vitess-lite": func(name string) []variant {
		return []variant{{args: map[string]string{"build-arg:flavor": name, "build-arg:BUILD_NUMBER": "5"}}}
	},
	"vitess-binaries": func(name string) []variant {
		return []variant{{args: map[string]string{"build-arg:binary": name}}}
	},
}

// with returns the union of two maps.
func with(a, b map[string]string) map[string]string {
	m := map[string]string{}
	for _, from := range []map[string]string{a, b} {
		for k, v := range from {
			m[k] = v
		}
	}
	return m
}

// TestVariants builds each original Dockerfile in examples/variants with docker/dockerfile. The
// Dockerfile that replaces the originals, and the plain Dockerfile that slipway eject prints for
// it, must have the same operations, image config and history.
func TestVariants(t *testing.T) {
	sets, err := os.ReadDir(variantSets)
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range sets {
		if !set.IsDir() {
			continue
		}
		variants := variantsOf[set.Name()]
		if variants == nil {
			t.Errorf("%s: unknown set", set.Name())
			continue
		}
		originals, err := os.ReadDir(path.Join(variantSets, set.Name(), "originals"))
		if err != nil || len(originals) < 2 {
			t.Fatalf("%s: %d originals, %v", set.Name(), len(originals), err)
		}
		files := variantFiles(t, path.Join(variantSets, set.Name()))
		checkLines(t, set.Name(), files)
		for _, original := range originals {
			name := strings.TrimSuffix(original.Name(), ".Dockerfile")
			text := readFile(t, path.Join(variantSets, set.Name(), "originals", original.Name()))
			for _, v := range variants(name) {
				t.Run(set.Name()+"/"+name, func(t *testing.T) { compareVariant(t, files, text, v) })
			}
		}
	}
}

// checkLines checks the row of a set in the README: the number of lines of the originals and of
// the files that replace them.
func checkLines(t *testing.T, set string, files []golden.File) {
	t.Helper()
	before, after := 0, 0
	for _, f := range files {
		if f.Name != "NOTICE" {
			after += bytes.Count(f.Data, []byte("\n"))
		}
	}
	err := fs.WalkDir(os.DirFS(path.Join(variantSets, set, "originals")), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			before += bytes.Count(readFile(t, path.Join(variantSets, set, "originals", name)), []byte("\n"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(fmt.Sprintf(`(?m)^\| \[%s\]\(%[1]s\) \| [^|]+ \| %d \| %d \|`, set, before, after))
	if !row.Match(readFile(t, path.Join(variantSets, "README.md"))) {
		t.Errorf("README.md: no row for %s with %d lines before and %d now", set, before, after)
	}
}

// compareVariant compares the builds of an original Dockerfile with those of a variant.
func compareVariant(t *testing.T, files []golden.File, original []byte, v variant) {
	t.Helper()
	if v.original == nil {
		v.original = v.args
	}
	for _, platform := range []string{"linux/arm64", "linux/amd64,linux/arm64"} {
		want, err := Run(t.Context(), Upstream(), variantCase(v.original, golden.File{Name: "Dockerfile", Data: original}), platform)
		if err != nil || want.Err != nil {
			t.Fatalf("%s: the original does not build: %v, %v", platform, err, want.Err)
		}
		got, err := Run(t.Context(), Ours(), variantCase(v.args, files...), platform)
		if err != nil {
			t.Fatal(err)
		}
		checkVariant(t, platform, want, got)
		if strings.Contains(platform, ",") {
			continue // the ejected file of jaeger differs between platforms
		}
		c := variantCase(with(v.args, map[string]string{"requestid": "frontend.eject"}), files...)
		answer, err := Run(t.Context(), Ours(), c, platform)
		if err != nil || answer.Err != nil || string(answer.Metadata["result.statuscode"]) != "0" {
			t.Fatalf("%s: eject: %v, %v, %s", platform, err, answer.Err, answer.Metadata["result.txt"])
		}
		plain := golden.File{Name: "Dockerfile", Data: answer.Metadata["result.txt"]}
		got, err = Run(t.Context(), Upstream(), variantCase(v.args, plain), platform)
		if err != nil {
			t.Fatal(err)
		}
		checkVariant(t, platform+" ejected", want, got)
	}
}

// checkVariant reports differences in operations, image config and history.
func checkVariant(t *testing.T, title string, want, got *Record) {
	t.Helper()
	d := Compare(want, got)
	for _, kind := range []Kind{ErrorText, Operations, ResultMetadata} {
		if d[kind] != "" {
			t.Errorf("%s: %s (-original +variant):\n%s", title, kind, d[kind])
		}
	}
}

// variantCase returns a build of files with the given frontend options.
func variantCase(opts map[string]string, files ...golden.File) *golden.Case {
	config := []byte(`{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin"]},"rootfs":{"type":"layers","diff_ids":[]}}`)
	for _, image := range []string{"buildpack-deps", "vitess/lite"} {
		files = append(files[:len(files):len(files)], golden.File{Name: "images/" + image + ".json", Data: config})
	}
	return &golden.Case{Name: "ext/variant", Title: "variant", Worker: []string{"linux/amd64", "linux/arm64"}, Opts: with(opts, nil), Files: files}
}

// variantFiles returns the Dockerfile in a folder and the files that it can include.
func variantFiles(t *testing.T, dir string) []golden.File {
	t.Helper()
	var files []golden.File
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(name, "originals/") {
			return err
		}
		files = append(files, golden.File{Name: name, Data: readFile(t, path.Join(dir, name))})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
