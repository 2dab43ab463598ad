// Package runner runs the processes of a build.
//
// A [Runner] receives a [Process] with everything it can see, mainly file trees, and
// returns the trees that the process may have changed. The packages below contain
// runners, which isolate processes from the host in different ways.
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

// Runner runs processes. Safe for concurrent use.
type Runner interface {
	// Run runs a process to its end. It returns a tree for each mount with Output set,
	// and nil for the others. If the process fails, the error is an *ExitError.
	// Features that the runner does not support are errors before anything runs.
	Run(ctx context.Context, p *Process) ([]*tree.Node, error)
}

// Opener is a runner that supports several processes in one sandbox, as in the
// containers that frontends start.
type Opener interface {
	Runner
	// Open prepares a sandbox. It exists until the container is closed or ctx is done.
	Open(ctx context.Context, s *Sandbox) (Container, error)
}

// Container is a sandbox shared by processes. Safe for concurrent use.
type Container interface {
	// Start starts a process, whose own Sandbox is ignored. When the first process
	// ends, the others are killed and no process can be started any more. Unsupported
	// features are errors here or, if they are detected later, in Wait.
	Start(p *Process) (Running, error)
	// Tree returns the current state of the file system with this index in
	// Sandbox.Mounts.
	Tree(mount int) (*tree.Node, error)
	// Close kills all processes, waits for them and removes temporary files.
	Close() error
}

// Running is a started process. Safe for concurrent use.
type Running interface {
	// Wait waits for the end of the process. If the process fails, the error is an
	// *ExitError. All callers get the same result.
	Wait() error
	// Signal sends a signal to the process. It does nothing if the process has ended.
	Signal(sig syscall.Signal) error
	// Resize sets the size of the process's terminal, in characters.
	Resize(rows, cols uint16) error
}

// Sandbox is the environment that processes see.
type Sandbox struct {
	Platform ocispecs.Platform // of the programs; if OS is "", the platform of this machine
	Hostname string            // if "", the runner chooses
	Hosts    []Host
	Network  Network
	// Mounts are the file systems, including the root (Target "/"). A mount follows the
	// mounts that contain its target.
	Mounts []Mount
	// KeepMountParents keeps directories in the root that were created as parents of
	// mount points. The mount points themselves are always removed.
	KeepMountParents bool
	Resources        Resources
}

// Resources are limits for all processes of a sandbox together. If a field is zero or
// "", there is no limit.
type Resources struct {
	Memory     int64  // bytes
	MemorySwap int64  // bytes of memory and swap; -1 is no limit
	CPUShares  uint64 // relative weight
	CPUPeriod  uint64 // microseconds
	CPUQuota   int64  // microseconds of CPU time per period
	CPUSetCPUs string // list of CPUs, such as 0-3,5
	CPUSetMems string // list of memory nodes
}

// Process is a process with its sandbox.
type Process struct {
	Sandbox
	Args     []string
	Env      []string // K=V; later ones take precedence
	Dir      string   // absolute; created if it does not exist
	User     string   // name or number, with or without :group, according to /etc in the root; "" is 0:0
	Ulimits  []Ulimit
	Insecure bool // with all privileges

	ExitCodes      []int // codes that mean success; if empty, only 0
	Terminal       bool  // Stdin and Stdout are a terminal
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Host is an entry of /etc/hosts.
type Host struct{ Name, IP string }

// Ulimit is a resource limit.
type Ulimit struct {
	Name       string
	Soft, Hard int64
}

// Network is the network mode of a sandbox.
type Network uint8

// Network modes.
const (
	NetworkDefault Network = iota
	NetworkNone            // only a loopback device
	NetworkHost
)

// MountKind is the kind of a mount.
type MountKind uint8

// Kinds of mounts.
const (
	MountTree   MountKind = iota + 1 // Layers
	MountDir                         // a directory of the host: HostPath
	MountTmpfs                       // an empty tree in memory
	MountFile                        // an empty file system in memory
	MountSocket                      // a socket whose connections Serve answers
)

// Mount is a mount in a sandbox.
type Mount struct {
	Kind     MountKind
	Target   string // absolute
	Layers   []tree.Layer
	Tree     *tree.Node // the result of the layers
	Source   string     // path in the tree or directory; "" and "/" are the root
	ReadOnly bool
	Output   bool // return the tree after the process has ended
	HostPath string
	Data     []byte
	// Serve handles a connection to a MountSocket. It returns when the process closes
	// the connection or ctx is done. The runner closes conn afterwards.
	Serve    func(ctx context.Context, conn net.Conn)
	Size     int64  // of MountTmpfs in bytes; 0 is no limit
	UID, GID uint32 // of MountFile and MountSocket
	Mode     uint32
}

// Base returns the tree as processes first see it.
//
// Upstream: the root of a writable tree has mode 0755, regardless of its mode in the
// snapshot.
func (m *Mount) Base() *tree.Node {
	if m.ReadOnly && m.Target != "/" {
		return m.Tree
	}
	meta := m.Tree.Meta()
	meta.Mode = 0o755
	return m.Tree.WithMeta(meta)
}

// Resolve resolves the source of the mount in a tree and returns its path and node. in
// is the tree of the mount, or a version of it. If the source does not exist, the error
// is a [*SourceError].
func (m *Mount) Resolve(in *tree.Node) (at string, n *tree.Node, err error) {
	if at, err = in.Resolve(m.Source, true); err != nil {
		return "", nil, err
	}
	if n = in.Get(at); n == nil {
		return "", nil, &SourceError{Source: m.Source, Root: in}
	}
	return at, n, nil
}

// SourceError reports that the source of a mount does not exist.
type SourceError struct {
	Source string     // path in the mounted tree
	Root   *tree.Node // the mounted tree; nil for a directory of the host
}

func (e *SourceError) Error() string { return e.Source + " does not exist in what is mounted" }

// ExitError is the failure of a process.
type ExitError struct {
	Args []string
	Code int // exit code; 128 plus the signal number if a signal ended the process
	// Trees are the file trees when the process ended, by mount, including mounts
	// without Output. It is nil if they are unknown.
	Trees []*tree.Node
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("process %q did not complete successfully: exit code: %d", strings.Join(e.Args, " "), e.Code)
}

// Root returns the index of the root mount, or -1 if it does not exist.
func (s *Sandbox) Root() int {
	for i := range s.Mounts {
		if s.Mounts[i].Target == "/" {
			return i
		}
	}
	return -1
}

// Exit returns the error for a process with this exit code, or nil.
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
