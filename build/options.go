package build

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
)

// Options say what to build. Their names are those of the flags of docker build.
type Options struct {
	Context string    // directory, URL of a repository or an archive, or - for Stdin
	File    string    // Dockerfile; "" is the one of the context, - is Stdin
	Stdin   io.Reader // context as an archive, or Dockerfile; read only if named
	Target  string

	Tags      []string
	Platforms []string // none is that of this machine
	BuildArgs map[string]string
	Labels    map[string]string
	Contexts  map[string]string // named contexts
	Outputs   []Output          // none keeps the result in the cache only

	NoCache       bool
	NoCacheFilter []string
	Pull          bool
	Network       string
	AddHosts      []string
	Hostname      string
	ShmSize       int64 // bytes
	Ulimits       []string
	CgroupParent  string
	Allow         []string // network.host, security.insecure

	Secrets map[string][]byte
	Agents  map[string]string // sockets of SSH agents by id

	Mirrors map[string]string // of registries: host → host that is asked instead

	State  string // directory of cache and results
	Runner string // auto, namespace or portable
	Now    func() time.Time
	Log    io.Writer // what is not about a step
	// Explain is told why each step was not cached; nil is fine.
	Explain io.Writer
	// Status is told how it goes, as BuildKit tells its clients; nil is fine.
	Status func(*client.SolveStatus)
}

// frontend returns the options as a frontend gets them.
func (o *Options) frontend() map[string]string {
	opts := map[string]string{
		"cmdline":  "slipway", // the frontend is this program, whatever # syntax says
		"filename": filepath.Base(o.file()),
	}
	set := func(key, value string) {
		if value != "" {
			opts[key] = value
		}
	}
	set("target", o.Target)
	set("platform", strings.Join(o.Platforms, ","))
	set("force-network-mode", o.Network)
	set("hostname", o.Hostname)
	set("cgroup-parent", o.CgroupParent)
	set("add-hosts", strings.Join(o.AddHosts, ","))
	set("ulimit", strings.Join(o.Ulimits, ","))
	set("no-cache", strings.Join(o.NoCacheFilter, ","))
	if o.NoCache {
		opts["no-cache"] = ""
	}
	if o.ShmSize > 0 {
		opts["shm-size"] = fmt.Sprint(o.ShmSize)
	}
	if o.Pull {
		opts["image-resolve-mode"] = "pull"
	}
	for prefix, values := range map[string]map[string]string{"build-arg:": o.BuildArgs, "label:": o.Labels} {
		for k, v := range values {
			opts[prefix+k] = v
		}
	}
	return opts
}

// file is the path of the Dockerfile.
func (o *Options) file() string {
	if o.File != "" {
		return o.File
	}
	return filepath.Join(o.Context, dockerfile)
}

// allows tells whether a privilege was allowed.
func (o *Options) allows(name string) bool { return slices.Contains(o.Allow, name) }

// contextNames returns the names of the named contexts, in order.
func (o *Options) contextNames() []string { return slices.Sorted(maps.Keys(o.Contexts)) }
