package instructions

import (
	"time"

	"slipway/dialect"
	"slipway/parser"
	"slipway/source"
)

// Dockerfile is a parsed Dockerfile: the ARGs before the first FROM, and the stages. It
// is immutable.
type Dockerfile struct {
	File   *parser.File
	Gate   *dialect.Gate // nil for a plain Dockerfile
	Args   []*Arg
	Stages []*Stage

	// Others contains the Dockerfiles whose stages FROM, --from and mounts use. It is nil unless
	// a file with a gate refers to another one. Dockerfiles that use each other's files share the
	// map.
	Others map[FileRef]*OtherFile
}

// Stage is a FROM instruction and the instructions after it, up to the next FROM.
type Stage struct {
	From     *From
	Name     string // the name after AS, in lower case; "" if unnamed
	Doc      string // description from the comment above FROM
	Commands []Command
}

// Command is a parsed instruction: a pointer to one of the types in this file that embed
// Node.
//
//sumtype:decl
type Command interface {
	// Syntax returns the instruction as written.
	Syntax() *parser.Instruction
	// Extension returns the flags of the instruction that extend the language, or nil.
	Extension() *Extension
	command()
}

// Node is embedded in each command type, such as Run. It links a command to its
// instruction in the syntax tree.
type Node struct {
	In  *parser.Instruction
	Ext *Extension // nil if the instruction uses no extension
}

// Syntax returns the instruction as written.
func (n Node) Syntax() *parser.Instruction { return n.In }

// Extension returns the flags of the instruction that extend the language, or nil.
func (n Node) Extension() *Extension { return n.Ext }

// From represents a FROM instruction, which starts a stage: FROM [--platform=P] BASE [AS
// NAME].
type From struct {
	Node
	Base     parser.Word
	Platform parser.Word // --platform; Value is "" if absent
	As       parser.Word // the keyword AS, as written; Value is "" if absent
	Name     parser.Word // the stage name, as written; Value is "" if absent
	If       *Condition  // the condition after IF; nil if absent
}

// Arg represents an ARG instruction, which declares build arguments: ARG NAME[=DEFAULT]…
// It also represents LET, which sets variables that build arguments do not change.
type Arg struct {
	Node
	Args []ArgDecl
	Let  bool // whether the instruction is LET
}

// ArgDecl is the declaration of one build argument in an ARG instruction.
type ArgDecl struct {
	Key     string
	Default *parser.Word // the default value; nil if there is no =
	Doc     string       // description from the comment above ARG
	Word    parser.Word  // NAME or NAME=DEFAULT
}

// Env represents an ENV instruction, which sets environment variables: ENV KEY=VALUE… or
// ENV KEY VALUE.
type Env struct {
	Node
	Pairs  []parser.Pair
	Legacy bool // whether the form is ENV KEY VALUE, without =
}

// Label represents a LABEL instruction, which sets labels of the image: LABEL KEY=VALUE…
// or LABEL KEY VALUE.
type Label struct {
	Node
	Pairs  []parser.Pair
	Legacy bool
}

// Maintainer represents a MAINTAINER instruction, which sets the author of the image:
// MAINTAINER TEXT.
type Maintainer struct {
	Node
	Author parser.Word
}

// CommandLine is the command line of RUN, CMD or ENTRYPOINT. If it has no arguments, Args
// is empty for RUN and CMD, and nil for ENTRYPOINT.
type CommandLine struct {
	Args  []parser.Word // the strings of the JSON array, or the single string of the shell form
	Shell bool          // whether the shell runs the command line
}

// Run represents a RUN instruction, which executes a command: RUN [--mount= --network=
// --security= --device=] COMMAND.
type Run struct {
	Node
	CommandLine
	Heredocs []parser.Heredoc
	Mounts   []Mount
	Network  string // --network: "default", "none" or "host"
	Security string // --security: "sandbox" or "insecure"
	Devices  []Device
}

// Mount represents a --mount flag. This package evaluates only From. Package plan expands
// and evaluates the other fields in order.
type Mount struct {
	Flag   *parser.Flag
	From   string       // the value of from=; "" if absent
	FromAt source.Range // the range of From's value
	Fields []MountField
}

// MountField is one comma-separated field in the value of a --mount flag.
type MountField struct {
	Text     string       // the whole field, without CSV quotes
	Key      string       // the text before the first =, in lower case
	Value    string       // the text after the first =
	HasValue bool         // whether the field contains =
	Range    source.Range // the range of the field, or of the whole flag value if CSV quotes make the position ambiguous
}

// Device represents a --device flag, which requests a CDI device.
type Device struct {
	Name     string
	Required bool
}

// Copy represents a COPY or ADD instruction, which copies files into the image: COPY
// [flags] SOURCE… DEST.
type Copy struct {
	Node
	Add      bool          // whether the instruction is ADD
	Sources  []parser.Word // paths and URLs, in order
	Inline   []Inline      // heredocs, in order
	Dest     parser.Word
	From     parser.Word // --from (COPY)
	Chown    parser.Word // --chown
	Chmod    parser.Word // --chmod
	Checksum parser.Word // --checksum (ADD)
	Exclude  []string    // --exclude, repeatable
	Link     bool        // --link
	Parents  bool        // --parents (COPY)
	KeepGit  *bool       // --keep-git-dir (ADD); nil if absent
	Unpack   *bool       // --unpack (ADD); nil if absent
}

// Inline is a file whose content is a heredoc in COPY or ADD.
type Inline struct {
	Name   string
	Data   string // the text of the heredoc; leading tabs are removed for <<-
	Expand bool   // whether variables in Data are expanded
	Range  source.Range
}

// Workdir represents a WORKDIR instruction, which sets the working directory: WORKDIR
// PATH.
type Workdir struct {
	Node
	Path parser.Word
}

// User represents a USER instruction, which sets the user of processes: USER
// NAME[:GROUP].
type User struct {
	Node
	User parser.Word
}

// Volume represents a VOLUME instruction, which declares mount points: VOLUME PATH… The
// values of Paths have no surrounding white space.
type Volume struct {
	Node
	Paths []parser.Word
}

// Expose represents an EXPOSE instruction, which declares ports: EXPOSE PORT…
type Expose struct {
	Node
	Ports []parser.Word // sorted by value. Upstream: sorted before variables are expanded
}

// StopSignal represents a STOPSIGNAL instruction, which sets the signal that stops a
// container: STOPSIGNAL SIGNAL.
type StopSignal struct {
	Node
	Signal parser.Word
}

// Shell represents a SHELL instruction, which sets the shell that runs command lines:
// SHELL ["executable", "parameter"…].
type Shell struct {
	Node
	Shell []string
}

// Cmd represents a CMD instruction, which sets the default command of a container: CMD
// COMMAND.
type Cmd struct {
	Node
	CommandLine
}

// Entrypoint represents an ENTRYPOINT instruction, which sets the entry point of a
// container: ENTRYPOINT COMMAND.
type Entrypoint struct {
	Node
	CommandLine
}

// Healthcheck represents a HEALTHCHECK instruction, which configures the health check of
// a container: HEALTHCHECK [flags] CMD COMMAND or HEALTHCHECK NONE.
type Healthcheck struct {
	Node
	Test          []string // the command in the format of image configs; the first element is NONE, CMD or CMD-SHELL
	Interval      time.Duration
	Timeout       time.Duration
	StartPeriod   time.Duration
	StartInterval time.Duration
	Retries       int
}

// Onbuild represents an ONBUILD instruction, which stores an instruction as a trigger for
// builds based on the image: ONBUILD INSTRUCTION.
type Onbuild struct {
	Node
	Expression string // the trigger in the image config, including heredoc bodies
}

// Unset represents an UNSET instruction, which removes a part of the image config: UNSET
// PART [PATTERN…]. It is an extension.
type Unset struct {
	Node
	Part     parser.Word // such as ENV or CMD; Value is in upper case
	Patterns []parser.Word
}

// Include represents an INCLUDE instruction, which stands for the instructions of other
// files: INCLUDE [--from=CONTEXT] PATH… It is an extension. Package include replaces it with
// these instructions, so that a Dockerfile contains none.
type Include struct {
	Node
	From  parser.Word // --from; Value is "" if absent
	Paths []parser.Word
}

func (*From) command()        {}
func (*Arg) command()         {}
func (*Env) command()         {}
func (*Label) command()       {}
func (*Maintainer) command()  {}
func (*Run) command()         {}
func (*Copy) command()        {}
func (*Workdir) command()     {}
func (*User) command()        {}
func (*Volume) command()      {}
func (*Expose) command()      {}
func (*StopSignal) command()  {}
func (*Shell) command()       {}
func (*Cmd) command()         {}
func (*Entrypoint) command()  {}
func (*Healthcheck) command() {}
func (*Onbuild) command()     {}
func (*Unset) command()       {}
func (*Include) command()     {}
