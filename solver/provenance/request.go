package provenance

import (
	"fmt"
	"strconv"

	slsa02 "github.com/in-toto/in-toto-golang/in_toto/slsa_provenance/v0.2"
	slsa1 "github.com/in-toto/in-toto-golang/in_toto/slsa_provenance/v1"
	"github.com/moby/buildkit/solver/llbsolver/provenance/types"
)

// Request configures the provenance of a result.
type Request struct {
	Version      types.ProvenanceSLSA // v1 or v0.2
	Min          bool                 // without operations, build arguments, labels and secrets
	InlineOnly   bool                 // only in outputs that are an index anyway
	Reproducible bool                 // what the user claims
	Complete     bool                 // fail if not all sources are known
	Usage        bool                 // with samples of the usage of the machine
	BuilderID    string
	Filename     string // in directories and tar archives
}

// ParseRequest parses the attributes of a provenance attestation, as buildx sends them.
func ParseRequest(attrs map[string]string) (r Request, err error) {
	r = Request{Version: types.ProvenanceSLSA1, Filename: "provenance.json", BuilderID: attrs["builder-id"]}
	if v, ok := attrs["version"]; ok {
		r.Version = types.ProvenanceSLSA(v)
		if err := r.Version.Validate(); err != nil {
			return r, fmt.Errorf("version=%s: unknown version (want v1 or v0.2)", v)
		}
	}
	if v, ok := attrs["filename"]; ok {
		r.Filename = v
	}
	r.InlineOnly, _ = strconv.ParseBool(attrs["inline-only"]) // Upstream: invalid values are ignored
	r.Usage, _ = strconv.ParseBool(attrs["capture-usage"])    // here, too
	switch v, ok := attrs["mode"]; {
	case !ok, v == "max", v == "full":
	case v == "min":
		r.Min = true
	default:
		return r, fmt.Errorf("mode=%s: unknown mode (want min or max)", v)
	}
	for key, to := range map[string]*bool{"reproducible": &r.Reproducible, "complete-materials": &r.Complete} {
		if v, ok := attrs[key]; ok {
			if *to, err = strconv.ParseBool(v); err != nil {
				return r, fmt.Errorf("%s=%s is neither true nor false", key, v)
			}
		}
	}
	return r, nil
}

// PredicateType returns the URI of the predicate's type.
func (r Request) PredicateType() string {
	if r.Version == types.ProvenanceSLSA02 {
		return slsa02.PredicateSLSAProvenance
	}
	return slsa1.PredicateSLSAProvenance
}

// CheckComplete returns an error if r demands that all sources are known, but some are not.
func (c *Capture) CheckComplete(r Request) error {
	if !r.Complete || !c.incomplete && len(c.sources.Local) == 0 {
		return nil
	}
	text := "provenance materials are incomplete"
	for _, l := range c.sources.Local {
		text += "\n  - " + l.Name + "\n    reason: local_source"
	}
	return fmt.Errorf("%s", text)
}
