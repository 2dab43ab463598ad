package options

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/tonistiigi/go-csvvalue"
)

// checkAttestations checks what attestations are asked for. The builder makes
// those that a frontend does not.
func checkAttestations(opts map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(opts)) {
		kind, ok := strings.CutPrefix(key, "attest:")
		if !ok {
			kind, ok = strings.CutPrefix(key, "build-arg:BUILDKIT_ATTEST_")
		}
		if !ok {
			continue
		}
		if err := checkAttestation(strings.ToLower(kind), opts[key]); err != nil {
			return err
		}
	}
	return nil
}

func checkAttestation(kind, value string) error {
	var fields []string
	if value != "" {
		var err error
		if fields, err = csvvalue.Fields(value, nil); err != nil {
			return fmt.Errorf("failed to parse %s: %w", kind, err)
		}
	}
	switch kind {
	case "provenance":
		return nil
	case "sbom":
		return checkScanner(fields)
	}
	return fmt.Errorf("unknown attestation type %q", kind)
}

// checkScanner checks the image that makes an SBOM. The last field wins.
func checkScanner(fields []string) error {
	generator, given := "", false
	for _, f := range fields {
		if key, v, _ := strings.Cut(f, "="); key == "generator" {
			generator, given = v, true
		}
	}
	if !given {
		return nil
	}
	if _, err := reference.ParseNormalizedNamed(generator); err != nil {
		return fmt.Errorf("failed to parse sbom scanner %s: %w", generator, err)
	}
	return nil
}
