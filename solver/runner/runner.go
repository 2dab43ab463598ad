// Package runner defines how the processes of a build are run.
//
// A [Runner] receives a [Process] together with everything that the process can see,
// mainly file trees. It returns the trees that the process may have changed. The
// packages in subdirectories implement runners, which isolate processes from the host
// in different ways.
package runner

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/tree"
)

// Runner runs the processes of RUN steps. Safe for concurrent use.
type Runner interface {
	// Run runs a process to its end. It returns a tree for each mount with Output set,
	// and nil for the others. If the process fails, the error is an *ExitError.
	// Features that the runner does not support are errors before anything runs.
	Run(ctx context.Context, p *Process) ([]*tree.Node, error)
}

// Keyed is implemented by runners whose steps may have other results than processes in an
// ordinary container. A process in an ordinary container can use all user IDs and has the
// default privileges.
type Keyed interface {
	Runner
	// CacheKey returns "" if steps have the same results as processes in an ordinary container.
	// Otherwise, it returns a text that identifies how steps are run. The cache keys of steps
	// include this text, so that builds with another runner do not use their results.
	CacheKey(ctx context.Context) (string, error)
}

// Preparer is a runner that can prepare the mounts of a sandbox before a process runs.
// Preparing them may take long.
type Preparer interface {
	Runner
	// Prepare writes the trees of s.Mounts to the host, so that Run need not do it. Of each
	// mount, only Kind and Layers must be set. If Prepare writes a layer, it reports progress
	// (package track) with the ID of LayerRef.Upper as the status ID. Prepare returns no
	// error: if it fails, Run tries again and returns the error.
	Prepare(ctx context.Context, s *Sandbox)
}

// Opener is a runner that can also run several processes in one sandbox, as needed for
// the containers that a frontend starts through the gateway API.
type Opener interface {
	Runner
	// Open prepares a sandbox. It exists until the container is closed or ctx is done.
	Open(ctx context.Context, s *Sandbox) (Container, error)
}

// Container is a sandbox that several processes share. Safe for concurrent use.
type Container interface {
	// Start starts p and ignores p.Sandbox. When the first process of the container ends, the
	// others are killed, and later calls of Start fail. The error for an unsupported feature
	// is returned by Start or, if it is detected later, by Wait.
	Start(p *Process) (Running, error)
	// Tree returns the current tree of Sandbox.Mounts[mount].
	Tree(mount int) (*tree.Node, error)
	// Close kills all processes, waits for them and removes temporary files.
	Close() error
}

// Running is a process started in a [Container]. Safe for concurrent use.
type Running interface {
	// Wait waits for the end of the process. If the process fails, the error is an
	// *ExitError. All callers get the same result.
	Wait() error
	// Signal sends a signal to the process. It does nothing if the process has ended.
	Signal(sig syscall.Signal) error
	// Resize sets the size of the process's terminal, in characters.
	Resize(rows, cols uint16) error
}

// Sandbox configures the environment of processes: platform, host names, network,
// mounts and resource limits.
type Sandbox struct {
	Platform ocispecs.Platform // platform of the programs; if OS is "", the platform of this machine
	Hostname string            // if "", the runner chooses
	Hosts    []Host            // extra entries of /etc/hosts
	Network  Network
	// Mounts are the file systems, including the root (Target "/"). A mount below the
	// target of another one comes later in the list.
	Mounts []Mount
	// KeepMountParents keeps directories in the root that were created as parents of
	// mount points. The mount points themselves are always removed.
	KeepMountParents bool
	Resources        Resources
	// Devices are additional device files. Every process can use the standard ones, such as
	// /dev/null. Processes may open the additional files even if a device filter applies.
	Devices []Device
	// Measure is called before the first process starts, if it is not nil. The directory group is
	// a version 2 control group that contains the processes of this sandbox and no others. The
	// runner calls end after the last process, while the group still exists. Runners without such
	// groups do not call Measure.
	Measure func(group string) (end func())
}

// Device is a device file of the host that processes see.
type Device struct {
	Path         string // absolute
	HostPath     string // path of the device file on the host
	Block        bool   // a block device, not a character device
	Major, Minor uint32
	Access       string // allowed kinds of access, of r (read), w (write) and m (mknod)
	Mode         uint32 // permission bits
	UID, GID     uint32
}

// Resources are limits for all processes of a sandbox together. If a field is zero or
// "", there is no limit.
type Resources struct {
	Memory     int64  // bytes
	MemorySwap int64  // bytes of memory and swap together; -1 is no limit
	CPUShares  uint64 // weight relative to other groups; the kernel's default is 1024
	CPUPeriod  uint64 // microseconds
	CPUQuota   int64  // microseconds of CPU time per period
	CPUSetCPUs string // list of CPUs, such as 0-3,5
	CPUSetMems string // list of memory nodes, such as 0,1
}

// Process configures a process and its sandbox.
type Process struct {
	Sandbox
	Args     []string
	Env      []string // K=V; if a key is duplicate, the last entry counts
	Dir      string   // absolute; created if it does not exist
	User     string   // name or number, with or without :group, according to /etc in the root; "" is 0:0
	Groups   []uint32 // supplementary groups, in addition to the groups of User
	Ulimits  []Ulimit
	Insecure bool // all privileges of the builder (RUN --security=insecure)

	ExitCodes      []int // exit codes of a successful process; if empty, only 0
	Terminal       bool  // run the process on a terminal, connected to Stdin and Stdout
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Host is an entry of /etc/hosts: a host name and its IP address.
type Host struct{ Name, IP string }

// Ulimit is a resource limit of a process (setrlimit). Name is the name that Docker
// uses, such as nofile.
type Ulimit struct {
	Name       string
	Soft, Hard int64
}

// Network is the network mode of a sandbox. The zero value is [NetworkDefault].
type Network uint8

// These are the network modes of a sandbox. NetworkHost has the same effect as
// NetworkDefault.
const (
	NetworkDefault Network = iota // the network of the host
	NetworkNone                   // only a loopback device
	NetworkHost
)

// MountKind specifies what is mounted, such as a file tree or a tmpfs.
type MountKind uint8

// These are the kinds of mounts. The zero value is invalid.
const (
	MountTree   MountKind = iota + 1 // a file tree: Layers, Tree
	MountDir                         // a directory of the host: HostPath
	MountTmpfs                       // an empty file system in memory
	MountFile                        // a read-only file with the content Data, such as a secret
	MountSocket                      // a socket whose connections Serve answers
)

// Mount describes what processes see at a path, depending on its kind: a file tree, a
// directory of the host, a tmpfs, a file or a socket.
type Mount struct {
	Kind     MountKind
	Target   string          // absolute
	Layers   []tree.LayerRef // lowest first
	Tree     *tree.Node      // the file tree that results from Layers
	Source   string          // mounted path in Tree or HostPath; "" and "/" are the root
	ReadOnly bool
	Output   bool   // return the tree of the mount when the process has ended
	HostPath string // for MountDir: path of the directory of the host
	Data     []byte // for MountFile: content of the file
	// Serve handles a connection to a MountSocket. It returns when the process closes
	// the connection or ctx is done. The runner closes conn afterwards.
	Serve    func(ctx context.Context, conn net.Conn)
	Size     int64  // for MountTmpfs: size in bytes; 0 is no limit
	UID, GID uint32 // for MountFile and MountSocket: owner
	Mode     uint32
}

// Base returns the tree that processes see at the mount before they change it.
//
// Upstream: the root of a writable tree has mode 0755, regardless of its mode in the snapshot.
func (m *Mount) Base() *tree.Node {
	if m.ReadOnly && m.Target != "/" {
		return m.Tree
	}
	meta := m.Tree.Meta()
	meta.Mode = 0o755
	return m.Tree.WithMeta(meta)
}

// Resolve finds the source of the mount in a tree, following links. It returns the path of the
// source without links, and its node. The parameter root is m.Tree or a later version of that
// tree. If the source does not exist, the error is a [*SourceError].
func (m *Mount) Resolve(root *tree.Node) (at string, n *tree.Node, err error) {
	if at, err = root.Resolve(m.Source, true); err != nil {
		return "", nil, err
	}
	if n, err = root.Get(at); err != nil {
		return "", nil, err
	}
	if n == nil {
		return "", nil, &SourceError{Source: m.Source, Root: root}
	}
	return at, n, nil
}

// SourceError reports that the source of a mount does not exist.
type SourceError struct {
	Source string     // path in the mounted tree
	Root   *tree.Node // the mounted tree; nil for a directory of the host
}

func (e *SourceError) Error() string { return e.Source + " does not exist in what is mounted" }

// ExitError reports that a process ended with an exit code that does not mean success.
type ExitError struct {
	Args []string // command line of the process
	Code int      // exit code; 128 plus the signal number if a signal ended the process
	// Trees contains the file trees when the process ended, by index of the mount. It
	// includes mounts without Output, and is nil if the trees are unknown.
	Trees []*tree.Node
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("process %q did not complete successfully: exit code: %d", strings.Join(e.Args, " "), e.Code)
}

// Root returns the index of the mount at "/" in s.Mounts, or -1 if no such mount
// exists.
func (s *Sandbox) Root() int {
	for i := range s.Mounts {
		if s.Mounts[i].Target == "/" {
			return i
		}
	}
	return -1
}

// Exit returns nil if code means success for p, and an [*ExitError] otherwise.
func (p *Process) Exit(code int) error {
	if len(p.ExitCodes) == 0 && code == 0 {
		return nil
	}
	for _, ok := range p.ExitCodes {
		if ok == code {
			return nil
		}
	}
	return &ExitError{Args: p.Args, Code: code}
}
