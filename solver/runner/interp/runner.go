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

// Runner implements [runner.Runner] and [runner.Opener].
type Runner struct{ inprocess.Runner }

// New returns a runner that stores file content in store. now returns the time of
// written files.
func New(store *tree.Store, now func() time.Time) *Runner {
	return &Runner{inprocess.Runner{
		Store: store, Now: now, Exec: exec, Absent: absent, Sockets: unable("cannot connect processes to an SSH agent"),
	}}
}

// absent returns an error for paths in file systems that a kernel generates. /dev/null
// is supported without a file.
func absent(path string) error {
	for _, dir := range []string{"/proc/", "/sys/", "/dev/"} {
		if strings.HasPrefix(path, dir) {
			return unable("has no %s", path)
		}
	}
	return nil
}

// exec interprets a process.
func exec(ctx context.Context, f *inprocess.Files, p *runner.Process) (int, error) {
	if u := strings.SplitN(p.User, ":", 2)[0]; u != "" && u != "root" && u != "0" {
		return 0, unable("runs as root only, not as %s", p.User)
	}
	if p.Terminal {
		return 0, unable("has no terminals")
	}
	for i, m := range p.Mounts {
		if slices.ContainsFunc(p.Mounts[:i], func(o runner.Mount) bool { return sharesFiles(m, o) }) {
			return 0, unable("shows files of a cache at one place in a step, not at %s too", m.Target)
		}
	}
	arch := runtime.GOARCH
	if p.Platform.OS != "" {
		arch = p.Platform.Architecture
	}
	if p.Platform.OS != "" && p.Platform.OS != "linux" {
		return 0, unable("interprets steps of Linux, not of %s", platforms.Format(p.Platform))
	}
	return (&process{Process: p, files: &files{Files: f, arch: arch}}).run(ctx)
}

// sharesFiles reports whether two mounts show the same files of a host directory. Each
// would have its own copy.
func sharesFiles(a, b runner.Mount) bool {
	if a.Kind != runner.MountDir || b.Kind != runner.MountDir || a.HostPath != b.HostPath {
		return false
	}
	from, other := path.Join("/", a.Source, ".")+"/", path.Join("/", b.Source, ".")+"/"
	return from == "//" || other == "//" || strings.HasPrefix(from, other) || strings.HasPrefix(other, from)
}

// unable returns an error for an operation that this runner does not support.
func unable(format string, args ...any) error {
	return fmt.Errorf("the portable runner "+format+"; on Linux with namespaces there is a runner for all", args...)
}
