package llbsource

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/internal/singleflight"
	"slipway/solver"
	"slipway/solver/images"
	"slipway/solver/registry"
	"slipway/solver/track"
	"slipway/solver/tree"
)

// Sources resolves and fetches source operations. Safe for concurrent use.
type Sources struct {
	Store *tree.Store
	Cache solver.Cache // caches unpacked image layers
	// Registry is the client for registries. If it is nil, images in registries cannot
	// be opened.
	Registry *registry.Client
	// Local returns the stored image for a reference. The blobs of the image are in
	// Store. If the image does not exist, the error is [fs.ErrNotExist]. If Local is
	// nil, no images are stored.
	Local func(reference.Named) (*images.Image, error)
	// Mirrors maps hosts to mirrors, for example "docker.io" to "localhost:5000".
	// Mirrors use HTTPS unless they begin with http://.
	Mirrors map[string]string
	// Dirs are the directories of local sources, by name.
	Dirs map[string]string
	// Layouts are the OCI layouts and archives of images, by store ID.
	Layouts map[string]string
	// Files remembers the content of files in Dirs. If it is nil, files are read each
	// time.
	Files *Index
	// Trees are local sources that are not directories of the host, by name. Include and
	// exclude patterns are ignored for them.
	Trees map[string]*tree.Node
	// HTTP downloads files and git repositories. If it is nil, these sources cannot be
	// opened.
	HTTP *http.Client
	// Stall is how long a git:// or SSH server may send nothing. Zero means no limit.
	// For HTTP, wrap the client's transport with [Stall].
	Stall time.Duration
	// Uploads are files sent by the client, by URL.
	Uploads map[string]tree.Blob
	// Limits bounds image layers and git checkouts. A zero field stands for a default
	// that exceeds all known images.
	Limits tree.Limits
	// Temp is the directory for git packs while their files are read.
	Temp string
	// Now returns the modification time for files from git repositories, and for the
	// root of a local directory. The root's own time must not influence the build.
	Now func() time.Time
	// Secrets for downloads, and sockets of SSH agents, by ID.
	Secrets map[string][]byte
	Agents  map[string]string

	// Client provides local sources, OCI layouts, uploads, secrets and SSH agents instead of
	// the fields Dirs, Trees, Layouts, Uploads, Secrets and Agents. If it is nil, they come
	// from these fields.
	Client Client

	// Results of this build, so that equal requests get equal answers.
	stored     sync.Map // resolved stored images, by the digest of their root
	images     singleflight.Group[string, *Image]
	layerBlobs singleflight.Group[digest.Digest, tree.Blob]
	layouts    singleflight.Group[string, *imageFiles]
	downloads  singleflight.Group[string, *Download]
	commits    singleflight.Group[string, *Git]
	refs       singleflight.Group[string, gitRef]
	checkouts  singleflight.Group[string, *gitCheckout]
}

// Open implements [solver.Sources].
func (s *Sources) Open(ctx context.Context, op *pb.SourceOp, p *pb.Platform) (solver.Source, error) {
	scheme, rest, _ := strings.Cut(op.Identifier, "://")
	switch scheme {
	case "docker-image":
		defer track.Start(ctx, "resolve "+rest, 0).Done()
		img, err := s.image(ctx, rest, platformOf(p), op.Attrs[pb.AttrImageResolveMode] == pb.AttrImageResolveModeForcePull)
		if want := op.Attrs[pb.AttrImageChecksum]; err == nil && want != "" && want != string(img.resolved) {
			err = fmt.Errorf("image digest %s for %s does not match expected checksum %s", img.resolved, rest, want) // worded as in BuildKit
		}
		return limitLayers(img, err, op.Attrs[pb.AttrImageLayerLimit])
	case "oci-layout":
		img, err := s.ResolveLayout(ctx, rest, op.Attrs[pb.AttrOCILayoutStoreID], platformOf(p))
		return limitLayers(img, err, op.Attrs[pb.AttrOCILayoutLayerLimit])
	case "docker-image+blob", "oci-layout+blob":
		return s.blob(ctx, op)
	case "local":
		return s.local(ctx, rest, op.Attrs)
	case "http", "https":
		return s.http(ctx, op)
	case "git":
		return s.git(ctx, op)
	}
	return nil, fmt.Errorf("unsupported source scheme %q", scheme)
}
