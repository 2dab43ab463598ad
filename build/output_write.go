package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/containerd/platforms"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"

	"slipway/solver/export"
	"slipway/solver/tree"
)

// write writes the results as asked, and tells what was written.
func (s *state) write(ctx context.Context, o *Options, results []export.Result) (map[string]string, error) {
	exported := map[string]string{}
	x := s.exporter(o)
	described := false
	for _, out := range o.Outputs {
		var err error
		switch {
		case out.Type == "cacheonly":
			continue
		case out.isImage():
			described = true
			err = s.writeImage(ctx, x, o, imageOutput{out, exported}, results)
		default:
			err = s.writeFiles(ctx, out, results)
		}
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", out.Type, err)
		}
	}
	if !o.Describe || described {
		return exported, nil
	}
	_, err := makeImage(ctx, x, o, imageOutput{Output{Type: "oci"}, exported}, results)
	return exported, err
}

// imageOutput is an output that is an image.
type imageOutput struct {
	Output
	exported map[string]string // is told what it is
}

// writeImage writes an image, or an index of several.
func (s *state) writeImage(ctx context.Context, x *export.Exporter, o *Options, out imageOutput, results []export.Result) error {
	names, err := imageNames(o, out.Output)
	if err != nil {
		return err
	}
	if x.Layers.Compression, err = out.compression(); err != nil {
		return err
	}
	what, err := makeImage(ctx, x, o, out, results)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		out.exported[exptypes.ExporterImageNameKey] = strings.Join(names, ",")
	}
	switch out.Type {
	case "oci":
		return s.toFile(ctx, out.Dest, func(w io.Writer) error { return export.WriteOCI(w, what, names) })
	case "docker":
		img, ok := what.(v1.Image)
		if !ok {
			return errors.New("the archive of docker load holds one platform; use type=oci")
		}
		write := func(w io.Writer) error { return export.WriteDocker(w, img, names) }
		if out.Load {
			return toEngine(ctx, o.log(), write)
		}
		return s.toFile(ctx, out.Dest, write)
	}
	if len(names) == 0 {
		return errors.New("the image needs a name: -t NAME")
	}
	for _, n := range names {
		if err := push(ctx, n, what); err != nil {
			return fmt.Errorf("push %s: %w", n, err)
		}
	}
	return nil
}

func push(ctx context.Context, ref string, what partial.Describable) error {
	tag, err := name.ParseReference(ref)
	if err != nil {
		return err
	}
	opts := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	if idx, ok := what.(v1.ImageIndex); ok {
		return remote.WriteIndex(tag, idx, opts...)
	}
	return remote.Write(tag, what.(v1.Image), opts...)
}

// toFile writes a file whole or not at all.
func (s *state) toFile(ctx context.Context, dest string, write func(io.Writer) error) error {
	stoppable := func(w io.Writer) error { return write(export.Writer(ctx, w)) }
	if dest == stdin {
		return stoppable(os.Stdout)
	}
	if info, err := os.Stat(dest); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		f, err := os.OpenFile(dest, os.O_WRONLY, 0) // a device or a pipe
		if err != nil {
			return err
		}
		return errors.Join(stoppable(f), f.Close())
	}
	return s.outputs().WriteFile(ctx, dest, write)
}

// writeFiles writes the files of the results: of several platforms each into a
// directory of its own, as BuildKit does.
func (s *state) writeFiles(ctx context.Context, out Output, results []export.Result) error {
	root := results[0].Snapshot.Tree()
	if len(results) > 1 {
		var entries []tree.Entry
		for _, r := range results {
			dir := strings.ReplaceAll(platforms.FormatAll(r.Platform), "/", "_")
			entries = append(entries, tree.Entry{Name: dir, Node: r.Snapshot.Tree()})
		}
		var err error
		if root, err = tree.NewDir(tree.Meta{Mode: 0o755}, entries); err != nil {
			return err
		}
	}
	if out.Type == "local" {
		return s.outputs().WriteDir(ctx, out.Dest, root, s.store)
	}
	return s.toFile(ctx, out.Dest, func(w io.Writer) error {
		return tree.WriteLayer(w, nil, root, s.store, tree.LayerOptions{Latest: results[0].Created})
	})
}
