package plan

import (
	"time"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/ignore"
	"slipway/instructions"
	"slipway/parser"
	"slipway/shell"
	"slipway/source"
)

// Image is an image config in Docker's extension of the OCI format, with fields such as
// HEALTHCHECK and ONBUILD.
type Image = dockerspec.DockerOCIImage

// Plan describes a build. It is not modified after Build has returned it.
type Plan struct {
	*Scope            // the Dockerfile of the build
	Others   []*Scope // the other Dockerfiles whose stages it uses; each follows those that it uses
	Options  Options
	Platform ocispecs.Platform   // the target platform
	Implicit bool                // whether Platform is a default because Options.Platform is nil
	Builders []ocispecs.Platform // the build platforms, at least one
	Epoch    *time.Time          // SOURCE_DATE_EPOCH; nil if unset
	Stages   []*Stage            // the stages of other Dockerfiles, the stages of the file, then the implicit stages
	Target   *Stage              // nil if an error occurred before the target was known
	Context  *Paths              // paths that the build reads from the main context

	// Lowered describes how instructions of a file with a gate read in a plain Dockerfile. It has
	// no entry for an instruction that stays as it is.
	Lowered map[*parser.Instruction]*Lowering

	ignored *ignore.Matcher // the ignore file of the main context; nil if it does not exist
}

// GlobalArg is an ARG before the first FROM, with its value in this build.
type GlobalArg struct {
	Decl  *instructions.ArgDecl
	In    *instructions.Arg
	Value string
	Set   bool
	Uses  []string // names of the variables in the default that have a value
}

// From is the FROM of a stage, with its words expanded.
type From struct {
	Syntax   *instructions.Stage
	Base     Expansion
	Platform *Expansion // value of --platform; nil if absent, or if the base could not be expanded
}

// Expansion is a word of a FROM together with its value after the expansion of variables.
type Expansion struct {
	Word   parser.Word
	Result shell.Expansion
}

// Stage is a stage of the file, or an implicit stage. An implicit stage has no
// instructions. It represents an image to which --from or a mount refers.
type Stage struct {
	Index        int                 // index in Plan.Stages
	Scope        *Scope              // the file that contains the stage or, for an implicit stage, first needs it
	Name         string              // name in progress output and errors: AS name, stage-N, or "" for the only stage
	PlainName    string              // name in the plain Dockerfile, if the stage is from another Dockerfile; else ""
	Syntax       *instructions.Stage // nil for implicit stages
	BaseName     string              // name in FROM with variables expanded; after the lookup, with tag and digest
	OriginalBase string              // BaseName before the tag was added; "" if it was not looked up
	Base         Base                // nil until looked up, except for a *FromStage
	Platform     *ocispecs.Platform  // platform on which the stage's operations run; nil until known
	Deps         []Edge              // edges to the stages in --from and mounts, in order of use
	Replaced     NamedContext        // the named context that replaces the stage; nil if none

	Reachable bool      // whether the target needs the stage, or Options.AllStages is set
	Visits    []*Visit  // ONBUILD triggers first; nil unless the stage was evaluated
	Image     Image     // image config after the last visit
	BaseImage *Image    // unmodified config of the base image; nil for scratch
	Used      *Paths    // paths that other stages read from this stage; shared with its base stage
	Context   *Paths    // paths that the stage reads from the main context
	NoCache   bool      // whether its steps bypass the cache
	Total     int       // the number of steps, the n in progress names such as [2/n]
	Final     State     // state after the last visit
	Scan      Scan      // what an SBOM of the build lists in addition to the target
	BaseStep  *BaseStep // the pull of the base image; nil if the base is not an image

	// Location is the range that messages about the base refer to: the FROM of the stage or,
	// for an image in --from, the COPY that needs the image. It is zero for images of mounts.
	Location source.Range
}

// Scan selects what an SBOM lists in addition to the target. Each field is set by an ARG.
// The value of the ARG is a boolean, or a comma-separated list of the stages for which
// the field is true.
type Scan struct {
	Stage   bool // BUILDKIT_SBOM_SCAN_STAGE: list the stage
	Context bool // BUILDKIT_SBOM_SCAN_CONTEXT: list the main context, if the stage is the target
}

// BaseStep is the step that pulls a base image, as it appears in the progress output.
type BaseStep struct {
	Name        string // progress name
	Number      int    // number in Name, such as 1 in [stage 1/4]
	Description string // the FROM line as written
	Range       source.Range
}

// Edge is a reference from a stage to another stage, in --from or in a mount.
type Edge struct {
	To *Stage
	By instructions.Command // the COPY or RUN
	At source.Range         // the name of the stage in the instruction
}

// Base is the base of a stage: Scratch, *FromStage, *FromImage or *FromContext.
//
//sumtype:decl
type Base interface{ base() }

// Scratch is the base of a stage that starts from an empty file system.
type Scratch struct{}

// FromStage is the base of a stage that starts from another stage of the file.
type FromStage struct{ Stage *Stage }

// FromImage is the base of a stage that starts from an image.
type FromImage struct {
	Name     string // name as written, with variables expanded
	Ref      string // reference with tag and, if known, digest
	Platform ocispecs.Platform
}

// FromContext is the base of a stage that starts from a named context.
type FromContext struct{ Input *Input }

func (Scratch) base()      {}
func (*FromStage) base()   {}
func (*FromImage) base()   {}
func (*FromContext) base() {}

// Visit records the evaluation of one instruction: the state before the instruction, the
// facts about it, and its step.
type Visit struct {
	Command instructions.Command
	Onbuild bool         // whether the instruction is an ONBUILD trigger of the base
	Range   source.Range // range of the instruction; for an ONBUILD trigger, of the FROM
	Before  State        // the state before the instruction
	Facts   []Fact       // findings for build checks
	Sources []*Stage     // the stage in COPY --from, or the stage of each mount of RUN
	Step    Step         // nil if the instruction only changes the config
}

// State is the part of a stage's config that affects its later instructions. It is
// immutable.
type State struct {
	Env      Env        // environment of RUN: ARGs and ENVs
	Args     []ArgValue // ARGs of the stage and its base stages, in order; not modified in place
	Dir      string     // working directory: absolute, with slashes
	User     string
	Hostname string
	Shell    []string           // from SHELL; empty selects the default
	OwnDir   bool               // whether a WORKDIR in the file set Dir
	Platform *ocispecs.Platform // platform of RUN steps, also shown in progress output; nil for scratch
}

// ArgValue is an ARG of a stage, with its value.
type ArgValue struct {
	Key    string
	Value  string
	Set    bool // whether the ARG has a value
	Global bool // whether the global ARG of the same name sets the value
	given  bool // whether a build argument sets the value
}
