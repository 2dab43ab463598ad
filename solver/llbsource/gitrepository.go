package llbsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// gitRepository gives access to a fetched commit and to the git objects that belong to it.
type gitRepository struct {
	storer.EncodedObjectStorer
	remote   string
	close    func()                     // removes the objects
	contents map[plumbing.Hash]*gitFile // files that have been read, by object hash
}

// sourceRepository fetches a commit or a tag of the source itself.
func (r *gitReader) sourceRepository(ctx context.Context, hash plumbing.Hash) (*gitRepository, error) {
	session, err := r.s.sourceSession(ctx, r.o)
	if err != nil {
		return nil, err
	}
	repo, err := r.repository(ctx, session, hash, r.o.asBundle)
	if err == nil {
		repo.remote = r.o.remote // not the bundle: URLs of submodules may be relative to it
	}
	return repo, err
}

// repository fetches a commit or a tag from a remote, and closes the session. If history is set, it
// also fetches all earlier commits. The caller must call the close method of the result after
// reading the files.
func (r *gitReader) repository(ctx context.Context, session *gitSession, hash plumbing.Hash, history bool) (*gitRepository, error) {
	if err := os.MkdirAll(r.s.Temp, 0o700); err != nil {
		return nil, errors.Join(err, session.Close())
	}
	pack, err := session.fetch(ctx, hash, packTarget{r.s.Temp, maxPackMemory - r.packs}, history)
	if closeErr := session.Close(); err == nil && closeErr != nil {
		err = errors.Join(closeErr, pack.Close())
	}
	if err != nil {
		return nil, err
	}
	r.packs += pack.memory()
	return &gitRepository{EncodedObjectStorer: pack, remote: session.remote, contents: map[plumbing.Hash]*gitFile{}, close: func() {
		r.packs -= pack.memory()
		_ = pack.Close() // the pack has been read
	}}, nil
}

// peel follows annotated tags from the object with the given hash to a commit. It also
// returns the raw object of the first tag, or nil if the object is a commit.
func (r *gitRepository) peel(hash plumbing.Hash) (*object.Commit, []byte, error) {
	var first []byte
	for range maxLinksOfTags {
		tag, err := object.GetTag(r, hash)
		if errors.Is(err, plumbing.ErrObjectNotFound) {
			commit, err := object.GetCommit(r, hash)
			if err != nil {
				return nil, nil, fmt.Errorf("commit %s: %w", hash, err)
			}
			return commit, first, nil
		}
		if err == nil && first == nil {
			first, err = r.raw(plumbing.TagObject, hash)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("tag %s: %w", hash, err)
		}
		hash = tag.Target
	}
	return nil, nil, fmt.Errorf("%s is a tag of too many tags", hash)
}

// maxLinksOfTags is the maximum number of annotated tags between a ref and a commit. It limits
// chains of tags that point to other tags.
const maxLinksOfTags = 10

// raw returns the bytes of a git object without the header. An object of more than 1 MiB
// is an error.
func (r *gitRepository) raw(kind plumbing.ObjectType, hash plumbing.Hash) ([]byte, error) {
	o, err := r.EncodedObject(kind, hash)
	if err != nil {
		return nil, err
	}
	rd, err := o.Reader()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(rd, maxGitText+1))
	if len(data) > maxGitText {
		err = fmt.Errorf("%s has more than %d bytes", hash, maxGitText)
	}
	return data, errors.Join(err, rd.Close())
}
