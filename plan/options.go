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

// Options configures [Build]. The zero value builds the last stage for the platform of this
// machine.
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

// NoCache selects the stages that do not use the cache.
type NoCache struct {
	All    bool
	Stages []string // names in any case
}

// Has reports whether the stage of this name is built without the cache.
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

// Resources limits the memory and processors of RUN. A zero field sets no limit.
type Resources struct {
	Memory, MemorySwap   int64 // bytes; swap -1 is unlimited
	CPUShares, CPUPeriod uint64
	CPUQuota             int64
	CPUSetCPUs           string
	CPUSetMems           string
}

// Resolver provides the external data of a plan. Its methods must be safe for concurrent
// use.
type Resolver interface {
	// Image looks up an image's config. logName is what progress shows.
	Image(ctx context.Context, ref string, q ImageQuery) (*Resolved, error)
	// Context looks up a named context; nil without an error if it does not exist.
	Context(ctx context.Context, name string, p *ocispecs.Platform) (NamedContext, error)
	// Ignore reads the ignore file of the main context. It returns nil if the
	// file does not exist.
	Ignore(ctx context.Context) (*ignore.Matcher, error)
	// Time returns when a source was last changed, nil without an error if that is
	// unknown.
	Time(ctx context.Context, of TimeSource) (*time.Time, error)
}

// TimeSource is a source of the time for SOURCE_DATE_EPOCH: a named context, or the
// download of a stage. The zero value is the main context.
type TimeSource struct {
	Input   *Input     // the named context
	Copy    CopySource // *CopyURL or *CopyGit
	LogName string     // what progress shows
}

// ImageQuery selects a variant of an image, and names the lookup in the progress.
type ImageQuery struct {
	Platform *ocispecs.Platform
	Mode     string // Options.ResolveMode
	LogName  string
}

// NamedContext is a named context that exists and has not been loaded.
type NamedContext interface {
	Load(ctx context.Context) (*Resolved, error)
}

// Resolved is the result of loading an image or a named context.
type Resolved struct {
	Ref    string        // the reference to use, which a source policy may have changed
	Digest digest.Digest // of the image; "" if unknown
	Config []byte        // the image config as JSON; nil for a context without one
	Input  *Input        // what to build from, for contexts
}

// Input identifies the main context or a named context. Only the Resolver that returned
// it can open it.
type Input struct {
	Name     string // "" is the main context
	Platform *ocispecs.Platform
	Handle   any // of the Resolver that made it
}
