package builder

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/result"
	"github.com/tonistiigi/go-csvvalue"

	"slipway/frontend"
	"slipway/solver"
	"slipway/solver/export"
	local "slipway/solver/gateway"
	"slipway/solver/llbsource"
	"slipway/solver/provenance"
	"slipway/solver/tree"
)

// dockerfileFrontend is the name of the built-in Dockerfile frontend in BuildKit's protocol.
const dockerfileFrontend = "dockerfile.v0"

// DockerfileVersion is the version of docker/dockerfile that the built-in frontend equals.
const DockerfileVersion = frontend.DockerfileVersion

// spdxType is the predicate type of an SBOM in SPDX's format.
const spdxType = "https://spdx.dev/Document"

// maxAttestation is the maximum size in bytes of an attestation, as in BuildKit.
const maxAttestation = 80 << 20

// attestRequests parses the frontend options that request attestations. It returns the attributes
// by type. The types are sbom and provenance.
func attestRequests(opts map[string]string) (map[string]map[string]string, error) {
	requests := map[string]map[string]string{}
	for _, prefix := range []string{"build-arg:BUILDKIT_ATTEST_", "attest:"} {
		for k, v := range opts {
			kind, ok := strings.CutPrefix(k, prefix)
			if !ok {
				continue
			}
			kind = strings.ToLower(kind)
			attrs := map[string]string{}
			fields, err := csvvalue.Fields(v, nil)
			if err != nil && v != "" {
				return nil, fmt.Errorf("attestation %s: %w", kind, err)
			}
			for _, f := range fields {
				key, value, _ := strings.Cut(f, "=")
				if key != "" {
					attrs[key] = value
				}
			}
			requests[kind] = attrs
		}
	}
	for kind, attrs := range requests {
		switch kind {
		case "sbom":
		case "provenance":
			if _, err := provenance.ParseRequest(attrs); err != nil {
				return nil, fmt.Errorf("attestation provenance: %w", err)
			}
		default:
			return nil, fmt.Errorf("unknown attestation type %q", kind)
		}
	}
	return requests, nil
}

// attester adds the attestations of a build to its results.
type attester struct {
	store   *tree.Store
	sources *llbsource.Sources
	job     *solver.Job
	client  *local.Client
	res     *gateway.Result
	opts    map[string]string // of the frontend
	o       *Options
	started time.Time
	usage   *provenance.Usage
}

// attest adds the attestations that the frontend returned, and the provenance if the options
// request it.
func (x *attester) attest(ctx context.Context, results []export.PlatformResult) error {
	requests, err := attestRequests(x.opts)
	if err != nil {
		return err
	}
	list, err := platformsOf(x.res)
	if err != nil {
		return err
	}
	for i, p := range list {
		for _, a := range x.res.Attestations[p.ID] {
			more, err := x.unbundle(ctx, a)
			if err != nil {
				return err
			}
			results[i].Attestations = append(results[i].Attestations, more...)
		}
		attrs, ok := requests["provenance"]
		if !ok {
			continue
		}
		a, err := x.provenance(ctx, attrs, p, list)
		if err != nil {
			return fmt.Errorf("provenance: %w", err)
		}
		results[i].Attestations = append(results[i].Attestations, a...)
	}
	return nil
}

// unbundle returns the attestations that a frontend returned: one, or each file of a directory.
// The core SBOM comes first.
func (x *attester) unbundle(ctx context.Context, a result.Attestation[gateway.Reference]) ([]export.Attestation, error) {
	ref, ok := a.Ref.(*local.Reference)
	if !ok || ref == nil || ref.Result == nil {
		return nil, errors.New("attestation does not have available content")
	}
	s, err := ref.Result.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	root, err := s.Tree()
	if err != nil {
		return nil, err
	}
	inline, _ := strconv.ParseBool(string(a.Metadata[result.AttestationInlineOnlyKey]))
	if a.Kind == gwpb.AttestationKind_InToto {
		data, err := x.readFile(root, a.Path)
		if err != nil {
			return nil, err
		}
		one := export.Attestation{Name: path.Base(a.Path), PredicateType: a.InToto.PredicateType, Subjects: subjects(a.InToto.Subjects), InlineOnly: inline}
		one.Predicate = func(*export.Blobs) ([]byte, error) { return data, nil }
		list := []export.Attestation{one}
		locateFiles(list, a.Metadata)
		return list, checkPredicate(one.PredicateType)
	}
	names, err := fileNames(root, a.Path)
	if err != nil {
		return nil, err
	}
	var list []export.Attestation
	for _, name := range names {
		data, err := x.readFile(root, path.Join(a.Path, name))
		if err != nil {
			return nil, err
		}
		one, err := parseStatement(name, data)
		if err == nil && a.InToto.PredicateType != "" && one.PredicateType != a.InToto.PredicateType {
			err = fmt.Errorf("bundle entry %s does not match required predicate type %s", one.PredicateType, a.InToto.PredicateType)
		}
		if err != nil {
			return nil, err
		}
		one.InlineOnly = inline
		list = append(list, one)
	}
	slices.SortStableFunc(list, func(x, y export.Attestation) int {
		return cmp.Compare(rank(x.Name, a.Metadata), rank(y.Name, a.Metadata))
	})
	locateFiles(list, a.Metadata)
	return list, nil
}

// rank returns 0 for the file of the core SBOM, which the metadata of the attestation names, and 1
// for other files.
func rank(name string, metadata map[string][]byte) int {
	core, isSBOM := metadata[result.AttestationSBOMCore]
	if base, _, _ := strings.Cut(name, "."); isSBOM && base == string(core) {
		return 0
	}
	return 1
}

// locateFiles adds the layer of each file to the core SBOM in a list, if it is an SPDX document. In
// outputs without layers, the SBOM stays unchanged.
func locateFiles(list []export.Attestation, metadata map[string][]byte) {
	for i := range list {
		if rank(list[i].Name, metadata) > 0 || list[i].PredicateType != spdxType {
			continue
		}
		predicate := list[i].Predicate
		list[i].Predicate = func(b *export.Blobs) ([]byte, error) {
			data, err := predicate(b)
			if err != nil || len(b.Layers) == 0 {
				return data, err
			}
			return export.LocateFiles(data, b.Layers)
		}
	}
}

// checkPredicate returns an error for provenance, which only the builder can know.
func checkPredicate(kind string) error {
	if strings.HasPrefix(kind, "https://slsa.dev/provenance/") {
		return errors.New("frontend may not set provenance attestations")
	}
	return nil
}

// fileNames returns the names of the entries of a directory.
func fileNames(root *tree.Node, dir string) (names []string, err error) {
	at, err := root.Resolve(path.Join("/", dir), true)
	if err != nil {
		return nil, err
	}
	n, err := root.Get(at)
	if err != nil {
		return nil, err
	}
	if n == nil || n.Kind() != tree.Dir {
		return nil, fmt.Errorf("attestation %s: is not a directory", dir)
	}
	entries, err := n.Entries()
	for _, e := range entries {
		names = append(names, e.Name)
	}
	return names, err
}

// readFile reads an attestation from a tree.
func (x *attester) readFile(root *tree.Node, name string) ([]byte, error) {
	at, err := root.Resolve(path.Join("/", name), true)
	if err != nil {
		return nil, err
	}
	n, err := root.Get(at)
	switch {
	case err != nil:
		return nil, err
	case n == nil:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case n.Kind() != tree.File:
		return nil, fmt.Errorf("attestation %s: is not a regular file", name)
	case n.Blob().Size > maxAttestation:
		return nil, fmt.Errorf("%s exceeds %d bytes", name, maxAttestation)
	}
	f, err := x.store.Open(n.Blob())
	if err != nil {
		return nil, err
	}
	data := make([]byte, n.Blob().Size)
	_, err = f.ReadAt(data, 0)
	return data, errors.Join(err, f.Close())
}

// parseStatement parses an in-toto statement.
func parseStatement(name string, data []byte) (a export.Attestation, err error) {
	var s struct {
		PredicateType string           `json:"predicateType"`
		Subject       []export.Subject `json:"subject"`
		Predicate     any              `json:"predicate"`
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return a, fmt.Errorf("cannot decode in-toto statement %s: %w", name, err)
	}
	predicate, err := json.Marshal(s.Predicate)
	if err != nil {
		return a, err
	}
	for i := range s.Subject {
		if s.Subject[i].Digest == nil {
			s.Subject[i].Digest = map[string]string{}
		}
	}
	a = export.Attestation{Name: name, PredicateType: s.PredicateType, Subjects: s.Subject}
	a.Predicate = func(*export.Blobs) ([]byte, error) { return predicate, nil }
	return a, checkPredicate(a.PredicateType)
}

// subjects converts the subjects of an attestation that a frontend returned.
func subjects(list []result.InTotoSubject) (out []export.Subject) {
	for _, s := range list {
		one := export.Subject{Name: s.Name}
		if s.Kind == gwpb.InTotoSubjectKind_Raw {
			one.Digest = result.ToDigestMap(s.Digest...)
		}
		out = append(out, one)
	}
	return out
}
