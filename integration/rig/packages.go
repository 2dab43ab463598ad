package rig

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"slipway/integration/baseimage"
)

// A program is an executable, with the name of the Debian package that contains it.
type program struct{ path, pkg string }

func programs() []program {
	return []program{
		{"runc", "runc"}, // buildkitd starts steps with it
		{baseimage.Busybox, "busybox-static"},
	}
}

// extraPrograms returns the programs that only some tests need. The path of docker is absolute,
// because another docker may precede Debian's in PATH.
func extraPrograms() []program {
	return []program{
		{"containerd", "containerd"},
		{Docker, "docker.io"},
		{"dockerd", "docker.io"},
		{"git", "git"},
		{"buildah", "buildah"},
		{"podman", "podman"},
		{"crun", "crun"},
		{"debootstrap", "debootstrap"},
		{"newuidmap", "uidmap"},
		{Chromium, "chromium"},
		{"nvim", "neovim"},
		{"shellcheck", "shellcheck"},
		{"pre-commit", "pre-commit"},
		{"node", "nodejs"},
		{"npm", "npm"},
	}
}

// Chromium is the name of Debian's Chromium, a web browser.
const Chromium = "chromium"

// Docker is the path of Debian's Docker client.
const Docker = "/usr/bin/docker"

// EnsurePackages installs missing Debian packages: the packages that a builder and its base
// images need, and the packages in extra. Installing requires apt-get and root. If one of these
// requirements is not met, the error names the packages to install.
func EnsurePackages(ctx context.Context, log io.Writer, extra ...string) error {
	missing := missingPackages(extra)
	if len(missing) == 0 {
		return nil
	}
	names := strings.Join(missing, " ")
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return fmt.Errorf("missing: %s (install them with your package manager, as root)", names)
	}
	fmt.Fprintf(log, "installing %s\n", names)
	if err := install(ctx, missing); err != nil {
		return err
	}
	if missing := missingPackages(extra); len(missing) > 0 {
		return fmt.Errorf("still missing after apt-get install: %s", strings.Join(missing, " "))
	}
	return nil
}

// install runs apt-get. Packages of tests run at the same time, but apt-get fails while another
// one is running, so that a lock on a file lets them wait for each other.
func install(ctx context.Context, packages []string) error {
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), "slipway-apt-get.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close() // unlocks, too
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	for _, args := range [][]string{
		{"update", "-qq"},
		append([]string{"install", "-y", "-qq", "--no-install-recommends"}, packages...),
	} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

func missingPackages(extra []string) []string {
	needed := programs()
	for _, p := range extraPrograms() {
		if slices.Contains(extra, p.pkg) {
			needed = append(needed, p)
		}
	}
	var missing []string
	for _, p := range needed {
		if _, err := exec.LookPath(p.path); err != nil && !slices.Contains(missing, p.pkg) {
			missing = append(missing, p.pkg)
		}
	}
	return missing
}
