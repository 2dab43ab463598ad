// Package provenance describes how a result was built, in BuildKit's form of SLSA provenance.
//
// A [Capture] collects the sources, secrets and networks of operations. [Capture.Predicate]
// converts it to the predicate of an in-toto attestation.
//
// See https://github.com/moby/buildkit/blob/v0.34.2/docs/attestations/slsa-definitions.md.
package provenance
