package llbsource

import (
	"context"
	"crypto/sha256"
	"io"

	"slipway/internal/regularfile"
	"slipway/solver/tree"
)

// Reading holds the files of a directory that a client has sent, as they were read. The next build
// uses it instead of reading the directory again, if the files are still the same. It is immutable.
type Reading struct {
	root  *tree.Node
	files int
	index indexVersion // of the index that lists the content of all files
}

// Files returns the number of files and directories.
func (r *Reading) Files() int { return r.files }

// Reusable reports whether the index listed all files, so that the next build can use the Reading.
func (r *Reading) Reusable() bool { return r.index != (indexVersion{}) }

// reread returns the files of a directory. If the parameter earlier is a Reading of the same files,
// and the store still has their content, it returns that one.
func (s *Sources) reread(ctx context.Context, name, dir string, index *Index, earlier *Reading) (*Reading, error) {
	if earlier != nil && earlier.Reusable() && index.isSaved(earlier.index) {
		return earlier, nil
	}
	r, err := s.read(ctx, name, dir, nil, index) // the client has applied the attributes
	if err != nil {
		return nil, err
	}
	reading := &Reading{root: r.e.Tree(), files: r.count}
	if r.indexed {
		reading.index = index.savedVersion()
	}
	return reading, nil
}

// indexVersion is the digest with which the file of an [Index] starts. The zero value is no version.
type indexVersion [sha256.Size]byte

// savedVersion returns the version of an index in its file, or the zero value if the index has
// entries that are not saved. The receiver x must not be nil.
func (x *Index) savedVersion() indexVersion {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.changed {
		return indexVersion{}
	}
	return x.saved
}

// isSaved reports whether the file of the index has the version v. A prune of the store that
// removes the content of an entry also changes the version, see [Index.Keep].
func (x *Index) isSaved(v indexVersion) bool {
	if x == nil {
		return false
	}
	f, err := regularfile.Open(x.file)
	if err != nil {
		return false
	}
	defer f.Close()
	var now indexVersion
	_, err = io.ReadFull(f, now[:])
	return err == nil && now == v
}
