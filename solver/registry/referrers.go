package registry

import (
	"context"

	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Referrers returns the descriptors of the manifests whose subject is the manifest with digest d,
// such as its signatures. In a registry without the referrers API, it looks for the tag that
// clients use instead.
func (r *Repository) Referrers(ctx context.Context, d digest.Digest) ([]ocispecs.Descriptor, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	f, err := r.resolver.Fetcher(ctx, r.spec.String())
	if err != nil {
		return nil, err
	}
	from, ok := f.(remotes.ReferrersFetcher)
	if !ok {
		return nil, nil
	}
	ctx = withoutLogs(ctx)
	var list []ocispecs.Descriptor
	err = r.retry(ctx, func() (err error) {
		list, err = from.FetchReferrers(ctx, d)
		return err
	})
	return list, r.explain(err, "pull")
}
