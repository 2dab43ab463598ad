package plan

import (
	"os"
	"time"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/source"
)

// Step is a change of the file system: *Exec, *Copy or *Mkdir.
//
//sumtype:decl
type Step interface {
	// Info returns the part that all steps have.
	Info() *StepInfo
	step()
}

// StepInfo is the part that all steps have.
type StepInfo struct {
	Name        string       // for progress: [stage i/n] TEXT
	Description string       // the instruction as written; "" where upstream has none
	Range       source.Range // the instruction's lines
	NoCache     bool
	text        string // Name without the part in brackets
}

// Info returns the step's common part.
func (i *StepInfo) Info() *StepInfo { return i }

// Exec runs a process.
type Exec struct {
	StepInfo
	Args     []string
	State    State   // environment, directory, user, platform
	Script   *Script // a heredoc with #!, nil without
	Mounts   []Mount // in the order of the flags
	Network  string  // --network if not default, else ""
	Security string  // "sandbox" or "insecure"
	Devices  []Device
}

// Script is a heredoc that runs as a program of its own.
type Script struct {
	Name     string // the file in ScriptDir
	Data     string
	Platform ocispecs.Platform
}

// ScriptDir is where a [Script] is mounted.
const ScriptDir = "/dev/pipes/"

// Device is a --device of RUN.
type Device struct {
	Name     string
	Optional bool
}

// MountType is the type of a --mount.
type MountType string

// The mount types.
const (
	MountBind   MountType = "bind"
	MountCache  MountType = "cache"
	MountTmpfs  MountType = "tmpfs"
	MountSecret MountType = "secret"
	MountSSH    MountType = "ssh"
)

// Mount is a --mount of RUN with its values.
type Mount struct {
	Type     MountType
	Tree     *Tree  // bind and cache: what is mounted; nil is scratch
	Source   string // path in it, absolute; "/" is all of it
	Target   string // absolute; for secrets "" if only Env is set; for ssh "" is the default
	ReadOnly bool
	Size     int64   // tmpfs: bytes, 0 is no limit
	ID       string  // cache (with namespace), secret, ssh ("" is the default agent)
	Sharing  string  // cache: "", "shared", "private" or "locked"
	Required bool    // secret, ssh
	Env      *string // secret: name of a variable instead of a file
	UID, GID *uint64
	Mode     *uint64
}

// HasOwner reports whether the owner or the mode of the mount is set.
func (m *Mount) HasOwner() bool { return m.UID != nil || m.GID != nil || m.Mode != nil }

// Tree is a file tree that steps read: a stage's result or, with a nil Stage,
// the main context.
type Tree struct{ Stage *Stage }

// Copy copies files into the stage.
type Copy struct {
	StepInfo
	LinkName string // progress name of the merge of --link
	Sources  []CopySource
	Dest     string // absolute, with its trailing slash
	Chown    string // "" without
	Chmod    *Chmod // nil without
	Exclude  []string
	Link     bool
	Platform ocispecs.Platform
}

// Chmod is the value of --chmod.
type Chmod struct {
	Mode     os.FileMode // if Symbolic is ""
	Symbolic string
}

// CopySource is a source of Copy: *CopyTree, *CopyInline, *CopyURL or *CopyGit.
//
//sumtype:decl
type CopySource interface{ copySource() }

// CopyTree copies from a tree.
type CopyTree struct {
	Tree     Tree
	Path     string   // absolute, may have wildcards
	Include  []string // --parents: patterns below Path
	Required []string // --parents: paths that must exist
	Unpack   bool
}

// CopyInline copies the text of a heredoc as a file.
type CopyInline struct {
	Name string // of the file that is made
	Path string // where it is copied from
	Data string
}

// CopyURL downloads a file.
type CopyURL struct {
	URL      string
	Filename string
	Checksum string // digest, "" without
	Unpack   bool
}

// CopyGit checks out a repository.
type CopyGit struct {
	Remote         string
	Ref            string
	SubDir         string
	Checksum       string
	KeepGitDir     bool
	SkipSubmodules bool
	FetchByCommit  bool
}

func (*CopyTree) copySource()   {}
func (*CopyInline) copySource() {}
func (*CopyURL) copySource()    {}
func (*CopyGit) copySource()    {}

// Mkdir makes the directory of WORKDIR.
type Mkdir struct {
	StepInfo
	Path     string
	Owner    string // USER; "" without
	Created  *time.Time
	Platform ocispecs.Platform
}

func (*Exec) step()  {}
func (*Copy) step()  {}
func (*Mkdir) step() {}
