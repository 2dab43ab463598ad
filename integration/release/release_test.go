package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/santhosh-tekuri/jsonschema/v6"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"

	"slipway/integration/checkout"
)

// tinyMain stands in for slipway: it has the commands that a release calls.
const tinyMain = `package main

import (
	"fmt"
	"os"
	"path/filepath"
)

var releaseVersion, releaseCommit string

func main() {
	if os.Args[1] == "manpages" {
		name := filepath.Join(os.Args[len(os.Args)-1], "slipway.1")
		if err := os.WriteFile(name, []byte(os.Args[3]), 0o600); err != nil {
			panic(err)
		}
	}
	fmt.Println(os.Args[1:], os.Getenv("HOME"), releaseVersion, releaseCommit)
}
`

// commitTime is the time of the commit in tests.
const commitTime = "1600000000"

// tinyRepository creates a repository with a program that compiles fast.
func tinyRepository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":              "module tiny\n\ngo " + strings.TrimPrefix(runtime.Version(), "go") + "\n",
		"cmd/slipway/main.go": tinyMain,
		"LICENSE":             "the license\n",
		"README.md":           "# Tiny\n",
		"CHANGELOG.md":        "# Changes\n",
		".gitignore":          "/dist/\n",
	} {
		writeFile(t, filepath.Join(dir, name), text)
	}
	git(t, dir, "init", "-q")
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-q", "-m", "tiny")
	return dir
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// head returns the commit of the repository at root.
func head(root string) (string, error) {
	out, err := checkout.Output(exec.Command("git", "-C", root, "rev-parse", "HEAD"))
	return strings.TrimSpace(string(out)), err
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_COMMITTER_DATE="+commitTime+" +0200", "GIT_AUTHOR_DATE="+commitTime+" +0200", "GIT_CONFIG_GLOBAL=/dev/null")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

// makeRelease makes version 1.2.3 for this machine's kind of Linux, and returns its directory.
func makeRelease(t *testing.T, root string) string {
	t.Helper()
	src, err := openSource(t.Context(), root, "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	r := &release{Source: src, targets: []target{{"linux", runtime.GOARCH, ""}}, url: "https://example.com/v1.2.3/", log: io.Discard}
	if err := r.write(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r.dist()
}

// TestReproducible makes a release twice: the second time in another directory of another depth,
// with another umask, other times of all files, a tag, and settings of Go that change programs.
func TestReproducible(t *testing.T) {
	first := tinyRepository(t)
	second := filepath.Join(t.TempDir(), "a", "longer", "path")
	git(t, first, "clone", "-q", first, second)
	a := readDir(t, makeRelease(t, first))

	git(t, second, "tag", "v1.2.3")
	ageFiles(t, second)
	var b map[string]string
	t.Run("again", func(t *testing.T) {
		old := syscall.Umask(0o077)
		defer syscall.Umask(old)
		cache, err := checkout.Output(exec.Command("go", "env", "GOCACHE")) // compiling Go's packages again takes long
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv("GOCACHE", strings.TrimSpace(string(cache)))
		for name, value := range map[string]string{"GOFLAGS": "-ldflags=-X=main.releaseVersion=v9", "GOAMD64": "v3", "GOARM64": "v8.1", "TZ": "Asia/Tokyo", "HOME": second} {
			t.Setenv(name, value)
		}
		b = readDir(t, makeRelease(t, second))
	})
	if a["SHA256SUMS"] != b["SHA256SUMS"] || len(a) != 5 {
		t.Errorf("the releases differ, or miss files:\n%s\n%s", a["SHA256SUMS"], b["SHA256SUMS"])
	}
	checkSums(t, first)
	base := "slipway_1.2.3_linux_" + runtime.GOARCH
	checkArchive(t, base, a[base+".tar.gz"])
	checkSBOMs(t, a[base+".spdx.json"], a[base+".cdx.json"])
	if formula := a["slipway.rb"]; !strings.Contains(formula, `url "https://example.com/v1.2.3/`+base+`.tar.gz"`) || strings.Contains(formula, "on_macos") {
		t.Errorf("formula:\n%s", formula)
	}
}

// ageFiles changes the times and the permissions of all files below dir, except in .git.
func ageFiles(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Name() == ".git":
			return filepath.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		return errors.Join(os.Chmod(path, 0o600), os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// readDir returns the content of the files in dir, by name.
func readDir(t *testing.T, dir string) map[string]string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range list {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(data)
	}
	return files
}

// checkSums checks the release of the repository at root with sha256sum.
func checkSums(t *testing.T, root string) {
	t.Helper()
	cmd := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	cmd.Dir = filepath.Join(root, "dist", "1.2.3")
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), ": OK\n") != 4 {
		t.Errorf("sha256sum: %v\n%s", err, out)
	}
}

// checkArchive checks the files of an archive with Go's own packages, and runs the program.
func checkArchive(t *testing.T, base, data string) {
	t.Helper()
	z, err := gzip.NewReader(strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	bin := filepath.Join(t.TempDir(), "slipway")
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, strings.TrimPrefix(h.Name, base+"/"))
		mode := int64(0o644)
		if h.Name == base+"/slipway" {
			mode = 0o755
			content, err := io.ReadAll(r)
			if err = errors.Join(err, os.WriteFile(bin, content, 0o700)); err != nil {
				t.Fatal(err)
			}
		}
		if h.Mode != mode || h.Uid != 0 || h.Gid != 0 || fmt.Sprint(h.ModTime.Unix()) != commitTime {
			t.Errorf("%s: mode %o, user %d:%d, time %d", h.Name, h.Mode, h.Uid, h.Gid, h.ModTime.Unix())
		}
	}
	want := []string{
		"CHANGELOG.md", "LICENSE", "README.md", "completions/_slipway", "completions/slipway.bash", "completions/slipway.fish",
		"completions/slipway.ps1", "licenses/std/LICENSE", "licenses/std/PATENTS", "man/slipway.1", "slipway",
	}
	if !slices.Equal(names, want) {
		t.Errorf("archive has %q, want %q", names, want)
	}
	out, err := exec.Command(bin, "x").Output()
	if err != nil || !bytes.Contains(out, []byte(" v1.2.3 ")) {
		t.Errorf("the program prints %q, %v, want version v1.2.3", out, err)
	}
}

// checkSBOMs checks that both SBOMs can be read, and that the program depends on the standard
// library.
func checkSBOMs(t *testing.T, spdxText, cdxText string) {
	t.Helper()
	doc, err := spdxjson.Read(strings.NewReader(spdxText))
	if err != nil {
		t.Fatal(err)
	}
	names := map[common.ElementID]string{"DOCUMENT": "DOCUMENT"}
	for _, p := range doc.Packages {
		names[p.PackageSPDXIdentifier] = p.PackageName
	}
	var relations []string
	for _, r := range doc.Relationships {
		relations = append(relations, names[r.RefA.ElementRefID]+" "+r.Relationship+" "+names[r.RefB.ElementRefID])
	}
	want := []string{"DOCUMENT DESCRIBES tiny", "tiny DEPENDS_ON std"}
	if !slices.Equal(relations, want) || len(doc.Packages) != 2 || len(doc.Packages[0].PackageChecksums) != 1 {
		t.Errorf("SPDX: relationships %q, want %q:\n%s", relations, want, spdxText)
	}
	bom := new(cdx.BOM)
	if err := cdx.NewBOMDecoder(strings.NewReader(cdxText), cdx.BOMFileFormatJSON).Decode(bom); err != nil {
		t.Fatal(err)
	}
	std := "pkg:golang/std@" + strings.TrimPrefix(runtime.Version(), "go")
	edges := *bom.Dependencies
	if len(*bom.Components) != 1 || (*bom.Components)[0].PackageURL != std || edges[0].Ref != "pkg:golang/tiny@1.2.3" || !slices.Equal(*edges[0].Dependencies, []string{std}) {
		t.Errorf("CycloneDX:\n%s", cdxText)
	}
	checkSchema(t, cdxText)
}

// checkSchema checks a CycloneDX SBOM with the published schema, which the library contains.
func checkSchema(t *testing.T, text string) {
	t.Helper()
	dir, err := checkout.Output(exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go"))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	for name, file := range map[string]string{
		"bom-1.6.schema.json": "bom-1.6.schema.json", "spdx.schema.json": "spdx.schema.json", "jsf-0.82.schema.json": "jsf-0.82.schemax.json",
	} {
		data, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "schema", file))
		if err != nil {
			t.Fatal(err)
		}
		schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource("http://cyclonedx.org/schema/"+name, schema); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := c.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	bom, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(bom); err != nil {
		t.Errorf("CycloneDX: %v", err)
	}
}

// TestRefused checks the errors of releases that cannot be made. Nothing is written.
func TestRefused(t *testing.T) {
	root := tinyRepository(t)
	refused := func(version, want string) {
		t.Helper()
		if _, err := openSource(t.Context(), root, version); err == nil || err.Error() != want {
			t.Errorf("version %q: error %v, want %s", version, err, want)
		}
	}
	refused("", "VERSION is not set (use make release VERSION=1.2.3)")
	for _, bad := range []string{"v1.2.3", "1.2", "1.2.3+x", "../1.2.3", "latest"} {
		refused(bad, fmt.Sprintf("VERSION %q: not a version (use MAJOR.MINOR.PATCH, such as 1.2.3 or 1.2.3-rc.1)", bad))
	}
	if _, err := openSource(t.Context(), root, "1.2.3-rc.1"); err != nil {
		t.Error(err)
	}
	writeFile(t, filepath.Join(root, "new.go"), "package x\n")
	refused("1.2.3", "the work tree differs from its commit: ?? new.go (commit, stash or remove the changes)")
	git(t, root, "tag", "v1.2.3")
	at, err := head(root)
	if err != nil {
		t.Fatal(err)
	}
	git(t, root, "add", ".")
	git(t, root, "commit", "-q", "-m", "new")
	now, err := head(root)
	if err != nil {
		t.Fatal(err)
	}
	refused("1.2.3", fmt.Sprintf("tag v1.2.3: exists at commit %.12s, but this is %.12s (check out the tag, or choose another version)", at, now))
	writeFile(t, filepath.Join(root, "dist", "1.2.4", "x"), "")
	refused("1.2.4", "dist/1.2.4: already exists (remove it to make the release again)")
	writeFile(t, filepath.Join(root, "go.mod"), "module tiny\n\ngo 1.99.1\n")
	refused("1.2.5", "wrong version of Go: "+runtime.Version()+", but go.mod says go1.99.1 (set GOTOOLCHAIN=go1.99.1)")
}

// TestFailed checks that a release that fails leaves nothing.
func TestFailed(t *testing.T) {
	root := tinyRepository(t)
	git(t, root, "rm", "-q", "LICENSE")
	git(t, root, "commit", "-q", "-m", "without a license")
	src, err := openSource(t.Context(), root, "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	r := &release{Source: src, targets: []target{{"linux", runtime.GOARCH, ""}}, log: io.Discard}
	if err := r.write(t.Context()); err == nil || !strings.HasSuffix(err.Error(), "module tiny: has no licence text") {
		t.Errorf("error %v", err)
	}
	if left := readDir(t, filepath.Join(root, "dist")); len(left) > 0 {
		t.Errorf("left in dist: %v", left)
	}
}

func TestSelectTargets(t *testing.T) {
	got, err := selectTargets("linux/arm/v7,windows/arm64")
	if err != nil || len(got) != 2 || got[0].fileName() != "linux_armv7" || got[1].program() != "slipway.exe" {
		t.Errorf("%v, %v", got, err)
	}
	if all, err := selectTargets(""); err != nil || len(all) != 10 {
		t.Errorf("%v, %v, want ten targets", all, err)
	}
	for list, want := range map[string]string{
		"linux/arm":               `unknown target "linux/arm" (use linux/amd64, linux/arm64, linux/arm/v7,`,
		"linux/amd64,linux/amd64": `target "linux/amd64" is given twice`,
	} {
		if _, err := selectTargets(list); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error %v, want %s…", list, err, want)
		}
	}
}
