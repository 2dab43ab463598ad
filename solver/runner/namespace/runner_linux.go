package namespace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/moby/sys/userns"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"slipway/solver/runner"
	"slipway/solver/runner/cgroup"
	"slipway/solver/runner/launch"
	"slipway/solver/runner/oci"
	"slipway/solver/tree"
)

// Runner implements [runner.Runner] and [runner.Opener] with Linux namespaces and
// overlays. Safe for concurrent use.
type Runner struct {
	store    *tree.Store
	dir      string // directory of the runner's data
	layers   string // directory that contains the directories of layers
	merged   merger // merges layers if a root has many
	oneOwner bool   // files on disk can belong to root only, see hasOneUser

	noDevices bool     // devices cannot be created, as in a user namespace
	copies    bool     // see Copies
	scratch   *scratch // contains dir; nil if dir is the runner's own directory
	readsAll  bool     // see readsAllFiles

	program program                // executed by init processes
	guard   guard                  // kills steps that outlive this process
	filter  func() ([]byte, error) // returns the seccomp filter
	connect func() connector       // returns the connector of steps; "" if they use the network of the machine

	groups        *cgroup.Set // control groups of steps
	writing       sync.Map    // locks of layer directories by path; see [Runner.layer]
	runtime       oci.Runtime // OCI runtime for the processes; if "", this program starts them
	userNamespace bool        // the runtime runs in a user namespace
}

var (
	_ runner.Opener   = (*Runner)(nil)
	_ runner.Preparer = (*Runner)(nil)
)

// CacheKey returns a text that cache keys of steps must include if this program runs the steps
// in namespaces, see [runner.Keyed]. The text is "", except in a user namespace that maps only
// root. In such a namespace, a step sees all files as files of root, regardless of the owners
// in the image.
func CacheKey() string {
	if hasOneUser() {
		return "one owner 1"
	}
	return ""
}

// bootID is a file that contains a new random UUID after each boot of the machine.
const bootID = "/proc/sys/kernel/random/boot_id"

// New returns a runner that stores its data in the directory dir: layers in the format of
// overlays, and the changes of running processes. Close releases the runner.
//
// The runner does not verify the content of layers. New therefore removes layers from before
// the last boot, because an unclean shutdown may have damaged them. Runners in different user
// namespaces use different subdirectories, because the owners and devices in their layers
// differ on disk, see layersName.
func New(dir string, store *tree.Store) (*Runner, error) {
	boot, err := os.ReadFile(bootID)
	if err != nil {
		return nil, err
	}
	r := &Runner{store: store, oneOwner: hasOneUser(), filter: sync.OnceValues(systemCalls), connect: sync.OnceValue(findConnector)}
	if dir, err = r.place(dir); err != nil {
		return nil, err
	}
	if r.noDevices, err = refusesDevices(filepath.Join(dir, "run")); err != nil {
		return nil, err
	}
	all, bootName := filepath.Join(dir, "layers"), strings.TrimSpace(string(boot))
	ids, err := mappedIDs()
	if err != nil {
		return nil, err
	}
	r.layers = filepath.Join(all, layersName(bootName, ids, r.noDevices))
	if err := os.MkdirAll(r.layers, 0o700); err != nil {
		return nil, err
	}
	r.program.dir = r.layers
	if r.readsAll, err = readsAllFiles(); err != nil {
		return nil, err
	}
	if err := r.placeGroups(""); err != nil {
		return nil, err
	}
	store.AddLayers(all)
	return r, r.removeOld(all, bootName)
}

// place sets r.dir, the directory of the runner's data, creates it and returns it. If home, the
// runner's own directory, cannot hold an overlay, the data is in a scratch directory. Without
// one, processes run in copies of their trees.
func (r *Runner) place(home string) (string, error) {
	r.dir = home
	if err := os.MkdirAll(home, 0o700); err != nil {
		return "", err
	}
	var err error
	if r.copies, err = refusesUpper(home); err != nil {
		return "", err
	}
	if r.copies {
		if r.scratch, err = openScratch(home); err != nil {
			return "", err
		}
	}
	if r.scratch != nil {
		r.dir, r.copies = r.scratch.dir, false
	}
	return r.dir, os.MkdirAll(filepath.Join(r.dir, "run"), 0o700)
}

// Scratch returns the path of the temporary directory that contains the layers of this runner,
// because its own directory cannot hold an overlay. It returns "" if no such directory exists.
func (r *Runner) Scratch() string {
	if r.scratch == nil {
		return ""
	}
	return r.scratch.dir
}

// layersName returns the name of the subdirectory in which a runner stores layers. Runners use
// different subdirectories if layers with equal trees would differ on disk. The parameter boot
// is the ID of the boot, ids is the result of mappedIDs, and noDevices is set if the runner
// cannot create devices.
func layersName(boot, ids string, noDevices bool) string {
	name := boot
	if ids != "" {
		name += "-" + digest.FromString(ids).Encoded()[:8]
	}
	if noDevices {
		name += "-no-devices"
	}
	return name
}

// mappedIDs returns the IDs that the user namespace of this process maps. Outside of user
// namespaces, it returns "".
func mappedIDs() (string, error) {
	if !userns.RunningInUserNS() {
		return "", nil
	}
	uids, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return "", err
	}
	gids, err := os.ReadFile("/proc/self/gid_map")
	return string(uids) + string(gids), err
}

// removeOld removes the layers of previous boots. The parameter all is the directory that
// contains the layers of all boots, and boot is the ID of the current boot. removeOld moves
// the content of files in the removed layers to the store.
func (r *Runner) removeOld(all, boot string) error {
	entries, err := os.ReadDir(all)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), boot) {
			continue
		}
		old := filepath.Join(all, e.Name())
		failed := r.store.TakeBack(old, nil)
		if failed == nil {
			failed = tree.RemoveAll(old)
		}
		err = errors.Join(err, failed)
	}
	return err
}

// NewOCI returns a runner that works like one from [New], except that an OCI runtime starts
// the processes.
func NewOCI(dir string, store *tree.Store, runtime oci.Runtime) (*Runner, error) {
	r, err := New(dir, store)
	if err != nil {
		return nil, err
	}
	r.runtime, r.userNamespace = runtime, userns.RunningInUserNS()
	return r, r.placeGroups("")
}

// refusesDevices reports whether the kernel forbids creating devices in a directory, as
// in a user namespace.
func refusesDevices(dir string) (bool, error) {
	temp, err := os.MkdirTemp(dir, "device-")
	if err != nil {
		return false, err
	}
	null := int(unix.Mkdev(1, 3)) // any device but 0:0, which every user may create
	err = unix.Mknod(filepath.Join(temp, "null"), unix.S_IFCHR|0o600, null)
	return errors.Is(err, unix.EPERM), os.RemoveAll(temp)
}

// Run implements [runner.Runner].
func (r *Runner) Run(ctx context.Context, p *runner.Process) (_ []*tree.Node, err error) {
	c, err := r.open(ctx, &p.Sandbox)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	first, err := c.start(p)
	if err != nil {
		return nil, err
	}
	if err := first.Wait(); err != nil {
		var exit *runner.ExitError
		if errors.As(err, &exit) {
			var treeErr error
			exit.Trees, treeErr = c.trees(false, func(m *runner.Mount) bool { return m.Kind == runner.MountTree })
			err = errors.Join(err, treeErr)
		}
		return nil, r.withDiskFull(err)
	}
	c.inUse = c.isInUse() // before the trees are read
	return c.trees(true, func(m *runner.Mount) bool { return m.Output })
}

// Close ends the guard process, which the first step started, and removes control
// groups and the scratch directory. Call it after the last step has ended.
func (r *Runner) Close() error {
	return errors.Join(r.guard.Close(), r.program.Close(), r.groups.Close(), r.scratch.close())
}

// minFree is the number of free bytes below which a file system counts as full.
// Programs usually fail before they have filled the last bytes.
const minFree = 64 << 10

// withDiskFull adds ENOSPC to err, the error of a failed process, if the runner's file system
// is full. Programs rarely report this as the reason of their failure.
func (r *Runner) withDiskFull(err error) error {
	var st unix.Statfs_t
	if unix.Statfs(r.dir, &st) == nil && st.Bavail*uint64(st.Bsize) < minFree {
		return fmt.Errorf("%w: %s: %w", err, r.dir, unix.ENOSPC)
	}
	return err
}

// Open implements [runner.Opener].
func (r *Runner) Open(ctx context.Context, s *runner.Sandbox) (runner.Container, error) {
	c, err := r.open(ctx, s)
	if err != nil {
		return nil, err // not c: a nil *container is not a nil interface
	}
	c.shared = true
	return c, nil
}

// open returns a container whose mounts and control groups are prepared. No process has
// been started in it yet.
func (r *Runner) open(ctx context.Context, s *runner.Sandbox) (*container, error) {
	if s.Root() < 0 {
		return nil, errors.New("the process has no root")
	}
	if err := launch.CheckPlatform(s.Platform); err != nil {
		return nil, err
	}
	guarded, err := r.guard.start(ctx)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(filepath.Join(r.dir, "run"), "")
	if err != nil {
		return nil, err
	}
	c := &container{r: r, box: s, outer: ctx, work: work, root: s.Mounts[s.Root()].Tree}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	ignore := context.AfterFunc(guarded, func() { c.cancel(context.Cause(guarded)) })
	c.stop = append(c.stop, func() { ignore() })
	if err = c.makeGroup(); err == nil {
		err = c.prepare()
	}
	if err != nil {
		if c.ctx.Err() != nil {
			err = context.Cause(c.ctx)
		}
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}
