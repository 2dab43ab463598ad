package llbsource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/containerd/containerd/v2/pkg/reference"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/snapshot"
	"slipway/solver/track"
	"slipway/solver/tree"
)

// imageBlob is a directory that contains a blob of a repository or an OCI layout as a file.
type imageBlob struct{ file *Download }

// Digest implements [solver.Source].
func (b imageBlob) Digest() digest.Digest { return b.file.Digest() }

// Fetch implements [solver.Source].
func (b imageBlob) Fetch(ctx context.Context) (*snapshot.Snapshot, error) { return b.file.Fetch(ctx) }

// BlobReference returns the reference in the identifier of a source that is a blob of a repository
// (docker-image+blob://NAME@DIGEST) or of an OCI layout (oci-layout+blob://NAME@DIGEST), and
// reports which of them it is. If the source is no blob, ok is false.
func BlobReference(identifier string) (ref string, isLayout, ok bool) {
	if ref, ok = strings.CutPrefix(identifier, "docker-image+blob://"); ok {
		return ref, false, true
	}
	ref, ok = strings.CutPrefix(identifier, "oci-layout+blob://")
	return ref, true, ok
}

// blob fetches a blob that is a source. The attributes for the name and the metadata of the file are
// those of an HTTP source. Within a build, it fetches each blob only once.
func (s *Sources) blob(ctx context.Context, op *pb.SourceOp) (*imageBlob, error) {
	ref, isLayout, _ := BlobReference(op.Identifier)
	d, err := s.downloads.Do(ctx, sourceKey(op), func(ctx context.Context) (*Download, error) {
		parsed, err := reference.Parse(ref)
		if err != nil {
			return nil, err
		}
		want := parsed.Digest()
		if err := want.Validate(); err != nil {
			return nil, fmt.Errorf("the reference needs a digest: %w", err)
		}
		from, err := s.blobStore(ctx, ref, cmp.Or(op.Attrs[pb.AttrOCILayoutStoreID], parsed.Locator), isLayout)
		if err != nil {
			return nil, err
		}
		b, err := s.putBlob(ctx, from, want)
		if err != nil {
			return nil, err
		}
		named := op.CloneVT()
		if named.Attrs[pb.AttrHTTPFilename] == "" {
			named.Attrs = map[string]string{pb.AttrHTTPFilename: want.Encoded()}
		}
		return newDownload(named, b, nil)
	})
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", ref, err)
	}
	return &imageBlob{d}, nil
}

// blobStore returns the repository of a reference or, if isLayout is set, the OCI layout with the
// given ID.
func (s *Sources) blobStore(ctx context.Context, ref, layoutID string, isLayout bool) (imageStore, error) {
	switch {
	case !isLayout && s.Registry == nil:
		return nil, errors.New("registries are not allowed")
	case !isLayout:
		name, insecure := s.mirror(ref)
		repo, err := s.Registry.Repository(ctx, name, insecure)
		return repository{repo}, err
	case s.Client != nil:
		return clientLayout{s.Client, layoutID}, nil
	}
	file, ok := s.Layouts[layoutID]
	if !ok {
		return nil, fmt.Errorf("the build has no OCI layout %q", layoutID)
	}
	l, err := s.imageFiles(ctx, file)
	if err != nil {
		return nil, err
	}
	return l.from, nil
}

// putBlob copies a blob into the store and verifies its digest.
func (s *Sources) putBlob(ctx context.Context, from imageStore, want digest.Digest) (tree.Blob, error) {
	t := track.Start(ctx, "downloading", 0)
	defer t.Done()
	r, err := from.blob(ctx, ocispecs.Descriptor{Digest: want, Size: -1}) // the size is unknown
	if err != nil {
		return tree.Blob{}, err
	}
	verifier := want.Verifier()
	b, err := s.Store.Put(io.TeeReader(tree.Reader(ctx, t.ReadCloser(r)), verifier))
	if err = errors.Join(err, r.Close()); err == nil && !verifier.Verified() {
		err = fmt.Errorf("its content has the digest %s", b.Digest)
	}
	return b, err
}
