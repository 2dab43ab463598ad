package builder

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/builder/engine"
	"slipway/internal/suggest"
	"slipway/solver/device"
	"slipway/solver/llbsource"
)

// checkOutputs returns an error if an output would fail for every possible result of the build:
// for example, if its name is invalid or if two outputs write to the same file.
func (o *Options) checkOutputs() error {
	if _, err := imageNames(o, Output{}); err != nil {
		return err
	}
	if _, err := imageAnnotations(o, Output{}, nil); err != nil {
		return err
	}
	outputs := o.outputs()
	for i, out := range outputs {
		if err := o.checkOutput(out); err != nil {
			return err
		}
		same := func(e Output) bool { return e.Dest == out.Dest && !e.isDir() && !out.isDir() }
		if out.Dest != "" && out.Dest != stdin && slices.ContainsFunc(outputs[:i], same) {
			return fmt.Errorf("output %s: %q is the file of another output too", out.Type, out.Dest)
		}
	}
	return nil
}

func (o *Options) checkOutput(out Output) error {
	if err := out.checkDest(); err != nil {
		return err
	}
	names, err := imageNames(o, out)
	switch {
	case err != nil:
		return err
	case out.Type == "cacheonly":
		return nil
	case !out.isImage():
		return o.checkDirs(out)
	}
	for _, name := range names {
		if (out.Push || o.stores(out)) && strings.Contains(name, "@") {
			return fmt.Errorf("output image: %q has a digest, which follows from its content (name a tag)", name)
		}
	}
	switch {
	case out.Name == frontendName:
	case out.Push && len(names) == 0:
		return errors.New("output image: the image needs a name to be pushed (-t NAME)")
	case o.stores(out) && len(names) == 0:
		return errors.New("output image: the image needs a name to be stored (-t NAME)")
	case out.Type == "docker" && o.isMultiPlatform():
		return errors.New("output docker: the archive of docker load holds one platform (use type=oci)")
	}
	if out.Load {
		if _, err := engine.Docker(); err != nil {
			return err
		}
	}
	return o.checkAnnotations(out)
}

// checkDirs returns an error if the options list a platform twice. Call it if out is an output
// of files: such an output writes one directory per platform, named after the platform.
func (o *Options) checkDirs(out Output) error {
	list, err := o.platforms()
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, p := range list {
		name := platforms.FormatAll(platforms.Normalize(p))
		if seen[name] {
			return fmt.Errorf("output %s: platform %s is given twice", out.Type, name)
		}
		seen[name] = true
	}
	return nil
}

// isMultiPlatform reports whether the result is exported as an index with an image for
// each platform.
func (o *Options) isMultiPlatform() bool {
	on, err := strconv.ParseBool(o.BuildArgs["BUILDKIT_MULTI_PLATFORM"])
	return len(o.Platforms) > 1 || err == nil && on
}

// checkAnnotations returns an error for annotations that have no effect: annotations for an
// index if the result is a single image, and annotations for a platform that is not built. If a
// daemon adds attestations, all annotations are valid, because attestations may turn an image
// into an index.
func (o *Options) checkAnnotations(out Output) error {
	notes, err := imageAnnotations(o, out, nil)
	if err != nil {
		return err
	}
	if o.Builder != nil && len(o.Attests) > 0 {
		return nil
	}
	built, err := o.platforms()
	if err != nil {
		return err
	}
	byName := func(a, b exptypes.AnnotationKey) int { return strings.Compare(a.String(), b.String()) }
	for _, key := range slices.SortedFunc(maps.Keys(notes), byName) {
		ofIndex := key.Type == exptypes.AnnotationIndex || key.Type == exptypes.AnnotationIndexDescriptor
		if ofIndex && !o.isMultiPlatform() {
			return fmt.Errorf("annotation %s of an %s: needs several platforms (use manifest:%[1]s=VALUE)", key.Key, key.Type)
		}
		matches := func(p ocispecs.Platform) bool { return platforms.OnlyStrict(*key.Platform).Match(p) }
		if key.Platform != nil && len(built) > 0 && !slices.ContainsFunc(built, matches) {
			return fmt.Errorf("annotation %s of platform %s: the platform is not built (--platform)", key.Key, platforms.FormatAll(*key.Platform))
		}
	}
	return nil
}

// platforms returns the platforms for which to build. The list is empty if the daemon
// chooses its own platform.
func (o *Options) platforms() ([]ocispecs.Platform, error) {
	if len(o.Platforms) == 0 && o.Builder == nil {
		return []ocispecs.Platform{llbsource.Machine()}, nil
	}
	list, err := platforms.ParseAll(o.Platforms)
	if err != nil {
		return nil, fmt.Errorf("platforms: %w", err)
	}
	return list, nil
}

// checkAllow returns an error for an unknown privilege in o.Allow.
func (o *Options) checkAllow() error {
	for _, name := range o.Allow {
		switch {
		case name == "network.host", name == "security.insecure":
		case name == "device", strings.HasPrefix(name, "device="):
		default:
			hint := suggest.Hint(name, []string{"network.host", "security.insecure", "device"}, true)
			return fmt.Errorf("privilege %q: unknown%s (want network.host, security.insecure, device or device=NAME)", name, hint)
		}
	}
	_, err := device.ParseGrants(o.Allow)
	return err
}
