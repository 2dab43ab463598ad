package builder

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"

	"slipway/internal/suggest"
	"slipway/solver/export"
)

// Output configures one output of a build, for example its type and its destination.
type Output struct {
	Type string // oci, docker, tar, local, image or cacheonly
	Dest string // path of a file or directory; "-" means standard output
	Name string // names of the image, separated by commas; "" means the tags of the build
	Push bool   // pushes an image to its registry
	Load bool   // loads a docker archive into the engine that the docker program uses

	Attrs map[string]string // further attributes, with the keys of BuildKit's exporters

	// To receives an archive or a directory instead of the file at Dest. It may be nil.
	To Receiver
}

const outputTypes = "oci, docker, tar, local, image, registry or cacheonly"

// ParseOutput parses the value of --output: type=TYPE,dest=PATH, the path of a directory
// for type=local, or - for a tar archive on standard output.
func ParseOutput(value string) (Output, error) {
	if value == stdin {
		return Output{Type: "tar", Dest: stdin}, nil
	}
	if !strings.Contains(value, "=") {
		return Output{Type: "local", Dest: value}, nil
	}
	attrs, err := fields(value)
	if err != nil {
		return Output{}, fmt.Errorf("invalid output %q: %w", value, err)
	}
	o := Output{Type: attrs["type"], Dest: stdoutOr(attrs["dest"]), Name: attrs["name"], Attrs: attrs}
	if v, ok := attrs["push"]; ok {
		if o.Push, err = strconv.ParseBool(v); err != nil {
			return Output{}, fmt.Errorf("invalid output %q: push=%s is neither true nor false", value, v)
		}
	}
	if o.Type == "registry" {
		o.Type, o.Push = "image", true
	}
	for _, k := range []string{"type", "dest", "name", "push"} {
		delete(attrs, k)
	}
	if v, ok := attrs[insecureAttr]; ok {
		if _, err := strconv.ParseBool(v); err != nil {
			return Output{}, fmt.Errorf("invalid output %q: %s=%s is neither true nor false", value, insecureAttr, v)
		}
	}
	return o, o.check()
}

// insecureAttr is the output attribute that allows HTTP and unverified certificates of the
// registry.
const insecureAttr = "registry.insecure"

func (o Output) isInsecure() bool {
	insecure, _ := strconv.ParseBool(o.Attrs[insecureAttr]) // ParseOutput has checked the value
	return insecure
}

// stdoutOr returns "-" if the output path is /dev/stdout, and other paths unchanged. Standard
// output may be a socket, which cannot be opened by its path.
func stdoutOr(dest string) string {
	if dest == "/dev/stdout" {
		return stdin
	}
	return dest
}

// isDir reports whether the output is a directory instead of a file.
func (o Output) isDir() bool {
	archive, err := strconv.ParseBool(o.Attrs[tarAttr])
	return o.Type == "local" || err == nil && !archive
}

// checkDest returns an error if the output is a file but its destination is an existing
// directory, or if the output is a directory but its destination is an existing file. A
// destination that does not exist is valid.
func (o Output) checkDest() error {
	if o.Dest == "" || o.Dest == stdin {
		return nil
	}
	info, err := os.Stat(o.Dest)
	switch {
	case err != nil: // the output creates the destination, or reports the error
	case info.IsDir() && !o.isDir():
		return fmt.Errorf("output %s: %q is a directory (name a file in it)", o.Type, o.Dest)
	case !info.IsDir() && o.isDir():
		return fmt.Errorf("output %s: %q is not a directory", o.Type, o.Dest)
	}
	return nil
}

// check returns an error if neither this process nor a daemon supports the configured
// output, for example a directory as standard output.
func (o Output) check() error {
	if o.Push && o.Type != "image" {
		return fmt.Errorf("output %s: push=true needs type=image (or add --push)", o.Type)
	}
	if o.Dest == stdin && o.isDir() {
		return fmt.Errorf("output %s: a directory cannot go to standard output (use type=tar)", o.Type)
	}
	switch o.Type {
	case "oci", "docker", "tar":
		if o.Dest == "" && !o.Load && o.To == nil {
			return fmt.Errorf("output %s needs dest=PATH", o.Type)
		}
	case "local":
		if o.Dest == "" && o.To == nil {
			return errors.New("output local needs dest=DIRECTORY")
		}
	case "image", "cacheonly":
		if o.Dest != "" {
			return fmt.Errorf("output %s has no dest=PATH; type=oci and type=docker have", o.Type)
		}
	case "":
		return errors.New("the output has no type=TYPE (use " + outputTypes + ")")
	default:
		return fmt.Errorf("unknown output type %q (use %s)", o.Type, outputTypes)
	}
	return nil
}

// checkLocal returns an error for an output that only a BuildKit daemon supports.
func (o Output) checkLocal() error {
	if _, err := o.compression(); err != nil {
		return fmt.Errorf("output %s: %w", o.Type, err)
	}
	if err := o.checkMediaTypes(); err != nil {
		return fmt.Errorf("output %s: %w", o.Type, err)
	}
	if _, err := parseEpoch(o.Attrs[epochAttr]); err != nil {
		return fmt.Errorf("output %s: %s: %w", o.Type, epochAttr, err)
	}
	if err := o.checkFiles(); err != nil {
		return fmt.Errorf("output %s: %w", o.Type, err)
	}
	for _, k := range []string{rewriteAttr, forceAttr, tarAttr, inlineAttr, artifactAttr, ociTypesAttr, byDigestAttr, storeAttr} {
		if v := o.Attrs[k]; v != "" || k == rewriteAttr && o.has(k) {
			if _, err := strconv.ParseBool(v); err != nil {
				return fmt.Errorf("output %s: %s=%s is neither true nor false", o.Type, k, v)
			}
		}
	}
	for _, k := range slices.Sorted(maps.Keys(o.Attrs)) {
		v := o.Attrs[k]
		if o.supports(k) {
			continue
		}
		_, annotation, err := exptypes.ParseAnnotationKey(k)
		if err != nil {
			return fmt.Errorf("output %s: %s: %w", o.Type, k, err)
		}
		if annotation && o.isImage() || v == onlyValue(k) && v != "" {
			continue
		}
		if name, ok := suggest.Near(k, o.attributes()); ok {
			return fmt.Errorf("output %s: unknown attribute %q (did you mean %s?)", o.Type, k, name)
		}
		return fmt.Errorf("output %s: %s=%s requires a BuildKit daemon (choose one with --builder, or buildctl --addr)", o.Type, k, v)
	}
	return nil
}

// attributes returns the names of the attributes that the output supports, except for those of image
// configs and annotations.
func (o Output) attributes() []string {
	list := []string{"type", "dest", "name", "push"}
	for _, k := range []string{
		"compression", "compression-level", forceAttr, epochAttr, rewriteAttr, inlineAttr, artifactAttr, ociTypesAttr,
		prefixAttr, sourceAttr, splitAttr, modeAttr, tarAttr, insecureAttr, byDigestAttr, storeAttr,
	} {
		if o.supports(k) {
			list = append(list, k)
		}
	}
	return list
}

// has reports whether the output has an attribute, even an empty one.
func (o Output) has(attr string) bool {
	_, ok := o.Attrs[attr]
	return ok
}

// supports reports whether the output supports an attribute with any valid value.
func (o Output) supports(attr string) bool {
	switch attr {
	case epochAttr, rewriteAttr:
		return true
	case "compression", "compression-level", forceAttr:
		return o.isImage()
	case inlineAttr, artifactAttr, ociTypesAttr:
		return o.isImage()
	case prefixAttr, sourceAttr, splitAttr, modeAttr:
		return o.isFiles()
	case tarAttr:
		return o.Type == "oci" || o.Type == "docker"
	case insecureAttr, byDigestAttr, storeAttr:
		return o.Type == "image"
	}
	return o.isImage() && isConfigAttr(attr)
}

// compression returns the layer compression that the attributes of the output select.
func (o Output) compression() (export.Compression, error) {
	c := export.Compression{Type: o.Attrs["compression"]}
	if c.Type == "estargz" {
		return c, errors.New("compression=estargz requires a BuildKit daemon (choose one with --builder, or buildctl --addr)")
	}
	if v, ok := o.Attrs[forceAttr]; ok {
		c.Force, _ = strconv.ParseBool(v) // checked with the options
		c.Force = c.Force || v == ""      // Upstream: without a value, the attribute is set
	}
	if v, ok := o.Attrs["compression-level"]; ok {
		level, err := strconv.Atoi(v)
		if err != nil {
			return c, fmt.Errorf("compression-level=%s is not a number", v)
		}
		if err := c.ParseLevel(level); err != nil {
			return c, err
		}
	}
	if c.Type == "gzip" {
		c.Type = ""
	}
	return c, c.Check()
}

// mediaTypes returns the media types that the attributes of the output select.
func (o Output) mediaTypes() export.MediaTypes {
	oci, err := strconv.ParseBool(o.Attrs[ociTypesAttr])
	return export.MediaTypes{Docker: err == nil && !oci}
}

// checkMediaTypes returns an error if Docker has no media types for what the attributes of the
// output select.
func (o Output) checkMediaTypes() error {
	if !o.mediaTypes().Docker {
		return nil
	}
	if artifact, err := strconv.ParseBool(o.Attrs[artifactAttr]); err == nil && artifact {
		return fmt.Errorf("exporter option %q conflicts with %q", artifactAttr+"=true", ociTypesAttr+"=false") // worded as in BuildKit
	}
	return nil
}

// Names of output attributes, as in BuildKit's exporters.
const (
	epochAttr   = "source-date-epoch"
	rewriteAttr = "rewrite-timestamp" // whether files in the image get the time of epochAttr
	forceAttr   = "force-compression" // whether layers of the base get the compression, too
	tarAttr     = "tar"               // whether an image is written as an archive

	byDigestAttr = "push-by-digest" // whether an image is pushed without a tag
	storeAttr    = "store"          // whether an image is stored under its names; true by default

	inlineAttr   = "attestation-inline" // whether attestations with inline-only are written, too
	ociTypesAttr = "oci-mediatypes"     // whether the image has OCI's media types; true by default
	artifactAttr = "oci-artifact"       // whether manifests of attestations are artifacts; true by default
)

// withAttrs returns a copy of the results with what the attributes of the output set: the image
// config, the SOURCE_DATE_EPOCH of the image, and whether file times are rewritten. A
// source-date-epoch attribute, even an empty one, takes precedence over the build argument
// SOURCE_DATE_EPOCH.
func (o Output) withAttrs(results []export.PlatformResult) ([]export.PlatformResult, error) {
	own, given := o.Attrs[epochAttr]
	at, err := parseEpoch(own)
	if err != nil {
		return nil, err
	}
	metadata := map[string][]byte{}
	for k, v := range o.Attrs {
		if isConfigAttr(k) {
			metadata[k] = []byte(v)
		}
	}
	results = slices.Clone(results)
	for i := range results {
		r := &results[i]
		if given {
			r.Epoch = at
		}
		r.RewriteTimes, _ = strconv.ParseBool(o.Attrs[rewriteAttr]) // checked with the options
		p := &exptypes.Platform{ID: r.ID, Platform: r.Platform}
		if c := exptypes.ParseKey(metadata, exptypes.ExporterImageConfigKey, p); c != nil {
			r.Config = c
		}
		if c := exptypes.ParseKey(metadata, exptypes.ExporterImageBaseConfigKey, p); c != nil {
			r.Base = c
		}
	}
	return results, nil
}

// isConfigAttr reports whether an attribute sets the config of an image or of its base image, for
// all platforms or for one: containerimage.config/linux/arm64.
func isConfigAttr(attr string) bool {
	name, _, _ := strings.Cut(attr, "/")
	return name == exptypes.ExporterImageConfigKey || name == exptypes.ExporterImageBaseConfigKey
}

// parseEpoch parses a SOURCE_DATE_EPOCH, which is in seconds since 1970. If v is "", it
// returns nil.
func parseEpoch(v string) (*time.Time, error) {
	if v == "" {
		return nil, nil
	}
	sec, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%q is not a number of seconds", v)
	}
	t := time.Unix(sec, 0).UTC()
	return &t, nil
}

// isImage reports whether the output is an image, or an archive that contains an image.
func (o Output) isImage() bool { return o.Type == "oci" || o.Type == "docker" || o.Type == "image" }

// onlyValue returns the only value that this builder accepts for an exporter attribute, such as
// "false" for unpack. With this value, the exporter behaves as this builder always does. For an
// unsupported attribute, onlyValue returns "".
func onlyValue(attr string) string {
	switch attr {
	case "tar":
		return "true"
	case "unpack":
		return "false"
	}
	return ""
}

// frontendName is the name of an output whose image gets its names from the frontend.
const frontendName = "*"

// withNames returns a copy of o in which outputs have the names that the frontend chooses, in the
// metadata of its result.
func (o *Options) withNames(md map[string][]byte) (*Options, error) {
	all := *o
	all.Outputs = slices.Clone(o.Outputs)
	for i := range all.Outputs {
		out := &all.Outputs[i]
		if out.Name != frontendName {
			continue
		}
		if out.Name = string(md[exptypes.ExporterImageNameKey]); out.Name == "" || out.Name == frontendName {
			return nil, fmt.Errorf("output %s: name=*: the frontend chooses no name (use name=NAME)", out.Type)
		}
		if _, err := imageNames(o, *out); err != nil {
			return nil, err
		}
	}
	return &all, nil
}

// imageNames returns the full image names of the output out: its own names or, if it has none,
// the tags of the build. If the frontend chooses the names, it returns none.
func imageNames(o *Options, out Output) ([]string, error) {
	tags := o.Tags
	if out.Name == frontendName {
		return nil, nil
	}
	if out.Name != "" {
		tags = strings.Split(out.Name, ",")
	}
	var names []string
	for _, t := range tags {
		ref, err := reference.ParseNormalizedNamed(t)
		if err != nil {
			return nil, fmt.Errorf("image name %q: %w", t, err)
		}
		names = append(names, reference.TagNameOnly(ref).String())
	}
	return names, nil
}
