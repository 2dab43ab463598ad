package llbsource

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/containerd/containerd/v2/pkg/reference"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/internal/oneline"
	"slipway/solver/tree"
)

// gitBundle identifies a blob that contains a git bundle: refs, and a pack with their commits.
// A git source that has a bundle reads its commits from there instead of from the remote.
type gitBundle struct {
	locator string            // docker-image+blob://NAME@DIGEST or oci-layout+blob://NAME@DIGEST
	attrs   map[string]string // attributes that select the OCI layout
}

// bundleFile is the name of the file in a checkout that is a bundle.
const bundleFile = "bundle"

// parseBundle reads the attributes about bundles. If the source has no bundle, the result is nil.
func parseBundle(attrs map[string]string) (*gitBundle, error) {
	locator := attrs[pb.AttrGitBundle]
	if locator == "" {
		return nil, nil
	}
	name, _, ok := BlobReference(locator)
	if !ok {
		return nil, fmt.Errorf("%s %q: want docker-image+blob://NAME@DIGEST or oci-layout+blob://NAME@DIGEST", pb.AttrGitBundle, locator)
	}
	ref, err := reference.Parse(name)
	if err == nil {
		err = ref.Digest().Validate()
	}
	if err == nil && ref.Digest().Algorithm() != digest.SHA256 {
		err = fmt.Errorf("digest algorithm %q not supported, expected %q", ref.Digest().Algorithm(), digest.SHA256)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", pb.AttrGitBundle, locator, err)
	}
	b := &gitBundle{locator: locator, attrs: map[string]string{}}
	for _, key := range []string{pb.AttrOCILayoutStoreID, pb.AttrOCILayoutSessionID} {
		if v := attrs[key]; v != "" {
			b.attrs[key] = v
		}
	}
	return b, nil
}

// checkBundle returns an error if attributes about bundles contradict others.
func (o *gitOptions) checkBundle() error {
	switch {
	case o.bundle != nil && o.checksum == "":
		return fmt.Errorf("%s requires %s to be set", pb.AttrGitBundle, pb.AttrGitChecksum)
	case o.bundle != nil && o.ref == "" && !isCommit(o.checksum):
		return fmt.Errorf("%s requires a ref or a full commit hash in %s, got %q", pb.AttrGitBundle, pb.AttrGitChecksum, o.checksum)
	case o.asBundle && o.keepGitDir:
		return fmt.Errorf("%s is incompatible with %s", pb.AttrGitCheckoutBundle, pb.AttrKeepGitDir)
	case o.asBundle && o.subdir != "":
		return fmt.Errorf("%s is incompatible with a subdirectory", pb.AttrGitCheckoutBundle)
	}
	return nil
}

// sourceSession connects to the remote of the git source with the options o, or opens its bundle.
// The caller must close the session.
func (s *Sources) sourceSession(ctx context.Context, o *gitOptions) (*gitSession, error) {
	if o.bundle == nil {
		return s.gitSession(ctx, o, o.remote)
	}
	g := &bundleGit{s: s}
	adv, err := g.open(ctx, o.bundle)
	if err != nil {
		return nil, fmt.Errorf("git bundle %s: %w", o.bundle.locator, err)
	}
	return &gitSession{gitService: g, remote: o.bundle.locator, adv: adv, refs: parseRefs(adv)}, nil
}

// bundleGit is a [gitService] for a bundle. It sends the whole pack of the bundle, whatever commits
// are requested.
//
// See https://git-scm.com/docs/gitformat-bundle.
type bundleGit struct {
	s      *Sources
	file   tree.Blob
	header int64 // size in bytes of the part before the pack
	adv    *packp.AdvRefs
}

// open fetches the bundle and returns its refs. Like a remote, it also lists the commits of
// annotated tags, which are only in the pack.
func (g *bundleGit) open(ctx context.Context, b *gitBundle) (*packp.AdvRefs, error) {
	blob, err := g.s.blob(ctx, &pb.SourceOp{Identifier: b.locator, Attrs: b.attrs})
	if err != nil {
		return nil, err
	}
	g.file = blob.file.Blob
	content, err := g.s.Store.OpenContext(ctx, g.file)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	g.adv = packp.NewAdvRefs()
	r := bufio.NewReaderSize(content, maxBundleLine)
	if g.header, err = readBundleHeader(r, g.adv); err != nil {
		return nil, err
	}
	if err := g.adv.Capabilities.Set("allow-any-sha1-in-want"); err != nil {
		return nil, err
	}
	for name := range g.adv.References {
		if strings.HasPrefix(name, "refs/tags/") {
			return g.adv, g.peelTags(ctx, r)
		}
	}
	return g.adv, nil
}

// peelTags adds the commits of annotated tags to the refs. It reads the pack from r.
func (g *bundleGit) peelTags(ctx context.Context, r io.Reader) error {
	if err := os.MkdirAll(g.s.Temp, 0o700); err != nil {
		return err
	}
	pack, err := readPack(ctx, r, packTarget{g.s.Temp, maxPackMemory})
	if err != nil {
		return err
	}
	repo := &gitRepository{EncodedObjectStorer: pack}
	for name, hash := range g.adv.References {
		if !strings.HasPrefix(name, "refs/tags/") {
			continue
		}
		commit, tag, err := repo.peel(hash)
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", name, err), pack.Close())
		}
		if tag != nil {
			g.adv.Peeled[name] = commit.Hash
		}
	}
	return pack.Close()
}

const maxBundleLine = 64 << 10 // bytes of a line in the header of a bundle

// readBundleHeader reads the header of a bundle, adds its refs to adv, and returns the number of
// bytes in the header. A bundle that is not complete, because it depends on other commits or lacks
// files, is an error.
func readBundleHeader(r *bufio.Reader, adv *packp.AdvRefs) (size int64, err error) {
	for first := true; ; first = false {
		data, err := r.ReadSlice('\n')
		if size += int64(len(data)); err != nil || size > maxGitRefs {
			return 0, errNoBundle
		}
		line := strings.TrimSuffix(string(data), "\n")
		if first {
			if line != "# v2 git bundle" && line != "# v3 git bundle" {
				return 0, errNoBundle
			}
			continue
		}
		if line == "" {
			break
		}
		if err := addBundleLine(line, adv); err != nil {
			return 0, err
		}
	}
	if len(adv.References) == 0 {
		return 0, errNoRefs
	}
	return size, nil
}

// These are errors of bundles.
var (
	errNoBundle = errors.New("the blob is not a git bundle of version 2 or 3")
	errNoRefs   = errors.New("it has no refs")
)

func addBundleLine(line string, adv *packp.AdvRefs) error {
	if capability, ok := strings.CutPrefix(line, "@"); ok {
		switch {
		case capability == "object-format=sha1":
			return nil
		case capability == "object-format=sha256":
			return errSHA256
		}
		return fmt.Errorf("the capability %q of the bundle is not supported", oneline.Excerpt(capability))
	}
	if missing, ok := strings.CutPrefix(line, "-"); ok {
		return fmt.Errorf("the bundle is not complete: it depends on the commit %q", oneline.Excerpt(missing))
	}
	hash, name, ok := strings.Cut(line, " ")
	if !ok || !plumbing.IsHash(hash) {
		return errNoBundle
	}
	adv.References[name] = plumbing.NewHash(hash)
	return nil
}

// AdvertisedReferencesContext returns the refs of the bundle.
func (g *bundleGit) AdvertisedReferencesContext(context.Context) (*packp.AdvRefs, error) {
	return g.adv, nil
}

// UploadPack returns the pack of the bundle.
func (g *bundleGit) UploadPack(ctx context.Context, req *packp.UploadPackRequest) (*packp.UploadPackResponse, error) {
	content, err := g.s.Store.OpenContext(ctx, g.file)
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, content, g.header); err != nil {
		return nil, errors.Join(err, content.Close())
	}
	return packp.NewUploadPackResponseWithPackfile(req, content), nil
}

// Close implements [io.Closer]. It does nothing.
func (g *bundleGit) Close() error { return nil }

// bundle returns a directory whose only file is a bundle of the fetched commit with its history.
// The bundle contains the pack of the server, so its bytes may depend on the server.
func (r *gitReader) bundle(g *Git, repo *gitRepository, commit plumbing.Hash) (*tree.Node, error) {
	pack, ok := repo.EncodedObjectStorer.(*gitPack)
	if !ok {
		return nil, errors.New("the objects of the repository are not in a pack")
	}
	info, err := pack.file.Stat()
	if err != nil {
		return nil, err
	}
	name, object := g.bundleRef(), g.object
	if strings.HasPrefix(name, "refs/heads/") {
		object = commit.String() // a branch cannot point to a tag
	}
	header := fmt.Sprintf("# v2 git bundle\n%s %s\n\n", object, name)
	size := int64(len(header)) + info.Size()
	if err := r.left.spend(gitBudget{files: 1, bytes: size}); err != nil {
		return nil, err
	}
	b, err := r.s.Store.Put(io.MultiReader(strings.NewReader(header), io.NewSectionReader(pack.file, 0, info.Size())))
	if err != nil {
		return nil, err
	}
	return tree.NewDir(r.meta(0o755), []tree.Entry{{Name: bundleFile, Node: tree.NewFile(r.meta(0o644), b)}})
}

// bundleRef returns the full name of the ref in the bundle of the source.
//
// Upstream: a tag is only a tag if the source contains its full name. Otherwise, it becomes a
// branch, and a commit becomes the branch main.
func (g *Git) bundleRef() string {
	switch {
	case isCommit(g.shortRef):
		return "refs/heads/main"
	case strings.HasPrefix(g.shortRef, "refs/tags/"):
		return g.shortRef
	}
	return "refs/heads/" + strings.TrimPrefix(strings.TrimPrefix(g.shortRef, "refs/"), "heads/")
}
