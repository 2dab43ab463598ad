package plan

import (
	"context"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/ignore"
)

// Options say what is wanted of a Dockerfile. The zero value builds the last
// stage for the platform of this machine.
type Options struct {
	Target         string              // a stage's name, in any case; "" is the last stage
	Platform       *ocispecs.Platform  // what to build for; nil leaves it to the base image
	BuildPlatforms []ocispecs.Platform // what the builder runs, its own first
	MultiPlatform  bool                // several platforms are built: names say which
	AllStages      bool                // evaluate what the target does not need, too

	BuildArgs map[string]string
	Labels    map[string]string // merged last into the target's config
	NoCache   NoCache
	Contexts  []string // names of the named contexts, for hints; in order

	ResolveMode      string // how images are looked up: "default", "pull" or "local"
	Hostname         string // of RUN
	Network          string // of RUN without --network: "", "sandbox", "host" or "none"
	CacheIDNamespace string // in front of the ids of cache mounts
	ExtraHosts       []HostIP
	ShmSize          int64 // bytes; 0 leaves it to the builder
	Ulimits          []Ulimit
	CgroupParent     string
	Resources        *Resources
	GitAdvice        bool // ADD of git URLs shows git's advice

	Resolver Resolver
}

// NoCache says which stages do not use the cache.
type NoCache struct {
	All    bool
	Stages []string // names in any case
}

// Has tells whether the stage of that name is built without cache.
func (n NoCache) Has(stage string) bool {
	return n.All || slices.ContainsFunc(n.Stages, func(s string) bool { return strings.EqualFold(s, stage) })
}

// HostIP is a line for /etc/hosts.
type HostIP struct {
	Host string
	IP   net.IP
}

// Ulimit is a resource limit of the processes of RUN.
type Ulimit struct {
	Name       string
	Soft, Hard int64
}

// Resources limit what the containers of RUN may use. Zero is no limit.
type Resources struct {
	Memory, MemorySwap   int64 // bytes; swap -1 is unlimited
	CPUShares, CPUPeriod uint64
	CPUQuota             int64
	CPUSetCPUs           string
	CPUSetMems           string
}

// Resolver is all that a plan asks of the world. Its methods are called from
// several goroutines.
type Resolver interface {
	// Image looks up an image's config. logName is what progress shows.
	Image(ctx context.Context, ref string, q ImageQuery) (*Resolved, error)
	// Context looks up a named context; nil without an error if there is none.
	Context(ctx context.Context, name string, p *ocispecs.Platform) (NamedContext, error)
	// Ignore reads what the main context leaves out; nil if it has no ignore
	// file.
	Ignore(ctx context.Context) (*ignore.Matcher, error)
	// Time tells when a source was last changed; nil without an error if
	// nothing tells.
	Time(ctx context.Context, of TimeSource) (*time.Time, error)
}

// TimeSource is what SOURCE_DATE_EPOCH takes the time from: the main context
// in the zero value, a named context, or what a stage downloads.
type TimeSource struct {
	Input   *Input     // the named context
	Copy    CopySource // *CopyURL or *CopyGit
	LogName string     // what progress shows
}

// ImageQuery says which variant of an image is meant, and how to show that it
// is looked up.
type ImageQuery struct {
	Platform *ocispecs.Platform
	Mode     string // Options.ResolveMode
	LogName  string
}

// NamedContext is a named context that exists but was not looked into yet.
type NamedContext interface {
	Load(ctx context.Context) (*Resolved, error)
}

// Resolved is what a Resolver found.
type Resolved struct {
	Ref    string        // the reference to use, which a source policy may have changed
	Digest digest.Digest // of the image; "" if unknown
	Config []byte        // the image config as JSON; nil for a context without one
	Input  *Input        // what to build from, for contexts
}

// Input names something outside that a build reads: the main context or a
// named one. Only who made it can open it.
type Input struct {
	Name     string // "" is the main context
	Platform *ocispecs.Platform
	Handle   any // of the Resolver that made it
}
