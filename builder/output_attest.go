package builder

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/util/purl"

	"slipway/solver/export"
	"slipway/solver/tree"
)

// attests reports whether an output needs an index because of the attestations of its results.
func (o Output) attests(results []export.PlatformResult) bool {
	force, _ := strconv.ParseBool(o.Attrs[inlineAttr])
	return slices.ContainsFunc(results, func(r export.PlatformResult) bool {
		return slices.ContainsFunc(r.Attestations, func(a export.Attestation) bool { return force || !a.InlineOnly })
	})
}

// attestationEntries returns the entries of an index for the attestations of its images.
func attestationEntries(store *tree.Store, o *Options, out Output, images []platformImage) ([]export.IndexEntry, error) {
	names, err := imageNames(o, out)
	if err != nil {
		return nil, err
	}
	artifact := true
	if v, err := strconv.ParseBool(out.Attrs[artifactAttr]); err == nil {
		artifact = v
	}
	var more []export.IndexEntry
	for _, i := range images {
		if len(i.result.Attestations) == 0 {
			continue
		}
		self, err := imageSubjects(names, i.entry.Image, i.result)
		if err != nil {
			return nil, err
		}
		e, err := export.AttestationEntry(store, export.AttestedImage{Image: i.entry.Image, Names: self, Blobs: i.blobs}, i.result.Attestations, artifact)
		if err != nil {
			return nil, err
		}
		more = append(more, *e)
	}
	return more, nil
}

// imageSubjects returns the names of an image as subjects of attestations.
func imageSubjects(names []string, img v1.Image, r export.PlatformResult) (self []export.Subject, err error) {
	d, err := img.Digest()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		url, err := purl.RefToPURL("docker", name, &r.Platform)
		if err != nil {
			return nil, err
		}
		self = append(self, export.Subject{Name: url, Digest: map[string]string{d.Algorithm: d.Hex}})
	}
	return self, nil
}

// statementFiles configures files with attestations.
type statementFiles struct {
	prefix   string // first part of the names
	platform string // part of the names before the extension; "" for none
	blobs    *export.Blobs
}

// name returns the name of the file for an attestation.
func (s statementFiles) name(a export.Attestation) string {
	name := s.prefix + path.Base(a.Name)
	if s.platform == "" {
		return name
	}
	ext := path.Ext(name)
	return strings.TrimSuffix(name, ext) + "." + s.platform + ext
}

// addStatements adds a file for each attestation to the tree of a result. The statements are about
// all files of the result.
func (s *localBuilder) addStatements(n *tree.Node, r export.PlatformResult, file statementFiles, now time.Time) (*tree.Node, error) {
	list := slices.DeleteFunc(slices.Clone(r.Attestations), func(a export.Attestation) bool { return a.InlineOnly })
	if len(list) == 0 {
		return n, nil
	}
	var self []export.Subject
	if err := n.EachFile(nil, func(at tree.Location, _ *tree.Node) {
		d := at.Blob.Digest
		self = append(self, export.Subject{Name: at.Path, Digest: map[string]string{d.Algorithm().String(): d.Encoded()}})
	}); err != nil {
		return nil, err
	}
	at := now.Truncate(time.Second)
	if r.Epoch != nil {
		at = *r.Epoch
	}
	e := tree.Edit(n)
	names := map[string]bool{}
	for _, a := range list {
		data, err := a.Statement(self, file.blobs)
		if err != nil {
			return nil, fmt.Errorf("attestation %s: %w", a.Name, err)
		}
		b, err := s.Store.PutBytes(data)
		if err != nil {
			return nil, err
		}
		name := file.name(a)
		if names[name] {
			return nil, fmt.Errorf("duplicate attestation path name %s", name)
		}
		names[name] = true
		if err := e.Put(name, tree.NewFile(tree.Meta{Mode: 0o600, ModTime: at}, b)); err != nil {
			return nil, err
		}
	}
	return e.Tree(), nil
}
