package plan

import (
	"context"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/dialect"
	"slipway/ignore"
)

// Options configures [Build]. The zero value builds the last stage for the platform of
// this machine, but Resolver must be set.
type Options struct {
	Target         string              // the name of a stage in any case; "" is the last stage
	Platform       *ocispecs.Platform  // the target platform; nil selects the platform of the base image
	BuildPlatforms []ocispecs.Platform // the platforms that the builder can run, starting with its own platform
	MultiPlatform  bool                // whether step names in the progress output include the platform
	AllStages      bool                // whether to also evaluate stages that the target does not need

	BuildArgs map[string]string
	Labels    map[string]string // labels of the target's image config; they override labels from the file
	NoCache   NoCache
	Contexts  []string // sorted names of the named contexts, for hints

	ResolveMode      string // how images are looked up: "default", "pull" or "local"
	Hostname         string // the host name in RUN steps; "" leaves it to the builder
	Network          string // the network of RUN steps without --network: "", "sandbox", "host" or "none"
	CacheIDNamespace string // prefix of the ids of cache mounts
	ExtraHosts       []HostIP
	ShmSize          int64 // the size of /dev/shm in bytes; 0 leaves it to the builder
	Ulimits          []Ulimit
	CgroupParent     string
	Resources        *Resources
	GitAdvice        bool // whether git prints advice, such as about a detached HEAD

	Rules    dialect.Options // the options of the gate, and those that the caller adds
	Triggers bool            // with AllStages: whether all stages have triggers, as if the target needed them

	// ReadFile reads a file of the main context, for --file. If it is nil, --file is an error.
	ReadFile func(ctx context.Context, path string) ([]byte, error)

	Resolver Resolver
}

// NoCache selects the stages that are built without the cache.
type NoCache struct {
	All    bool
	Stages []string // names of stages, in any case
}

// Has reports whether the stage with this name is built without the cache.
func (n NoCache) Has(stage string) bool {
	return n.All || slices.ContainsFunc(n.Stages, func(s string) bool { return strings.EqualFold(s, stage) })
}

// HostIP is an entry of /etc/hosts in RUN steps.
type HostIP struct {
	Host string
	IP   net.IP
}

// Ulimit is a resource limit of RUN processes, such as nofile=1024:2048.
type Ulimit struct {
	Name       string
	Soft, Hard int64
}

// Resources limits the memory and the CPUs of RUN steps. A zero field sets no limit.
type Resources struct {
	Memory, MemorySwap   int64 // bytes; MemorySwap -1 is unlimited
	CPUShares, CPUPeriod uint64
	CPUQuota             int64
	CPUSetCPUs           string
	CPUSetMems           string
}

// Resolver provides the external data for a plan. Its methods must be safe for concurrent
// use.
type Resolver interface {
	// Image looks up the config and the digest of the image ref.
	Image(ctx context.Context, ref string, q ImageQuery) (*Resolved, error)
	// Context looks up the named context for the platform p or, if p is nil, for the
	// default platform. It returns nil without an error if there is no such context.
	Context(ctx context.Context, name string, p *ocispecs.Platform) (NamedContext, error)
	// Ignore reads the ignore file of the main context. It returns nil without an error
	// if the file does not exist.
	Ignore(ctx context.Context) (*ignore.Matcher, error)
	// Time returns the time of the last change to a source. It returns nil without an
	// error if the time is unknown.
	Time(ctx context.Context, of TimeSource) (*time.Time, error)
}

// TimeSource is a source from which SOURCE_DATE_EPOCH takes its time. At most one of
// Input and Copy is set. If both are nil, the source is the main context.
type TimeSource struct {
	Input   *Input     // a named context; nil for other sources
	Copy    CopySource // the source of a stage's ADD, a *CopyURL or *CopyGit; nil for other sources
	LogName string     // progress name of the lookup
}

// ImageQuery configures the lookup of an image: the platform, the pull mode, and the name of
// the lookup in the progress output.
type ImageQuery struct {
	Platform *ocispecs.Platform
	Mode     string // as in Options.ResolveMode
	LogName  string // progress name of the lookup
}

// NamedContext is a named context that exists, but whose content has not been loaded.
type NamedContext interface {
	// Load loads the context. If it is an image, the result includes the config.
	Load(ctx context.Context) (*Resolved, error)
}

// Resolved is an image or a named context that a Resolver has looked up.
type Resolved struct {
	Ref    string        // the image reference to use, which a source policy may have changed
	Digest digest.Digest // the digest of the image; "" if unknown
	Config []byte        // the image config as JSON; nil for a context without an image config
	Input  *Input        // the files of a context; nil for images
}

// Input identifies the main context or a named context. Only the Resolver that returned
// an Input can open it.
type Input struct {
	Name     string // "" is the main context
	Platform *ocispecs.Platform
	Handle   any // private data of the Resolver
}
