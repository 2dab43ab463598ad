package options

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/tonistiigi/go-csvvalue"
)

// defaultScanner is the image that generates SBOMs by default.
const defaultScanner = "docker/buildkit-syft-scanner:stable-1"

// Scanner is an image that generates SBOMs.
type Scanner struct {
	Image  string            // full reference, with tag or digest
	Params map[string]string // attributes passed to the image
}

// setAttestation parses a request for attestations. kind is sbom or provenance, and v
// contains the attributes. It stores only requests for SBOMs, because the builder
// generates provenance. If a kind is requested several times, the last request is used.
func setAttestation(o *Options, kind, v string) error {
	kind = strings.ToLower(kind)
	attrs, err := attributes(v)
	if err != nil {
		return fmt.Errorf("failed to parse %s: %w", kind, err)
	}
	switch kind {
	case "provenance":
	case "sbom":
		o.SBOM, err = scanner(attrs)
	default:
		err = fmt.Errorf("unknown attestation type %q", kind)
	}
	return err
}

// attributes parses comma-separated key=value pairs. If a key occurs several times, the
// last value is used.
func attributes(v string) (map[string]string, error) {
	attrs := map[string]string{}
	if v == "" {
		return attrs, nil
	}
	fields, err := csvvalue.Fields(v, nil)
	if err != nil {
		return nil, err
	}
	for _, f := range fields {
		key, value, _ := strings.Cut(f, "=")
		attrs[key] = value
	}
	return attrs, nil
}

// scanner converts the attributes of a request for an SBOM to a Scanner. The attribute
// generator is the image of the scanner, and all other attributes are its parameters.
func scanner(attrs map[string]string) (*Scanner, error) {
	image, ok := attrs["generator"]
	if !ok {
		image = defaultScanner
	}
	delete(attrs, "generator")
	ref, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return nil, fmt.Errorf("failed to parse sbom scanner %s: %w", image, err)
	}
	return &Scanner{Image: reference.TagNameOnly(ref).String(), Params: attrs}, nil
}

// ParseScanner returns the scanner that the options request, or nil. Unlike [Parse], it ignores
// all options but those for attestations, so that it accepts the options of any frontend.
func ParseScanner(opts map[string]string) (*Scanner, error) {
	o := &Options{}
	for _, prefix := range []string{"build-arg:BUILDKIT_ATTEST_", "attest:"} {
		for _, key := range slices.Sorted(maps.Keys(opts)) {
			kind, ok := strings.CutPrefix(key, prefix)
			if !ok {
				continue
			}
			if err := setAttestation(o, kind, opts[key]); err != nil {
				return nil, err
			}
		}
	}
	return o.SBOM, nil
}
