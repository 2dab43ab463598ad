package plan

import (
	"os"
	"time"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/source"
)

// Step is a build step that changes the file system: *Exec, *Copy or *Mkdir.
//
//sumtype:decl
type Step interface {
	// Info returns the fields common to all steps.
	Info() *StepInfo
	step()
}

// StepInfo holds the fields that all steps have, such as the name in the progress output.
type StepInfo struct {
	Name        string       // progress name: [stage i/n] TEXT
	Number      int          // the i in Name
	Description string       // the instruction as written
	Range       source.Range // lines of the instruction
	NoCache     bool         // whether the step bypasses the cache
	text        string       // Name without the bracketed part
}

// Info implements Step.
func (i *StepInfo) Info() *StepInfo { return i }

// Exec is the step of RUN, which runs a process.
type Exec struct {
	StepInfo
	Args     []string
	State    State   // environment, directory, user, platform
	Script   *Script // heredoc that starts with #! and runs as a program; nil if absent
	Mounts   []Mount // in the order of the flags
	Network  string  // value of --network; "" for the default
	Security string  // "sandbox" or "insecure"
	Devices  []Device
}

// Script is a heredoc that starts with #! and runs as a program.
type Script struct {
	Name     string // name of the script's file in ScriptDir
	Data     string
	Platform ocispecs.Platform
}

// ScriptDir is the directory in which a [Script] is mounted.
const ScriptDir = "/dev/pipes/"

// Device is a CDI device that --device of RUN requests.
type Device struct {
	Name     string
	Optional bool
}

// MountType is the value of type= in a --mount flag of RUN.
type MountType string

// The types of mounts, as written in --mount=type=TYPE.
const (
	MountBind   MountType = "bind"
	MountCache  MountType = "cache"
	MountTmpfs  MountType = "tmpfs"
	MountSecret MountType = "secret"
	MountSSH    MountType = "ssh"
)

// Mount is a --mount flag of RUN with its fields expanded and resolved.
type Mount struct {
	Type     MountType
	Tree     *Tree  // bind and cache: the mounted tree; nil is an empty tree
	Source   string // absolute path in Tree; "/" mounts the whole tree
	Target   string // absolute path; "" for a secret that only sets Env, and for ssh with the default path
	ReadOnly bool
	Size     int64   // tmpfs: bytes; 0 means no limit
	ID       string  // cache (with namespace), secret, or ssh ("" is the default agent)
	Sharing  string  // cache: "", "shared", "private" or "locked"
	Required bool    // secret and ssh: fail if the client does not provide it
	Env      *string // secret: name of the variable to set; nil if absent
	UID, GID *uint64
	Mode     *uint64
}

// HasOwner reports whether the mount sets the owner or the mode of the mounted file.
func (m *Mount) HasOwner() bool { return m.UID != nil || m.GID != nil || m.Mode != nil }

// Tree is a file tree that a step reads. If Stage is nil, it is the main context.
// Otherwise it is the result of the stage.
type Tree struct{ Stage *Stage }

// Copy is the step of COPY and ADD, which copies files into the stage.
type Copy struct {
	StepInfo
	LinkName string // progress name of the merge operation for --link
	Sources  []CopySource
	Dest     string // absolute path; a trailing slash is preserved
	Chown    string // "" if absent
	Chmod    *Chmod // nil if absent
	Exclude  []string
	Link     bool
	Platform ocispecs.Platform
}

// Chmod is the value of --chmod, an octal or a symbolic mode.
type Chmod struct {
	Mode     os.FileMode // the octal mode, if Symbolic is ""
	Symbolic string      // such as u=rwX,go=rX
}

// CopySource is a source of a Copy: *CopyTree, *CopyInline, *CopyURL or *CopyGit.
//
//sumtype:decl
type CopySource interface{ copySource() }

// CopyTree is a source of a Copy: a path in the main context or in another stage.
type CopyTree struct {
	Tree     Tree
	Path     string   // absolute; may contain wildcards
	Include  []string // --parents: patterns below Path
	Required []string // --parents: paths that must exist
	Unpack   bool
}

// CopyInline is a source of a Copy: the text of a heredoc, which is copied as a file.
type CopyInline struct {
	Name string // name of the intermediate file that holds Data
	Path string // path from which the file is copied: Name with slashes
	Data string
}

// CopyURL is a source of a Copy: a file that is downloaded.
type CopyURL struct {
	URL      string
	Filename string
	Checksum string // expected digest; "" if absent
	Unpack   bool
}

// CopyGit is a source of a Copy: a git repository that is checked out.
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

// Mkdir is the step of WORKDIR, which creates the working directory.
type Mkdir struct {
	StepInfo
	Path     string
	Owner    string     // owner of the directory, from USER; "" if absent
	Created  *time.Time // timestamp of the directory, SOURCE_DATE_EPOCH; nil if unset
	Platform ocispecs.Platform
}

func (*Exec) step()  {}
func (*Copy) step()  {}
func (*Mkdir) step() {}
