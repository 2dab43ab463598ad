package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/in-toto/in-toto-golang/in_toto/slsa_provenance/common"
	slsa "github.com/in-toto/in-toto-golang/in_toto/slsa_provenance/v1"

	"slipway/integration/checkout"
	"slipway/integration/programimage"
	"slipway/integration/sbom"
)

// buildType identifies the form of the parameters in our provenance.
const buildType = "urn:slipway:mkimage:v1"

// parameters are the external parameters in provenance.
type parameters struct {
	Commit   string   `json:"commit"`
	Modified bool     `json:"modified,omitempty"` // whether the files differed from the commit
	Version  string   `json:"version"`
	Platform string   `json:"platform"`
	Package  string   `json:"package"`
	Flags    []string `json:"flags"` // of go build
}

// environment are the internal parameters in provenance.
type environment struct {
	Go  string   `json:"go"`
	Env []string `json:"env"` // settings of Go for the platform
}

// attest returns the attestations of an image: its SBOM, and how its program was compiled.
func (k kind) attest(src *checkout.Source, bill *sbom.Bill) ([]programimage.Attestation, error) {
	spdx, err := bill.SPDX()
	if err != nil {
		return nil, err
	}
	p, err := k.provenance(src, bill)
	if err != nil {
		return nil, err
	}
	provenance, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	return []programimage.Attestation{
		{PredicateType: "https://spdx.dev/Document", Predicate: spdx},
		{PredicateType: slsa.PredicateSLSAProvenance, Predicate: provenance},
	}, nil
}

// provenance is the predicate of SLSA 1.0. It has no times and no identifier of the run, so that
// the image is reproducible.
//
//nolint:staticcheck // these types are those of BuildKit; the replacements need protojson, whose output is not stable
func (k kind) provenance(src *checkout.Source, bill *sbom.Bill) (*slsa.ProvenancePredicate, error) {
	p := &slsa.ProvenancePredicate{}
	d := &p.BuildDefinition
	d.BuildType = buildType
	d.ExternalParameters = parameters{
		Commit: src.Commit, Modified: src.Modified, Version: src.Version, Platform: bill.Platform, Package: k.pkg,
		Flags: append(programimage.BuildFlags(), k.flags...),
	}
	internal := environment{Env: bill.Env}
	d.ResolvedDependencies = []slsa.ResourceDescriptor{{Name: bill.Main.Path, Digest: common.DigestSet{"gitCommit": src.Commit}}}
	for _, m := range bill.Modules {
		if m.Path == "std" {
			internal.Go = "go" + m.Version
		}
		r := slsa.ResourceDescriptor{URI: m.PURL()}
		if m.Sum != "" {
			sum, err := moduleDigest(m.Sum)
			if err != nil {
				return nil, fmt.Errorf("module %s: %w", m.Path, err)
			}
			r.Digest = common.DigestSet{"goModuleH1": sum}
		}
		d.ResolvedDependencies = append(d.ResolvedDependencies, r)
	}
	d.InternalParameters = internal
	p.RunDetails.Builder.ID = buildType
	return p, nil
}

// moduleDigest returns the digest in go.sum, such as h1:…=, in hexadecimal, as in-toto writes it.
func moduleDigest(sum string) (string, error) {
	encoded, ok := strings.CutPrefix(sum, "h1:")
	if !ok {
		return "", fmt.Errorf("sum %q: unsupported algorithm", sum)
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	return hex.EncodeToString(raw), err
}
