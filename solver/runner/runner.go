// Package runner runs the processes of a build.
//
// A [Runner] gets a [Process] with all that it sees, file trees above all, and
// returns the trees that it may have changed. How it keeps the process away from
// the host is its own business: see the runners in the packages below.
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

// Runner runs processes. It is used from several goroutines.
type Runner interface {
	// Run runs a process to its end. It returns a tree for each mount with
	// Output set, nil for the others. A process that fails is an *ExitError;
	// what the runner cannot do is an error before anything runs.
	Run(ctx context.Context, p *Process) ([]*tree.Node, error)
}

// Opener is a runner of which several processes can share what they see, as in
// the containers that frontends start.
type Opener interface {
	Runner
	// Open prepares what processes see. It is there until the container is
	// closed or ctx is done.
	Open(ctx context.Context, s *Sandbox) (Container, error)
}

// Container is what processes share. It is used from several goroutines.
type Container interface {
	// Start starts a process; its own Sandbox does not count. The others end
	// when the first one does, and none can be started any more. What the
	// runner cannot do is an error here or, if only starting it tells, in Wait.
	Start(p *Process) (Running, error)
	// Tree returns a file system, by its number in the sandbox, as it is now.
	Tree(mount int) (*tree.Node, error)
	// Close ends all processes, waits for them and removes what is left.
	Close() error
}

// Running is a process that was started. It is used from several goroutines.
type Running interface {
	// Wait waits for the end of the process; one that fails is an *ExitError.
	// It returns the same to all who call it.
	Wait() error
	// Signal sends a signal to the process; none if it has ended.
	Signal(sig syscall.Signal) error
	// Resize tells the process how large its terminal is, in characters.
	Resize(rows, cols uint16) error
}

// Sandbox is what a process sees.
type Sandbox struct {
	Platform ocispecs.Platform // of the programs; without an OS that of this machine
	Hostname string            // "" leaves the choice to the runner
	Hosts    []Host
	Network  Network
	// Mounts are the file systems, the root (Target "/") among them. A mount
	// comes after those that it is in.
	Mounts []Mount
	// KeepMountParents leaves directories in the root that were made for the
	// targets of mounts to be in. The targets themselves are always removed.
	KeepMountParents bool
	Resources        Resources
}

// Resources are the limits of all processes of a sandbox together. Zero and "" are no
// limit.
type Resources struct {
	Memory     int64  // bytes
	MemorySwap int64  // bytes of memory and swap; -1 is no limit
	CPUShares  uint64 // weight
	CPUPeriod  uint64 // microseconds
	CPUQuota   int64  // microseconds of processor time in each period
	CPUSetCPUs string // processors, such as 0-3,5
	CPUSetMems string // memory nodes
}

// Process is a process and what it sees.
type Process struct {
	Sandbox
	Args     []string
	Env      []string // K=V; later ones win
	Dir      string   // absolute; made if it is missing
	User     string   // name or number, with or without :group, as in the files of the root; "" is 0:0
	Ulimits  []Ulimit
	Insecure bool // with all privileges

	ExitCodes      []int // that are no failure; none is 0 alone
	Terminal       bool  // Stdin and Stdout are one
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Host is a line of /etc/hosts.
type Host struct{ Name, IP string }

// Ulimit is a resource limit.
type Ulimit struct {
	Name       string
	Soft, Hard int64
}

// Network is the network that a process sees.
type Network uint8

// The networks.
const (
	NetworkDefault Network = iota
	NetworkNone            // loopback alone
	NetworkHost
)

// MountKind is what a mount shows.
type MountKind uint8

// The kinds of mounts.
const (
	MountTree   MountKind = iota + 1 // Layers
	MountDir                         // a directory of the host: HostPath
	MountTmpfs                       // an empty tree in memory
	MountFile                        // a file with Data
	MountSocket                      // a socket whose connections Serve answers
)

// Mount is a file system that a process sees.
type Mount struct {
	Kind     MountKind
	Target   string // absolute
	Layers   []tree.Layer
	Tree     *tree.Node // what the layers make
	Source   string     // path in the tree or directory that is mounted; "" and "/" are all of it
	ReadOnly bool
	Output   bool // return the tree as the process leaves it
	HostPath string
	Data     []byte
	// Serve answers a connection to a MountSocket and returns when the process
	// closes it or ctx is done. The runner closes conn afterwards.
	Serve    func(ctx context.Context, conn net.Conn)
	Size     int64  // of MountTmpfs in bytes; 0 is no limit
	UID, GID uint32 // of MountFile and MountSocket
	Mode     uint32
}

// Base returns the tree as processes find it.
//
// Upstream: the root of a tree that can be changed has mode 0755, whatever it had in
// the snapshot below.
func (m *Mount) Base() *tree.Node {
	if m.ReadOnly && m.Target != "/" {
		return m.Tree
	}
	meta := m.Tree.Meta()
	meta.Mode = 0o755
	return m.Tree.WithMeta(meta)
}

// Resolve returns what the mount shows of a tree, and its path there. If it does not
// exist, the error is a [*SourceError]. in is the tree of the mount, or a version of it.
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
	Root   *tree.Node // the mounted tree; nil if it was a directory of the host
}

func (e *SourceError) Error() string { return e.Source + " does not exist in what is mounted" }

// ExitError is the failure of a process.
type ExitError struct {
	Args []string
	Code int // exit code; 128 and the signal if one ended it
	// Trees are the file trees as the process left them, by mount, those without
	// Output among them; nil if nobody knows.
	Trees []*tree.Node
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("process %q did not complete successfully: exit code: %d", strings.Join(e.Args, " "), e.Code)
}

// Root returns the index of the root among the mounts; -1 if there is none.
func (s *Sandbox) Root() int {
	for i := range s.Mounts {
		if s.Mounts[i].Target == "/" {
			return i
		}
	}
	return -1
}

// Exit returns the error of a process that ended with that code.
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
