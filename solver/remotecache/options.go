package remotecache

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"slipway/solver/registry"
)

// From is a cache to import.
type From struct {
	Type     string // registry or local
	Ref      string // of a registry
	Src, Tag string // directory, and tag of the cache in it; "" means latest
	Digest   digest.Digest
	Insecure bool // access the registry without TLS
}

// Mode selects the results that are exported.
type Mode string

// The modes. Min exports only layers of the result. Max also exports intermediate
// results.
const (
	Min Mode = "min"
	Max Mode = "max"
)

// To is the destination of a cache export.
type To struct {
	Type      string // registry, local or inline; inline makes it part of the image
	Ref       string
	Dest, Tag string
	Mode      Mode
	Insecure  bool
	// Index writes an index instead of an image manifest. Docker uses Docker's media type
	// for the index, for registries that support no other.
	Index, Docker bool
	// IgnoreError reports a failed export as a warning.
	IgnoreError bool
}

func (f From) String() string { return f.Ref + f.Src }

func (t To) String() string { return t.Ref + t.Dest }

// NewFrom parses the attributes of a cache import, which have the same names as in
// BuildKit.
func NewFrom(kind string, attrs map[string]string) (From, error) {
	f := From{Type: kind}
	err := read(attrs, map[string]func(string) error{
		"ref":               text(&f.Ref),
		"src":               text(&f.Src),
		"tag":               text(&f.Tag),
		"digest":            text((*string)(&f.Digest)),
		"registry.insecure": boolean(&f.Insecure),
	})
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

// NewTo parses the attributes of a cache export, which have the same names as in
// BuildKit.
func NewTo(kind string, attrs map[string]string) (To, error) {
	t := To{Type: kind, Mode: Min}
	oci, image, compression, force := true, true, "gzip", false
	err := read(attrs, map[string]func(string) error{
		"ref":               text(&t.Ref),
		"dest":              text(&t.Dest),
		"tag":               text(&t.Tag),
		"mode":              text((*string)(&t.Mode)),
		"registry.insecure": boolean(&t.Insecure),
		"image-manifest":    boolean(&image),
		"oci-mediatypes":    boolean(&oci),
		"ignore-error":      boolean(&t.IgnoreError),
		"compression":       text(&compression),
		"force-compression": boolean(&force),
	})
	t.Docker, t.Index = !oci, !image || !oci
	switch {
	case err != nil:
	case kind == "local" && t.Dest == "":
		err = errors.New("a local cache needs dest=DIRECTORY")
	case t.Mode != Min && t.Mode != Max:
		err = fmt.Errorf("unknown mode %q, there are min and max", t.Mode)
	case attrs["image-manifest"] != "" && image && !oci:
		err = errors.New("image-manifest=true needs oci-mediatypes=true")
	case compression != "gzip" || force:
		err = errors.New("layers that are made here are compressed with gzip, others stay as they are")
	case kind == "inline":
	default:
		err = checkType(kind, t.Ref)
	}
	if err != nil {
		return t, fmt.Errorf("invalid cache to export: %w", err)
	}
	return t, nil
}

func text(to *string) func(string) error {
	return func(v string) error { *to = v; return nil }
}

func boolean(to *bool) func(string) error {
	return func(v string) (err error) { *to, err = strconv.ParseBool(v); return err }
}

// read parses attributes.
func read(attrs map[string]string, fields map[string]func(string) error) error {
	for _, k := range slices.Sorted(maps.Keys(attrs)) {
		set, known := fields[k]
		if !known {
			return fmt.Errorf("unknown attribute %q, there are %s", k, strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
		}
		if err := set(attrs[k]); err != nil {
			return fmt.Errorf("%s: %w", k, err)
		}
	}
	return nil
}

func checkType(kind, ref string) error {
	switch {
	case kind == "local":
		return nil
	case kind != "registry":
		return fmt.Errorf("unknown type %q, there are registry and local, and inline to export", kind)
	case ref == "":
		return errors.New("a cache in a registry needs ref=NAME")
	}
	_, err := reference.ParseNormalizedNamed(ref)
	return err
}

func (f From) place(ctx context.Context, c *registry.Client) (place, error) {
	if f.Type == "local" {
		return newLocal(f.Src, f.Tag, f.Digest), nil
	}
	return newRegistry(ctx, c, f.Ref, f.Insecure)
}

func (t To) place(ctx context.Context, c *registry.Client) (place, error) {
	if t.Type == "local" {
		return newLocal(t.Dest, t.Tag, ""), nil
	}
	return newRegistry(ctx, c, t.Ref, t.Insecure)
}

func newLocal(dir, tag string, d digest.Digest) place {
	if tag == "" {
		tag = "latest"
	}
	return &localPlace{dir: dir, tag: tag, digest: d}
}

func newRegistry(ctx context.Context, c *registry.Client, ref string, insecure bool) (place, error) {
	repo, err := c.Repository(ctx, ref, insecure)
	if err != nil {
		return nil, err
	}
	return &registryPlace{repo}, nil
}
