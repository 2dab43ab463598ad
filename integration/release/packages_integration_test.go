//go:build integration

package main

import (
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"slipway/integration/toolbox"
)

// TestPackages makes the packages of a release twice, with different umasks. It installs the
// Debian package into a directory, runs the program and removes the package.
func TestPackages(t *testing.T) {
	nfpm, err := toolbox.Path(t.Context(), os.Stderr, "nfpm")
	if err != nil {
		t.Fatal(err)
	}
	first := tinyRepository(t)
	second := filepath.Join(t.TempDir(), "clone")
	git(t, first, "clone", "-q", first, second)
	var releases []map[string]string
	for i, root := range []string{first, second} {
		old := syscall.Umask([]int{0o022, 0o077}[i])
		src, err := openSource(t.Context(), root, "1.2.3-rc.1")
		if err != nil {
			t.Fatal(err)
		}
		r := &release{Source: src, targets: []target{{"linux", runtime.GOARCH, ""}}, nfpm: nfpm, log: io.Discard}
		err = r.write(t.Context())
		syscall.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		releases = append(releases, readDir(t, r.dist()))
	}
	if releases[0]["SHA256SUMS"] != releases[1]["SHA256SUMS"] {
		t.Errorf("the packages differ:\n%s\n%s", releases[0]["SHA256SUMS"], releases[1]["SHA256SUMS"])
	}
	base := filepath.Join(first, "dist", "1.2.3-rc.1", "slipway_1.2.3-rc.1_linux_"+runtime.GOARCH)
	for _, ext := range []string{".deb", ".rpm", ".apk"} {
		if info, err := os.Stat(base + ext); err != nil || info.Size() < 100<<10 {
			t.Errorf("%s: %v, %v", ext, info, err)
		}
	}
	checkInstalled(t, base+".deb")
}

// checkInstalled installs a Debian package into a directory, uses it and removes it.
func checkInstalled(t *testing.T, deb string) {
	t.Helper()
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "var/lib/dpkg/status"), "")
	for _, dir := range []string{"info", "updates", "triggers"} {
		if err := os.MkdirAll(filepath.Join(root, "var/lib/dpkg", dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dpkg := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("dpkg", append([]string{"--root=" + root, "--force-script-chrootless", "--log=/dev/null"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("dpkg %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	dpkg("--install", deb)
	if status := dpkg("--status", "slipway"); !strings.Contains(status, "\nVersion: 1.2.3~rc.1-1\n") || !strings.Contains(status, "\nStatus: install ok installed\n") {
		t.Errorf("status:\n%s", status)
	}
	out, err := exec.Command(filepath.Join(root, "usr/bin/slipway"), "x").Output()
	if err != nil || !strings.Contains(string(out), " v1.2.3-rc.1 ") {
		t.Errorf("the program prints %q, %v, want its version", out, err)
	}
	want := []string{
		"usr/bin/slipway", "usr/share/bash-completion/completions/slipway", "usr/share/doc/slipway/CHANGELOG.md",
		"usr/share/doc/slipway/README.md", "usr/share/doc/slipway/copyright", "usr/share/fish/vendor_completions.d/slipway.fish",
		"usr/share/licenses/slipway/std/LICENSE", "usr/share/licenses/slipway/std/PATENTS", "usr/share/man/man1/slipway.1.gz",
		"usr/share/zsh/vendor-completions/_slipway",
	}
	if got := installedFiles(t, root); !slices.Equal(got, want) {
		t.Errorf("installed %q, want %q", got, want)
	}
	dpkg("--purge", "slipway")
	if left := installedFiles(t, root); left != nil {
		t.Errorf("left after removal: %q", left)
	}
}

// installedFiles returns the files below usr in root, sorted.
func installedFiles(t *testing.T, root string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(filepath.Join(root, "usr"), func(path string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err == nil && !d.IsDir() {
			files = append(files, strings.TrimPrefix(path, root+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
