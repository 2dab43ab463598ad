package interp

import (
	"context"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/containerd/platforms"

	"slipway/solver/runner"
	"slipway/solver/runner/inprocess"
	"slipway/solver/tree"
)

// Runner implements [runner.Runner] and [runner.Opener] by interpreting shell scripts.
// Safe for concurrent use.
type Runner struct{ inprocess.Runner }

var _ runner.Keyed = (*Runner)(nil)

// New returns a runner that stores file content in the given store. The function now
// returns the current time, which becomes the modification time of written files.
func New(store *tree.Store, now func() time.Time) *Runner {
	return &Runner{inprocess.Runner{
		Store: store, Now: now, Exec: exec, CheckPath: checkPath, Sockets: unsupportedf("does not support SSH agents"),
	}}
}

// CacheKey implements [runner.Keyed]. It must be changed if scripts can have other results
// than in an earlier version of this package.
func (*Runner) CacheKey(context.Context) (string, error) { return "interpreted 1", nil }

// checkPath returns an error for a path in /proc, /sys or /dev, because the content of
// files that a kernel generates is unknown. The callers support /dev/null themselves.
func checkPath(path string) error {
	for _, dir := range []string{"/proc/", "/sys/", "/dev/"} {
		if strings.HasPrefix(path, dir) {
			return unsupportedf("does not provide %s", path)
		}
	}
	return nil
}

// exec interprets a process and returns its exit code. It implements
// [inprocess.Runner].Exec.
func exec(ctx context.Context, f *inprocess.Files, p *runner.Process) (int, error) {
	if u := strings.SplitN(p.User, ":", 2)[0]; u != "" && u != "root" && u != "0" {
		return 0, unsupportedf("runs as root only, not as %s", p.User)
	}
	if p.Terminal {
		return 0, unsupportedf("does not support terminals")
	}
	if len(p.Devices) > 0 {
		return 0, unsupportedf("does not provide the device %s", p.Devices[0].Path)
	}
	for i, m := range p.Mounts {
		if slices.ContainsFunc(p.Mounts[:i], func(o runner.Mount) bool { return sharesFiles(m, o) }) {
			return 0, unsupportedf("mounts each directory of a cache at one path of a step, not at %s too", m.Target)
		}
	}
	arch := runtime.GOARCH
	if p.Platform.OS != "" {
		arch = p.Platform.Architecture
	}
	if p.Platform.OS != "" && p.Platform.OS != "linux" {
		return 0, unsupportedf("interprets Linux steps only, not %s", platforms.Format(p.Platform))
	}
	return (&process{Process: p, files: &files{Files: f, arch: arch}}).run(ctx)
}

// sharesFiles reports whether two mounts from a host directory have files in common. This
// runner copies the files for each mount, so a change in one mount would not appear in the
// other mount.
func sharesFiles(a, b runner.Mount) bool {
	if a.Kind != runner.MountDir || b.Kind != runner.MountDir || a.HostPath != b.HostPath {
		return false
	}
	from, other := path.Join("/", a.Source, ".")+"/", path.Join("/", b.Source, ".")+"/"
	return from == "//" || other == "//" || strings.HasPrefix(from, other) || strings.HasPrefix(other, from)
}

// unsupportedf returns an error for an operation that this runner does not support. The
// formatted text follows the name of the runner, as in "does not support hard links".
func unsupportedf(format string, args ...any) error {
	return fmt.Errorf("the portable runner "+format+" (use --runner namespace on Linux)", args...)
}
