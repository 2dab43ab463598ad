package corpus

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/go-archive/compression"
	"github.com/moby/patternmatcher"
	"github.com/opencontainers/go-digest"
)

// tree maps the paths of files to their content. The paths have no leading slash.
type tree map[string][]byte

// evaluate returns the files in the result of an LLB definition. It supports only sources and
// file operations that copy, unpack or create files, because frontends read files only from
// these operations.
func (c *Client) evaluate(def *pb.Definition) (tree, error) {
	ops := map[string]*pb.Op{}
	var last *pb.Op
	for _, data := range def.Def {
		last = &pb.Op{}
		if err := last.UnmarshalVT(data); err != nil {
			return nil, err
		}
		ops[string(digest.FromBytes(data))] = last
	}
	if last == nil || len(last.Inputs) != 1 {
		return nil, errors.New("the definition names no result")
	}
	return c.evaluateOp(ops, last.Inputs[0])
}

func (c *Client) evaluateOp(ops map[string]*pb.Op, in *pb.Input) (tree, error) {
	op := ops[in.Digest]
	if op == nil {
		return nil, fmt.Errorf("no operation %s", in.Digest)
	}
	if src := op.GetSource(); src != nil {
		return c.source(src)
	}
	if op.GetFile() == nil {
		return nil, fmt.Errorf("cannot execute %T without a builder", op.Op)
	}
	var trees []tree
	for _, in := range op.Inputs {
		t, err := c.evaluateOp(ops, in)
		if err != nil {
			return nil, err
		}
		trees = append(trees, t)
	}
	outputs := map[int64]tree{}
	for _, action := range op.GetFile().Actions {
		t, err := runAction(action, trees)
		if err != nil {
			return nil, err
		}
		trees = append(trees, t)
		outputs[action.Output] = t
	}
	return outputs[in.Index], nil
}

func runAction(action *pb.FileAction, trees []tree) (tree, error) {
	at := func(i int64) tree {
		if i < 0 || i >= int64(len(trees)) {
			return tree{}
		}
		return trees[i]
	}
	out := maps.Clone(at(action.Input))
	switch {
	case action.GetCopy() != nil:
		copyInto(out, at(action.SecondaryInput), action.GetCopy())
		return out, nil
	case action.GetMkfile() != nil:
		out[clean(action.GetMkfile().Path)] = action.GetMkfile().Data
		return out, nil
	case action.GetMkdir() != nil:
		return out, nil
	}
	return nil, fmt.Errorf("cannot execute %T without a builder", action.Action)
}

func copyInto(dst, src tree, cp *pb.FileActionCopy) {
	from, to := clean(cp.Src), clean(cp.Dest)
	if data, ok := src[from]; ok {
		if cp.AttemptUnpackDockerCompatibility {
			if files, err := untar(data); err == nil {
				for name, data := range files {
					dst[clean(to+"/"+name)] = data
				}
				return
			}
		}
		if strings.HasSuffix(cp.Dest, "/") {
			to = path.Join(to, path.Base(from))
		}
		dst[clean(to)] = data
		return
	}
	for name, data := range src {
		if from == "." {
			dst[clean(to+"/"+name)] = data
		} else if rest, ok := strings.CutPrefix(name, from+"/"); ok {
			dst[clean(to+"/"+rest)] = data
		}
	}
}

func untar(data []byte) (tree, error) {
	r, err := compression.DecompressStream(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	files := tree{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag == tar.TypeReg {
			if files[clean(h.Name)], err = io.ReadAll(tr); err != nil {
				return nil, err
			}
		}
	}
}

func (c *Client) source(op *pb.SourceOp) (tree, error) {
	scheme, rest, _ := strings.Cut(op.Identifier, "://")
	switch scheme {
	case "local":
		return c.local(rest, op.Attrs)
	case "http", "https":
		data, ok := c.c.File("http/" + op.Identifier)
		if !ok {
			return nil, errors.New("invalid response status 404 Not Found")
		}
		name := op.Attrs[pb.AttrHTTPFilename]
		if name == "" {
			name = path.Base(op.Identifier)
		}
		return tree{clean(name): data}, nil
	case "git":
		files := c.c.Tree("git")
		if len(files) == 0 {
			return nil, fmt.Errorf("failed to fetch remote %s", rest)
		}
		return files, nil
	}
	return nil, fmt.Errorf("cannot read %s without a builder", op.Identifier)
}

// local returns the files of the local directory called name, such as "context". The parameter
// attrs contains the attributes of the source operation, whose patterns include or exclude
// files.
func (c *Client) local(name string, attrs map[string]string) (tree, error) {
	files, ok := c.c.Local(name)
	if !ok {
		return nil, fmt.Errorf("no access allowed to dir %q", name)
	}
	follow, err := jsonList(attrs[pb.AttrFollowPaths])
	if err != nil {
		return nil, err
	}
	exclude, err := jsonList(attrs[pb.AttrExcludePatterns])
	if err != nil {
		return nil, err
	}
	pm, err := patternmatcher.New(exclude)
	if err != nil {
		return nil, err
	}
	out := tree{}
	for file, data := range files {
		excluded, err := pm.MatchesOrParentMatches(file)
		if err != nil {
			return nil, err
		}
		if !excluded && (len(follow) == 0 || matchesFollow(file, follow)) {
			out[file] = data
		}
	}
	return out, nil
}

// matchesFollow reports whether the FollowPaths of a local source select the file. An element
// of FollowPaths selects the file if it equals the path of the file or of a parent directory,
// or matches one of them as a pattern.
func matchesFollow(file string, follow []string) bool {
	for _, f := range follow {
		f = clean(f)
		for p := file; p != "." && p != "/"; p = path.Dir(p) {
			if ok, err := path.Match(f, p); ok && err == nil || p == f {
				return true
			}
		}
		if f == "." {
			return true
		}
	}
	return false
}

func jsonList(s string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	var list []string
	err := json.Unmarshal([]byte(s), &list)
	return list, err
}
