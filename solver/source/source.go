package source

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
	"slipway/solver/tree"
)

// Sources open sources. It is used from several goroutines.
type Sources struct {
	Store *tree.Store
	Cache solver.Cache // of layers of images
	// Registry talks to registries. If it is nil, their images are an error.
	Registry *registry.Client
	// Local returns the stored image that a reference means, whose blobs are in
	// Store. If it does not exist, the error is [fs.ErrNotExist]. If Local is nil,
	// no image is stored.
	Local func(reference.Named) (*images.Image, error)
	// Mirrors are hosts that are asked instead of others: "docker.io" →
	// "localhost:5000". They talk HTTPS unless they begin with http://.
	Mirrors map[string]string
	// Dirs are the directories that local sources name.
	Dirs map[string]string
	// Layouts are the OCI layouts and archives of images that sources name by the
	// id of their store.
	Layouts map[string]string
	// Files remembers what files of Dirs hold; nil reads them each time.
	Files *Index
	// Trees are local sources that are no directories of the host. What a source
	// selects of them does not matter: all of it is there.
	Trees map[string]*tree.Node
	// HTTP fetches files and git repositories; nil refuses to.
	HTTP *http.Client
	// Stall is how long a server of git:// or SSH may send nothing. Zero is no
	// limit; for HTTP, wrap the client's transport with [Stall].
	Stall time.Duration
	// Uploads are files that the client sends, by the URL that names them.
	Uploads map[string]tree.Blob
	// Limits bound what a layer of an image may hold; zero allows more than any
	// image that is known.
	Limits tree.Limits
	// Temp is the directory of git repositories while their files are read.
	Temp string
	// Now is the time of files that git checks out, and of the top of a local
	// directory: only what is in it is part of a build.
	Now func() time.Time
	// Secrets that authorize downloads, and sockets of SSH agents, by id.
	Secrets map[string][]byte
	Agents  map[string]string

	// What a build has found out, so that all who ask get the same answer.
	stored     sync.Map // stored images that were found, by the digests of their roots
	images     singleflight.Group[string, *Image]
	layerBlobs singleflight.Group[digest.Digest, tree.Blob]
	layouts    singleflight.Group[string, *imageFiles]
	downloads  singleflight.Group[string, *Download]
	commits    singleflight.Group[string, *Git]
	checkouts  singleflight.Group[string, *gitCheckout]
}

// Open implements [solver.Sources].
func (s *Sources) Open(ctx context.Context, op *pb.SourceOp, p *pb.Platform) (solver.Source, error) {
	scheme, rest, _ := strings.Cut(op.Identifier, "://")
	switch scheme {
	case "docker-image":
		defer solver.Track(ctx, "resolve "+rest, 0).Done()
		return s.image(ctx, rest, platformOf(p), op.Attrs[pb.AttrImageResolveMode] == pb.AttrImageResolveModeForcePull)
	case "oci-layout":
		return s.ResolveLayout(ctx, rest, op.Attrs[pb.AttrOCILayoutStoreID], platformOf(p))
	case "local":
		return s.local(ctx, rest, op.Attrs)
	case "http", "https":
		return s.http(ctx, op)
	case "git":
		return s.git(ctx, op)
	}
	return nil, fmt.Errorf("sources of the kind %s:// cannot be opened", scheme)
}
