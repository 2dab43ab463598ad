package llbsource

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"slipway/solver/snapshot"
	"slipway/solver/track"

	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/gitutil"
	"github.com/opencontainers/go-digest"
)

// gitOptions holds the parsed identifier and attributes of a git source.
type gitOptions struct {
	remote         string // URL
	ref            string // branch, tag or commit; "" is the default branch
	subdir         string // without leading and trailing slashes; "" is the root
	checksum       string // expected commit of ref, or a prefix of it; "" accepts any commit
	fetchByCommit  bool   // fetch checksum without resolving ref
	skipSubmodules bool
	keepGitDir     bool             // the checkout contains .git, unless subdir is set
	advice         bool             // explain the state of .git to the user
	commitTimes    bool             // files get the time of the commit instead of the build's
	header, token  string           // names of the secrets with an Authorization header or a token
	agent          string           // ID of an SSH agent
	hosts          string           // content of a known_hosts file
	signature      *signaturePolicy // nil accepts commits without a signature
	bundle         *gitBundle       // contains the commits; nil fetches them from the remote
	asBundle       bool             // the checkout is a bundle instead of the files
}

var hexDigits = regexp.MustCompile("^[a-fA-F0-9]+$")

// parseGit reads the identifier and the attributes of a git source.
func parseGit(op *pb.SourceOp) (*gitOptions, error) {
	u, err := gitURL(strings.TrimPrefix(op.Identifier, "git://"))
	if err != nil {
		return nil, err
	}
	a := op.Attrs
	o := &gitOptions{
		remote: u.Remote, checksum: a[pb.AttrGitChecksum],
		fetchByCommit:  a[pb.AttrGitFetchByCommit] == "true",
		skipSubmodules: a[pb.AttrGitSkipSubmodules] == "true",
		keepGitDir:     a[pb.AttrKeepGitDir] == "true",
		advice:         a[pb.AttrGitAdvice] == "true",
		commitTimes:    a[pb.AttrGitMTime] == "commit",
		header:         a[pb.AttrAuthHeaderSecret], token: a[pb.AttrAuthTokenSecret],
		agent: a[pb.AttrMountSSHSock], hosts: a[pb.AttrKnownSSHHosts],
		signature: parseSignaturePolicy(a),
		asBundle:  a[pb.AttrGitCheckoutBundle] == "true",
	}
	if u.Opts != nil {
		o.ref, o.subdir = u.Opts.Ref, u.Opts.Subdir
	}
	if full := a[pb.AttrFullRemoteURL]; full != "" {
		remote, err := gitURL(full)
		if err != nil {
			return nil, fmt.Errorf("failed to parse %s: %w", pb.AttrFullRemoteURL, err)
		}
		if !strings.EqualFold(u.Host, remote.Host) || repositoryPath(u) != repositoryPath(remote) {
			return nil, errors.New(pb.AttrFullRemoteURL + " does not match source identifier")
		}
		o.remote = remote.Remote
	}
	if o.bundle, err = parseBundle(a); err != nil {
		return nil, err
	}
	return o, errors.Join(o.check(), o.checkBundle())
}

// gitURL parses the URL of a git remote. A URL without a scheme, such as
// github.com/moby/buildkit, uses HTTPS.
func gitURL(s string) (*gitutil.GitURL, error) {
	if !gitutil.IsGitTransport(s) {
		if scheme, _, ok := strings.Cut(s, "://"); ok {
			return nil, fmt.Errorf("git over %s:// is not allowed", scheme)
		}
		s = "https://" + s
	}
	return gitutil.ParseURL(s)
}

// repositoryPath returns the path in the URL u with a leading slash and without .git, so
// that different URLs of one repository can be compared.
func repositoryPath(u *gitutil.GitURL) string {
	return strings.TrimSuffix(path.Join("/", u.Path), ".git")
}

// hasGitDir reports whether the checkout contains the .git directory.
//
// Upstream: with a subdirectory, the option is ignored.
func (o *gitOptions) hasGitDir() bool { return o.keepGitDir && o.subdir == "" }

func (o *gitOptions) check() error {
	switch {
	case strings.HasPrefix(o.ref, "-"):
		return fmt.Errorf("invalid git ref %q", o.ref)
	case o.checksum != "" && !hexDigits.MatchString(o.checksum):
		return fmt.Errorf("invalid checksum %s for Git URL, expected hex commit hash", o.checksum)
	case isCommit(o.ref) && !strings.HasPrefix(o.ref, o.checksum):
		return fmt.Errorf("expected checksum to match %s, got %s", o.checksum, o.ref)
	case o.bundle != nil: // fetch-by-commit has no effect
	case o.fetchByCommit && !isCommit(o.ref) && o.checksum == "":
		return errors.New("fetch-by-commit requires a checksum or a commit SHA ref")
	case o.fetchByCommit && !isCommit(o.ref) && !isCommit(o.checksum):
		return fmt.Errorf("fetch-by-commit requires a full commit SHA checksum, got %q", o.checksum)
	}
	return nil
}

// isCommit reports whether ref is a full hash and not the name of a branch or tag.
func isCommit(ref string) bool { return gitutil.IsCommitSHA(ref) }

// Git is a git source that was resolved to a commit.
type Git struct {
	s        *Sources
	o        *gitOptions
	ref      string // full name of the ref, or a hash
	shortRef string // name of the ref in the source, name of the default branch, or a hash
	object   string // hash of a commit or an annotated tag
	commit   string // commit of the tag; "" if object is a commit or its type is unknown
}

// Digest implements [solver.Source]. The digest covers the commit and the selected part
// of the repository, but not the time of the checkout. If the checkout contains .git, the
// digest also covers the ref and the URL of the remote, which are in .git.
func (g *Git) Digest() digest.Digest {
	commit := g.object
	if g.commit != "" {
		commit = g.commit
	}
	text := fmt.Sprintf("git %s %q %t %t", commit, g.o.subdir, g.o.skipSubmodules, g.o.commitTimes)
	if g.o.hasGitDir() {
		text += fmt.Sprintf(" .git %q %q", redact(g.o.remote), g.shortRef)
	}
	if g.o.asBundle {
		text += fmt.Sprintf(" bundle %q %s", g.bundleRef(), g.object)
	}
	return digest.FromString(text)
}

// Fetch implements [solver.Source].
func (g *Git) Fetch(ctx context.Context) (*snapshot.Snapshot, error) {
	c, err := g.checkout(ctx)
	if err != nil {
		return nil, err
	}
	if g.o.advice && g.o.hasGitDir() {
		track.Log(ctx, fmt.Sprintf("HEAD in .git is the commit %s, not a branch (detached HEAD). To add commits to it, create a branch: git switch -c NAME", c.commit))
	}
	return snapshot.New(nil, nil).With(c.root), nil
}

// git resolves a git source to a commit, once per build.
func (s *Sources) git(ctx context.Context, op *pb.SourceOp) (*Git, error) {
	if s.HTTP == nil {
		return nil, errors.New("downloads are not allowed")
	}
	o, err := parseGit(op)
	if err != nil {
		return nil, err
	}
	return s.commits.Do(ctx, sourceKey(op), func(ctx context.Context) (*Git, error) {
		g, err := s.resolveGit(ctx, o)
		if err == nil {
			err = g.verify(ctx)
		}
		return g, err
	})
}

// sourceKey returns a key for a git source operation. Within a build, operations with
// equal keys share one fetch.
func sourceKey(op *pb.SourceOp) string { return fmt.Sprintf("%s %q", op.Identifier, op.Attrs) }

func (s *Sources) resolveGit(ctx context.Context, o *gitOptions) (*Git, error) {
	g := &Git{s: s, o: o}
	switch {
	case isCommit(o.ref):
		g.ref, g.shortRef, g.object = o.ref, o.ref, o.ref
		return g, nil
	case o.bundle != nil && o.ref == "":
		g.ref, g.shortRef, g.object = o.checksum, o.checksum, o.checksum
		return g, nil
	case o.fetchByCommit && o.bundle == nil:
		g.ref, g.object = o.ref, o.checksum
		if g.ref == "" {
			g.ref = o.checksum
		} else if !strings.HasPrefix(g.ref, "refs/") {
			g.ref = "refs/heads/" + g.ref
		}
		g.shortRef = g.ref
		return g, nil
	}
	found, err := s.refs.Do(ctx, o.refKey(), func(ctx context.Context) (gitRef, error) { return s.findRef(ctx, o) })
	if err != nil {
		return nil, err
	}
	if g.use(found) == nil {
		return g, nil
	}
	if found, err = s.findRef(ctx, o); err != nil { // the ref may have moved since
		return nil, err
	}
	return g, g.use(found)
}

// refKey returns a key for the ref of a source. Within a build, sources with equal keys have the same
// commit, even if the ref moves and their other attributes differ. The key covers which SSH server the
// source trusts.
func (o *gitOptions) refKey() string {
	key := fmt.Sprintf("%s#%s %q %q", o.remote, o.ref, o.agent, o.hosts)
	if o.bundle != nil {
		key += " " + o.bundle.locator
	}
	return key
}

// gitRef is a ref of a remote.
type gitRef struct {
	name   string // full name
	short  string // name in the source, or name of the default branch
	object string // hash of a commit or an annotated tag
	commit string // hash of the commit if object is an annotated tag, else ""
}

// findRef asks the remote for the ref of the source with the options o.
func (s *Sources) findRef(ctx context.Context, o *gitOptions) (gitRef, error) {
	session, err := s.sourceSession(ctx, o)
	if errors.Is(err, errSHA256) {
		refs, err := (&Git{s: s, o: o}).refsSHA256(ctx)
		if err != nil {
			return gitRef{}, err
		}
		return o.lookup(refs)
	}
	if err != nil {
		return gitRef{}, err
	}
	found, err := o.lookup(session.refs)
	return found, errors.Join(err, session.Close())
}

// use makes the ref the one of the source. It returns an error if the source requires another commit.
func (g *Git) use(r gitRef) error {
	g.ref, g.shortRef, g.object, g.commit = r.name, r.short, r.object, r.commit
	err := g.checkChecksum()
	if g.o.keepGitDir {
		g.commit = "" // .git contains the tag
	}
	return err
}

// lookup finds the requested ref among the refs of the remote. It tries a full name such as
// refs/pull/1/head, then a branch, then a tag. If the source requests no ref, lookup uses
// the default branch.
func (o *gitOptions) lookup(refs gitRefs) (gitRef, error) {
	ref := o.ref
	if ref == "" {
		if ref = refs.head; ref == "" {
			return gitRef{}, fmt.Errorf("could not find default branch for repository: %s", redact(o.remote))
		}
	}
	short := o.ref
	if short == "" {
		short = strings.TrimPrefix(ref, "refs/heads/")
	}
	for _, name := range []string{
		"refs/" + strings.TrimPrefix(ref, "refs/"),
		"refs/heads/" + strings.TrimPrefix(ref, "refs/heads/"),
		"refs/tags/" + strings.TrimPrefix(ref, "refs/tags/"),
	} {
		if hash, ok := refs.hash(name); ok {
			return gitRef{name, short, hash, refs.peeled[name]}, nil
		}
	}
	return gitRef{}, fmt.Errorf("repository does not contain ref %s%s", ref, refs.suggestion(ref))
}

func (g *Git) checkChecksum() error {
	want, got := g.o.checksum, g.object
	if strings.HasPrefix(g.object, want) || g.commit != "" && strings.HasPrefix(g.commit, want) {
		return nil
	}
	if g.commit != "" {
		got += " or " + g.commit
	}
	return fmt.Errorf("expected checksum to match %s, got %s", want, got)
}

// GitMetadata describes the commit to which a git source resolves.
type GitMetadata struct {
	Ref    string // full name, or a hash
	Object string // hash of a commit or an annotated tag
	Commit string // hash of the commit if Object is a tag, else ""

	CommitObject, TagObject []byte // raw git objects; nil unless requested
}

// ResolveGit resolves a git source to a commit. If objects is set, it also fetches the
// commit, and returns the raw commit and tag objects.
func (s *Sources) ResolveGit(ctx context.Context, op *pb.SourceOp, objects bool) (*GitMetadata, error) {
	g, err := s.git(ctx, op)
	if err != nil {
		return nil, err
	}
	md := &GitMetadata{Ref: g.ref, Object: g.object, Commit: g.commit}
	if !objects {
		return md, nil
	}
	c, err := g.checkout(ctx)
	if err != nil {
		return nil, err
	}
	md.CommitObject, md.TagObject = c.commitObject, c.tagObject
	if md.Commit = ""; c.tagObject != nil {
		md.Commit = c.commit
	}
	return md, nil
}

// CanonicalIdentifier returns the form of a source identifier that source policies match. For a git
// source, it is git://HOST/PATH#REF:DIRECTORY with a clean path and directory. Other identifiers,
// and invalid ones, stay unchanged.
func CanonicalIdentifier(id string) string {
	remote, ok := strings.CutPrefix(id, "git://")
	if !ok {
		return id
	}
	u, err := gitURL(remote)
	if err != nil {
		return id
	}
	canonical := "git://" + u.Host + path.Join("/", u.Path)
	if u.Opts == nil || u.Opts.Ref == "" && u.Opts.Subdir == "" {
		return canonical
	}
	canonical += "#" + u.Opts.Ref
	if u.Opts.Subdir != "" {
		canonical += ":" + u.Opts.Subdir
	}
	return canonical
}
