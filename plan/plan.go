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

// Image is an image config as Docker writes it.
type Image = dockerspec.DockerOCIImage

// Plan describes a build. It is not modified after Build.
type Plan struct {
	Dockerfile *instructions.Dockerfile
	Options    Options
	Platform   ocispecs.Platform   // the target platform
	Implicit   bool                // no platform was asked for
	Builders   []ocispecs.Platform // the build platforms, at least one
	Predefined Env                 // the ARGs that every Dockerfile has
	Globals    Env                 // predefined and global ARGs, with the build arguments
	Declared   []GlobalArg         // the ARGs before the first FROM, in order
	Epoch      *time.Time          // SOURCE_DATE_EPOCH; nil without
	Froms      []From              // of the file, in order, as far as they were evaluated
	Stages     []*Stage            // the file's stages, then implicit ones
	Target     *Stage              // nil until the target pass
	Context    *Paths              // what the build reads of the main context

	ignored *ignore.Matcher // what the main context leaves out; nil without an ignore file
}

// GlobalArg is an ARG before the first FROM and its value.
type GlobalArg struct {
	Decl  *instructions.ArgDecl
	In    *instructions.Arg
	Value string
	Set   bool
	Uses  []string // variables of the default that were found
}

// From is a FROM with its words expanded.
type From struct {
	Syntax   *instructions.Stage
	Base     Expansion
	Platform *Expansion // nil without --platform, and after an error of the base
}

// Expansion is a word and its expansion.
type Expansion struct {
	Word   parser.Word
	Result shell.Result
}

// Stage is a stage of the file or, for images that --from names, an implicit one.
type Stage struct {
	Index    int                 // in Plan.Stages
	Name     string              // in names and messages: AS name, stage-N, or "" for the only stage
	Syntax   *instructions.Stage // nil for implicit stages
	BaseName string              // with variables expanded; later with tag and digest
	Written  string              // BaseName before it got a tag; "" if nothing looked it up
	Base     Base                // nil until loaded; From* stages have it from the start
	Platform *ocispecs.Platform  // that its operations run on; nil until known
	Deps     []Edge              // --from and mount sources, in order of use
	Replaced NamedContext        // a named context of this name takes the stage's place

	Reachable bool      // the target needs it, or all stages are wanted
	Visits    []*Visit  // ONBUILD triggers first; filled for evaluated stages
	Image     Image     // config after the last visit
	BaseImage *Image    // config of the external base as found; nil for scratch
	Used      *Paths    // what others read of it; shared along FROM
	Context   *Paths    // what it reads of the main context
	NoCache   bool      // its steps do not use the cache
	Total     int       // steps that its progress names count
	Final     State     // after the last visit
	Scan      Scan      // what an SBOM of the build lists besides the target
	BaseStep  *BaseStep // how the base is named; nil without an image to pull

	// Place is the range that messages about the base refer to: its FROM, or the COPY
	// that needs the image. Images of mounts have none.
	Place source.Range
}

// Scan selects what an SBOM lists besides the target. The ARGs of these names set it, with
// a boolean in the stage or a list of stages before the first FROM.
type Scan struct {
	Stage   bool // BUILDKIT_SBOM_SCAN_STAGE: scan the stage, too
	Context bool // BUILDKIT_SBOM_SCAN_CONTEXT: if it is the target, scan the main context, too
}

// BaseStep is the step that pulls a base image.
type BaseStep struct {
	Name        string // progress name
	Description string // the FROM line as written
	Range       source.Range
}

// Edge is a stage's use of another one.
type Edge struct {
	To *Stage
	By instructions.Command
	At source.Range // the stage's name in it
}

// Base is the base of a stage: Scratch, *FromStage, *FromImage or *FromContext.
//
//sumtype:decl
type Base interface{ base() }

// Scratch is the empty file system.
type Scratch struct{}

// FromStage starts from the result of another stage of the file.
type FromStage struct{ Stage *Stage }

// FromImage starts from an image.
type FromImage struct {
	Name     string // as the file says it, with variables expanded
	Ref      string // with tag and, if known, digest
	Platform ocispecs.Platform
}

// FromContext starts from a named context.
type FromContext struct{ Input *Input }

func (Scratch) base()      {}
func (*FromStage) base()   {}
func (*FromImage) base()   {}
func (*FromContext) base() {}

// Visit is the record of evaluating one instruction.
type Visit struct {
	Command instructions.Command
	Onbuild bool         // a trigger of the base
	Range   source.Range // lines of the instruction; of FROM for triggers
	Before  State
	Facts   []Fact   // what build checks ask about
	Sources []*Stage // of COPY --from and mounts, one per mount; nil entries are the main context
	Step    Step     // nil for instructions that only change the config
}

// State is the part of a stage's config that affects its next instructions. It is
// immutable.
type State struct {
	Env      Env        // of RUN: ARGs and ENVs
	Args     []ArgValue // ARGs of the stage and its bases, in order; not changed in place
	Dir      string     // absolute, with slashes
	User     string
	Hostname string
	Shell    []string           // of SHELL; empty is the default
	OwnDir   bool               // a WORKDIR of the file set Dir
	Platform *ocispecs.Platform // that RUN and names use; nil for scratch
}

// ArgValue is an ARG of a stage and its value.
type ArgValue struct {
	Key    string
	Value  string
	Set    bool
	Global bool // the global ARG of this name sets the value
}
