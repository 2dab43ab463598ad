package answers

import (
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"slipway/diag"
)

// Version is the version of the JSON format. It increases when a field changes its meaning.
const Version = 1

// Plan describes what a build does, for all of its target platforms.
type Plan struct {
	Version   int       `json:"version"`
	Target    string    `json:"target"`    // label of the target stage
	Platforms []string  `json:"platforms"` // target platforms, in the order of the request
	Files     []string  `json:"files"`     // names of the Dockerfile and of other files with steps
	Stages    []*Stage  `json:"stages"`    // for each target platform, the stages in the order of the file
	Sources   []*Source `json:"sources"`   // everything outside of the Dockerfile that the build reads
	Context   *Context  `json:"context"`   // what the build reads from the main context; nil if nothing
}

// Stage is a stage of the Dockerfile in the build for one target platform.
type Stage struct {
	ID        string                           `json:"id"`   // such as "s0", unique in the plan
	Name      string                           `json:"name"` // name in the progress output; "" for the only stage
	For       string                           `json:"for"`  // target platform
	Platform  string                           `json:"platform,omitempty"`
	File      int                              `json:"file"` // index in Plan.Files
	Line      int                              `json:"line"`
	Target    bool                             `json:"target"`
	Reachable bool                             `json:"reachable"` // whether the target needs the stage
	Base      string                           `json:"base"`      // base as written in FROM, with variables expanded
	Needs     []*Need                          `json:"needs"`
	Steps     []*Step                          `json:"steps"`            // empty unless the stage is reachable
	Config    *dockerspec.DockerOCIImageConfig `json:"config,omitempty"` // config of the image; nil unless the stage is the target
}

// Need is an edge of the graph: a stage needs another stage or a source.
type Need struct {
	From  string   `json:"from"` // ID of the other stage or of the source
	Kind  NeedKind `json:"kind"`
	Steps []int    `json:"steps,omitempty"` // numbers of the steps that read it
}

// NeedKind specifies how a stage reads what it needs.
type NeedKind string

// The kinds of needs.
const (
	NeedBase  NeedKind = "from"  // FROM
	NeedCopy  NeedKind = "copy"  // COPY and ADD
	NeedMount NeedKind = "mount" // RUN --mount
)

// Source is something outside of the Dockerfile that a build reads.
type Source struct {
	ID       string     `json:"id"` // such as "i0", unique in the plan
	Kind     SourceKind `json:"kind"`
	Ref      string     `json:"ref"`                // reference of the image, URL, or name of the context
	Resolved string     `json:"resolved,omitempty"` // reference of the image with tag and digest
	Platform string     `json:"platform,omitempty"` // platform of the image
	Pinned   bool       `json:"pinned"`             // whether the Dockerfile determines the content: by digest, commit or checksum
}

// SourceKind is the kind of a [Source].
type SourceKind string

// The kinds of sources.
const (
	SourceImage   SourceKind = "image"
	SourceContext SourceKind = "context" // the main context
	SourceNamed   SourceKind = "named"   // a named context
	SourceGit     SourceKind = "git"
	SourceHTTP    SourceKind = "http"
)

// Step is a step of a stage: the pull of its base, a RUN, COPY, ADD or WORKDIR.
type Step struct {
	N          int      `json:"n"` // number in progress output: 3 in "[build 3/7]"
	File       int      `json:"file"`
	Line       int      `json:"line"`
	Kind       StepKind `json:"kind"`
	Text       string   `json:"text"` // the instruction on one line
	Onbuild    bool     `json:"onbuild,omitempty"`
	Operations []string `json:"operations"`         // digests of the LLB operations; the first one does the work
	Definition string   `json:"definition"`         // digest of the first operation without its inputs
	Key        string   `json:"key"`                // digest of Definition and the keys of its inputs, without file contents
	Platform   string   `json:"platform,omitempty"` // if it differs from the stage
	Network    string   `json:"network,omitempty"`  // of RUN: default, none or host
	Security   string   `json:"security,omitempty"` // of RUN, if not sandbox
	Env        []string `json:"env,omitempty"`      // of RUN
	Dir        string   `json:"dir,omitempty"`      // of RUN
	User       string   `json:"user,omitempty"`     // of RUN
	Mounts     []*Mount `json:"mounts,omitempty"`
	Secrets    []*Given `json:"secrets,omitempty"`
	SSH        []*Given `json:"ssh,omitempty"`
	Reads      []*Read  `json:"reads,omitempty"`
	Cache      Cache    `json:"cache"`
	Why        string   `json:"why,omitempty"`     // why the cache state is unknown, if there is a reason
	Content    string   `json:"content,omitempty"` // digest of the files that the step reads from local directories, if known

	Progress string   `json:"-"` // name in progress output
	Source   []string `json:"-"` // lines of the instruction as written
	Run      *Run     `json:"-"` // what a finished build did; nil if unknown
}

// StepKind is the kind of a [Step].
type StepKind string

// The kinds of steps.
const (
	StepPull    StepKind = "pull"
	StepRun     StepKind = "run"
	StepCopy    StepKind = "copy"
	StepAdd     StepKind = "add"
	StepWorkdir StepKind = "workdir"
)

// Mount is a cache, bind or tmpfs mount of a RUN step.
type Mount struct {
	Type   string `json:"type"`
	ID     string `json:"id,omitempty"` // of a cache mount
	Target string `json:"target"`
}

// Given is a secret or SSH agent that the user has to give to the build.
type Given struct {
	ID       string `json:"id"`
	Required bool   `json:"required"`
}

// Read lists the paths that a step reads from a stage or a source.
type Read struct {
	From  string   `json:"from"` // ID of the stage or the source
	Paths []string `json:"paths"`
}

// Cache is the state of a step in the cache of the builder.
type Cache string

// The cache states of steps.
const (
	CacheHit     Cache = "hit"
	CacheMiss    Cache = "miss"
	CacheNever   Cache = "never"   // the step ignores the cache
	CacheUnknown Cache = "unknown" // the builder does not report it, or it depends on the output of an earlier step
)

// Context describes what the build reads from the main context.
type Context struct {
	Paths []string `json:"paths"` // sorted; empty means all files
	Files *int     `json:"files"` // number of regular files; nil if unknown
	Bytes *int64   `json:"bytes"` // size of the files; nil if unknown
}

// label returns the name of the stage for users, without control characters.
func (s *Stage) label() string {
	if s.Name == "" {
		return "stage-0"
	}
	return diag.Line(s.Name)
}

// reachable returns the stages that the target needs.
func (p *Plan) reachable() []*Stage {
	var list []*Stage
	for _, s := range p.Stages {
		if s.Reachable {
			list = append(list, s)
		}
	}
	return list
}

// usesCache reports whether the builder has reported the cache state of a step.
func (p *Plan) usesCache() bool {
	for _, s := range p.Stages {
		for _, st := range s.Steps {
			if st.Cache == CacheHit || st.Cache == CacheMiss {
				return true
			}
		}
	}
	return false
}
