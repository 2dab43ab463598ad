package corpus

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	fstypes "github.com/tonistiigi/fsutil/types"
)

// reference implements the result of a solve. Like a daemon, it does not access a source
// before a file is requested.
type reference struct {
	client *Client
	solve  *solve
}

var _ gateway.Reference = (*reference)(nil)

// ToState returns the solved definition as an LLB state.
func (r *reference) ToState() (llb.State, error) {
	op, err := llb.NewDefinitionOp(r.solve.req.Definition)
	if err != nil {
		return llb.State{}, err
	}
	return llb.NewState(op), nil
}

func (r *reference) files() (tree, error) {
	if r.solve.req.Frontend != "" {
		return nil, errors.New("cannot run a frontend without a builder")
	}
	return r.client.evaluate(r.solve.req.Definition)
}

// Evaluate returns an error if a source of the solved definition does not exist.
func (r *reference) Evaluate(context.Context) error {
	_, err := r.files()
	return err
}

// ReadFile returns the content of a file. For an empty file it returns nil, as a gRPC client
// does.
func (r *reference) ReadFile(_ context.Context, req gateway.ReadRequest) ([]byte, error) {
	files, err := r.files()
	if err != nil {
		return nil, err
	}
	data, ok := files[clean(req.Filename)]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: req.Filename, Err: syscall.ENOENT}
	}
	if req.Range != nil {
		if req.Range.Offset < 0 || req.Range.Length < 0 {
			return nil, fmt.Errorf("invalid range for %s", req.Filename)
		}
		start := min(req.Range.Offset, len(data))
		data = data[start:min(start+req.Range.Length, len(data))]
	}
	if len(data) == 0 {
		return nil, nil
	}
	return slices.Clone(data), nil
}

// StatFile returns the type of a file and, if the file is regular, its size.
func (r *reference) StatFile(_ context.Context, req gateway.StatRequest) (*fstypes.Stat, error) {
	files, err := r.files()
	if err != nil {
		return nil, err
	}
	name := clean(req.Path)
	if data, ok := files[name]; ok {
		return &fstypes.Stat{Path: path.Base(name), Mode: 0o644, Size: int64(len(data))}, nil
	}
	for file := range files {
		if name == "." || strings.HasPrefix(file, name+"/") {
			return &fstypes.Stat{Path: path.Base(name), Mode: uint32(fs.ModeDir | 0o755)}, nil
		}
	}
	return nil, &fs.PathError{Op: "lstat", Path: req.Path, Err: syscall.ENOENT}
}

// ReadDir returns the entries of a directory, sorted by name. If req.IncludePattern is not "",
// it returns only the entries whose names match the pattern.
func (r *reference) ReadDir(_ context.Context, req gateway.ReadDirRequest) ([]*fstypes.Stat, error) {
	files, err := r.files()
	if err != nil {
		return nil, err
	}
	prefix := clean(req.Path) + "/"
	if prefix == "./" {
		prefix = ""
	}
	entries := map[string]*fstypes.Stat{}
	for file, data := range files {
		rest, ok := strings.CutPrefix(file, prefix)
		if !ok {
			continue
		}
		name, _, isDir := strings.Cut(rest, "/")
		if ok, err := path.Match(req.IncludePattern, name); err != nil || !ok && req.IncludePattern != "" {
			continue
		}
		entries[name] = &fstypes.Stat{Path: name, Mode: 0o644, Size: int64(len(data))}
		if isDir {
			entries[name] = &fstypes.Stat{Path: name, Mode: uint32(fs.ModeDir | 0o755)}
		}
	}
	var out []*fstypes.Stat
	for _, name := range sortedKeys(entries) {
		out = append(out, entries[name])
	}
	return out, nil
}

// clean returns name as a path relative to the root, for example "a/b" for "/a/./b". The root
// itself is ".".
func clean(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		return "."
	}
	return name
}
