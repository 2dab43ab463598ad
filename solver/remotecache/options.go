package remotecache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/distribution/reference"
	"github.com/docker/go-units"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/export"
	"slipway/solver/registry"
)

// From identifies a cache to import (--cache-from).
type From struct {
	Type     string        // registry or local
	Ref      string        // for registry: name of the cache
	Src, Tag string        // for local: directory, and tag of the cache in it; "" means latest
	Digest   digest.Digest // for local: digest of the manifest; "" means the cache with Tag
	Insecure bool          // access the registry without TLS
	// NoMounts ignores the cache mounts in the cache. MountLimit is the maximum size of the files of a
	// cache mount in bytes; 0 means DefaultMountLimit.
	NoMounts   bool
	MountLimit int64
	// Store contains a local cache instead of the directory Src. If it is nil, Src is a directory
	// of this machine.
	Store content.Store
}

// Mode selects the results that an export contains.
type Mode string

// These are the modes of exports. Min exports only layers of the build result. Max also
// exports results of other steps, such as stages that only COPY --from uses.
const (
	Min Mode = "min"
	Max Mode = "max"
)

// To configures a cache export (--cache-to).
type To struct {
	Type      string // registry, local or inline; inline makes the cache part of the image
	Ref       string // for registry: name of the cache
	Dest, Tag string // for local: directory, and tag of the cache in it; "" means latest
	Mode      Mode
	Insecure  bool // access the registry without TLS
	// Index writes an index instead of an image manifest. Docker writes an index with
	// Docker's media type, for registries that do not support OCI media types.
	Index, Docker bool
	// Compression is the compression of new layers and, with Force, of all layers.
	Compression export.Compression
	// IgnoreError turns an error of the export into a warning.
	IgnoreError bool
	// Reset removes the blobs from the directory Dest that no cache in it contains.
	Reset bool
	// Mounts adds the cache mounts of the build to the cache. Those whose files have more than
	// MountLimit bytes are left out; 0 means DefaultMountLimit.
	Mounts     bool
	MountLimit int64
	// Store receives a local cache instead of the directory Dest. If it is nil, Dest is a
	// directory of this machine. If Store is not nil, Tagged is called with the descriptor of the
	// manifest when the cache is complete; it may be nil.
	Store  content.Store
	Tagged func(ocispecs.Descriptor)
}

// String returns the image reference or the directory of the cache.
func (f From) String() string { return f.Ref + f.Src }

// String returns the image reference or the directory of the cache.
func (t To) String() string { return t.Ref + t.Dest }

// NewFrom parses the attributes of a cache import, which are the same as in BuildKit. The
// parameter kind is the type of the cache: "registry" or "local". Unknown attributes are
// errors.
func NewFrom(kind string, attrs map[string]string) (From, error) {
	f, mounts := From{Type: kind}, true
	err := parse(attrs, map[string]func(string) error{
		"ref":               text(&f.Ref),
		"src":               text(&f.Src),
		"tag":               text(&f.Tag),
		"digest":            text((*string)(&f.Digest)),
		"registry.insecure": boolean(&f.Insecure),
		"mounts":            boolean(&mounts),
		"mount-limit":       size(&f.MountLimit),
		"mode":              text(new(string)), // Upstream: ignored, so that the attributes of an export can be reused
	})
	f.NoMounts = !mounts
	switch {
	case err != nil:
	case kind == "local" && f.Src == "":
		err = errors.New("a local cache needs src=DIRECTORY")
	case f.Digest != "" && f.Digest.Validate() != nil:
		err = fmt.Errorf("invalid digest %q", f.Digest)
	default:
		err = checkType(kind, f.Ref)
	}
	if err != nil {
		return f, fmt.Errorf("invalid cache to import: %w", err)
	}
	return f, nil
}

// NewTo parses the attributes of a cache export, which are the same as in BuildKit. The
// parameter kind is the type of the cache: "registry", "local" or "inline". Unknown
// attributes and unsupported values are errors.
func NewTo(kind string, attrs map[string]string) (To, error) {
	t := To{Type: kind, Mode: Min}
	oci, image := true, true
	c := compressionAttrs{}
	err := parse(attrs, map[string]func(string) error{
		"ref":               text(&t.Ref),
		"dest":              text(&t.Dest),
		"tag":               text(&t.Tag),
		"mode":              text((*string)(&t.Mode)),
		"registry.insecure": boolean(&t.Insecure),
		"image-manifest":    boolean(&image),
		"oci-mediatypes":    boolean(&oci),
		"ignore-error":      boolean(&t.IgnoreError),
		"compression":       text(&c.kind),
		"compression-level": text(&c.level),
		"force-compression": text(&c.force),
		"reset":             boolean(&t.Reset),
		"mounts":            boolean(&t.Mounts),
		"mount-limit":       size(&t.MountLimit),
	})
	_, c.forced = attrs["force-compression"]
	if err == nil {
		t.Compression, err = c.parse()
	}
	t.Docker, t.Index = !oci, !image || !oci
	switch {
	case err != nil:
	case kind == "local" && t.Dest == "":
		err = errors.New("a local cache needs dest=DIRECTORY")
	case t.Mode != Min && t.Mode != Max:
		err = fmt.Errorf("unknown mode %q (use min or max)", t.Mode)
	case attrs["image-manifest"] != "" && image && !oci:
		err = errors.New("image-manifest=true needs oci-mediatypes=true")
	case t.Reset && kind != "local":
		err = errors.New("only a local cache can be reset")
	case t.MountLimit != 0 && !t.Mounts:
		err = errors.New("mount-limit needs mounts=true")
	case kind == "inline" && t.Mounts:
		err = errors.New("an inline cache cannot have cache mounts (use type=registry or type=local)")
	case kind == "inline":
	default:
		err = checkType(kind, t.Ref)
	}
	if err != nil {
		return t, fmt.Errorf("invalid cache to export: %w", err)
	}
	return t, nil
}

// compressionAttrs contains the values of attributes that configure a compression.
type compressionAttrs struct {
	kind, level, force string
	forced             bool // whether the attribute of force is given, which may be empty
}

// parse returns the compression that the attributes configure.
func (a compressionAttrs) parse() (c export.Compression, err error) {
	if c.Type = a.kind; c.Type == "gzip" {
		c.Type = ""
	}
	if a.level != "" {
		level, err := strconv.Atoi(a.level)
		if err != nil {
			return c, fmt.Errorf("compression-level=%s is not a number", a.level)
		}
		if err := c.ParseLevel(level); err != nil {
			return c, err
		}
	}
	if c.Force = a.forced && a.force == ""; a.force != "" { // Upstream: without a value, the attribute is set
		if c.Force, err = strconv.ParseBool(a.force); err != nil {
			return c, fmt.Errorf("force-compression=%s is neither true nor false", a.force)
		}
	}
	return c, c.Check()
}

// text returns a function that parses an attribute with an arbitrary text as its value.
// The function stores the value in *dst.
func text(dst *string) func(string) error {
	return func(v string) error { *dst = v; return nil }
}

// boolean returns a function that parses the value of an attribute, such as "true", and
// stores it in *dst.
func boolean(dst *bool) func(string) error {
	return func(v string) (err error) { *dst, err = strconv.ParseBool(v); return err }
}

// size returns a function that parses the value of an attribute, such as "500MB", and stores the number
// of bytes in *dst.
func size(dst *int64) func(string) error {
	return func(v string) error {
		n, err := units.FromHumanSize(v)
		if err != nil || n <= 0 || n == math.MaxInt64 { // the result of an overflow depends on the processor
			return fmt.Errorf("%q is not a size (use 500MB or 2GB)", v)
		}
		*dst = n
		return nil
	}
}

// parse calls a function with the value of each attribute. The parameter fields maps
// attribute names to these functions. An attribute without a function is an error.
func parse(attrs map[string]string, fields map[string]func(string) error) error {
	for _, k := range slices.Sorted(maps.Keys(attrs)) {
		set, ok := fields[k]
		if !ok {
			return fmt.Errorf("unknown attribute %q (use %s)", k, strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
		}
		if err := set(attrs[k]); err != nil {
			return fmt.Errorf("%s: %w", k, err)
		}
	}
	return nil
}

// checkType returns an error if the type of a cache is unknown, or if a cache in a registry
// has no valid name.
func checkType(kind, ref string) error {
	switch {
	case kind == "local":
		return nil
	case kind != "registry":
		return fmt.Errorf("unknown type %q (use registry or local, or inline to export)", kind)
	case ref == "":
		return errors.New("a cache in a registry needs ref=NAME")
	}
	_, err := reference.ParseNormalizedNamed(ref)
	return err
}

// storage returns the storage from which f imports the cache: a directory or a registry.
func (f From) storage(ctx context.Context, c *registry.Client) (storage, error) {
	if f.Store != nil {
		return &contentStorage{store: f.Store, digest: f.Digest}, nil
	}
	if f.Type == "local" {
		return &localStorage{dir: f.Src, ref: cmp.Or(f.Tag, "latest"), digest: f.Digest}, nil
	}
	return newRegistry(ctx, c, f.Ref, f.Insecure)
}

// storage returns the storage to which t exports the cache: a directory or a registry.
func (t To) storage(ctx context.Context, c *registry.Client) (storage, error) {
	if t.Store != nil {
		return &contentStorage{store: t.Store, tagged: t.Tagged}, nil
	}
	if t.Type == "local" {
		return &localStorage{dir: t.Dest, ref: cmp.Or(t.Tag, "latest")}, nil
	}
	return newRegistry(ctx, c, t.Ref, t.Insecure)
}

// newRegistry returns the storage of a cache in a registry. The parameter ref is the
// image reference of the cache.
func newRegistry(ctx context.Context, c *registry.Client, ref string, insecure bool) (storage, error) {
	repo, err := c.Repository(ctx, ref, insecure)
	if err != nil {
		return nil, err
	}
	return &registryStorage{repo}, nil
}
