// Command cachekeys computes cache maps of LLB operations and digests of files with BuildKit's
// own code. It reads questions from standard input and writes answers to standard output, as
// lines of JSON. It is a separate program because BuildKit's code has many dependencies.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/moby/buildkit/cache"
	"github.com/moby/buildkit/cache/contenthash"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/snapshot"
	"github.com/moby/buildkit/solver"
	"github.com/moby/buildkit/solver/llbsolver/ops"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/sys/user"
	"github.com/opencontainers/go-digest"
)

// A question is one request from standard input. If Op is not nil, the request is for the
// cache map of the LLB operation Op, otherwise for the digest of files in the directory Dir.
type question struct {
	Op []byte

	Dir, Path string
	contenthash.ChecksumOpts
}

type answer struct {
	Digest digest.Digest
	Inputs []input
	Error  string
}

type input struct {
	Selector  digest.Digest
	ByContent bool
}

func main() {
	out := json.NewEncoder(os.Stdout)
	in := json.NewDecoder(bufio.NewReader(os.Stdin))
	for in.More() {
		var q question
		if err := in.Decode(&q); err != nil {
			log.Fatal(err)
		}
		var a answer
		var err error
		if q.Op != nil {
			a, err = operation(q.Op)
		} else {
			a.Digest, err = files(q)
		}
		if err != nil {
			a.Error = err.Error()
		}
		if err := out.Encode(a); err != nil {
			log.Fatal(err)
		}
	}
}

// vertex is a stub of a solver vertex. It contains an LLB operation, and as many empty
// inputs as the operation has.
type vertex struct{ op *pb.Op }

func (v vertex) Digest() digest.Digest         { return "" }
func (v vertex) Sys() any                      { return v.op }
func (v vertex) Options() solver.VertexOptions { return solver.VertexOptions{} }
func (v vertex) Inputs() []solver.Edge         { return make([]solver.Edge, len(v.op.Inputs)) }
func (v vertex) Name() string                  { return "" }

func operation(data []byte) (answer, error) {
	var op pb.Op
	if err := op.UnmarshalVT(data); err != nil {
		return answer{}, err
	}
	v := vertex{&op}
	var o solver.Op
	var err error
	switch x := op.Op.(type) {
	case *pb.Op_Exec:
		o, err = ops.NewExecOp(v, x, op.Platform, nil, nil, nil, nil, nil, nil, false)
	case *pb.Op_File:
		o, err = ops.NewFileOp(v, x, nil, nil, nil)
	case *pb.Op_Merge:
		o, err = ops.NewMergeOp(v, x, nil)
	case *pb.Op_Diff:
		o, err = ops.NewDiffOp(v, x, nil)
	case *pb.Op_Passthrough:
		o, err = ops.NewPassthroughOp(v, x)
	case *pb.Op_Build:
		o, err = ops.NewBuildOp(v, x, nil, nil)
	default:
		err = fmt.Errorf("operation %T", op.Op)
	}
	if err != nil {
		return answer{}, err
	}
	m, _, err := o.CacheMap(context.Background(), nil, 0)
	if err != nil {
		return answer{}, err
	}
	a := answer{Digest: m.Digest}
	for _, d := range m.Deps {
		a.Inputs = append(a.Inputs, input{d.Selector, d.ComputeDigestFunc != nil})
	}
	return a, nil
}

func files(q question) (digest.Digest, error) {
	c, err := contenthash.GetCacheContext(context.Background(), &directory{path: q.Dir})
	if err != nil {
		return "", err
	}
	return c.Checksum(context.Background(), &directory{path: q.Dir}, filepath.Join("/", q.Path), q.ChecksumOpts, nil)
}

// directory represents a directory of the host as a BuildKit snapshot.
type directory struct {
	cache.RefMetadata
	path string
}

func (d *directory) ID() string                         { return d.path }
func (d *directory) GetExternal(string) ([]byte, error) { return nil, errors.New("nothing is kept") }
func (d *directory) SetExternal(string, []byte) error   { return nil }

func (d *directory) Mount(context.Context, bool, session.Group) (snapshot.Mountable, error) {
	return bind{d.path}, nil
}

type bind struct{ path string }

func (b bind) Mount() ([]mount.Mount, func() error, error) {
	return []mount.Mount{{Type: "bind", Source: b.path, Options: []string{"rbind"}}}, func() error { return nil }, nil
}

func (b bind) IdentityMapping() *user.IdentityMapping { return nil }
