package builder

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/moby/buildkit/exporter/containerimage/exptypes"

	"slipway/builder/engine"
	"slipway/solver/export"
	"slipway/solver/track"
)

// buildResult is the result of a build, with the images or files of all platforms.
type buildResult struct {
	results []export.PlatformResult // one for each platform
	// isMap is set if the frontend returned a map of platforms, even with only one element. In
	// this case, an image output is an index, and an output of files has a directory for each
	// platform.
	isMap bool
	// metadata is the metadata of the frontend's result, which may contain annotations.
	metadata map[string][]byte
}

// write writes a build result to all outputs. In res, it records the digests and names of exported
// images and, if o.Measure is set, the sizes of the layers.
func (s *localBuilder) write(ctx context.Context, o *Options, p *progress, b buildResult, res *Result) error {
	x := s.exporter(o)
	described := false
	for i, out := range o.Outputs {
		if out.Type == "cacheonly" {
			continue
		}
		described = described || out.isImage()
		err := p.step(ctx, fmt.Sprintf("export %d", i), out.exporter(), func(ctx context.Context) error {
			results, err := out.withAttrs(b.results)
			b := buildResult{results, b.isMap, b.metadata}
			switch {
			case err != nil:
				return err
			case out.isImage():
				return s.writeImage(ctx, x, o, imageOutput{out, i, res}, b)
			}
			return s.writeFiles(ctx, o, out, b)
		})
		if err != nil {
			return fmt.Errorf("output %s: %w", out.Type, err)
		}
	}
	if o.Describe && !described {
		image := Output{Type: "image"}
		err := p.step(ctx, "describe", image.exporter(), func(ctx context.Context) error {
			_, err := makeImage(ctx, x, o, imageOutput{image, 0, res}, b)
			return err
		})
		if err != nil {
			return err
		}
	}
	if !o.Measure {
		return nil
	}
	var err error
	res.Measured, err = measure(x, b.results)
	return err
}

// exporter returns the name that the progress output shows for the step that writes the
// output, such as "exporting to image". These names are the same as in BuildKit.
func (o Output) exporter() string {
	switch o.Type {
	case "local":
		return "exporting to client directory"
	case "tar":
		return "exporting to client tarball"
	case "image":
		return "exporting to image"
	}
	return "exporting to " + o.Type + " image format"
}

// imageOutput is an output that writes an image.
type imageOutput struct {
	Output
	index  int     // in Options.Outputs
	result *Result // receives names and digests
}

// writeImage creates an image or an index, and writes it to its destination: a file, an
// engine, a registry or the state directory.
func (s *localBuilder) writeImage(ctx context.Context, x *export.Exporter, o *Options, out imageOutput, b buildResult) error {
	names, err := imageNames(o, out.Output)
	if err != nil {
		return err
	}
	if x.Layers.Compression, err = out.compression(); err != nil {
		return err
	}
	x.Types = out.mediaTypes()
	root, err := makeImage(ctx, x, o, out, b)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		out.result.Exported[exptypes.ExporterImageNameKey] = strings.Join(names, ",")
	}
	switch {
	case out.isDir() && out.To != nil:
		return out.toStore(ctx, root.WithNames(names))
	case out.isDir():
		return writeLayout(ctx, out.Dest, root.WithNames(names))
	case out.Type == "oci":
		return s.writeArchive(ctx, out, func(w io.Writer) error { return export.WriteOCI(w, root.WithNames(names)) })
	case out.Type == "docker":
		write := func(w io.Writer) error { return export.WriteDocker(w, root.WithNames(names)) }
		if !out.Load {
			return s.writeArchive(ctx, out, write)
		}
		err = toEngine(ctx, o.log(), write)
	case out.Type == "image":
		if out.Push {
			byDigest, _ := strconv.ParseBool(out.Attrs[byDigestAttr]) // checked with the options
			err = s.push(ctx, root, names, out.isInsecure(), byDigest)
		}
	}
	if err != nil {
		return err
	}
	return s.storeImage(ctx, root, names, o.stores(out.Output))
}

// push pushes an image or an index under each of the given names or, if byDigest is set, only under
// its digest in the repositories of the names.
func (s *localBuilder) push(ctx context.Context, root *export.Root, names []string, insecure, byDigest bool) error {
	for _, n := range names {
		repo, err := s.registry.Repository(ctx, n, insecure)
		if err == nil {
			err = push(ctx, repo, n, root.Content, byDigest)
		}
		if err != nil {
			return fmt.Errorf("push %s: %w", n, err)
		}
	}
	return nil
}

// writeArchive writes an archive to the receiver of an output or, if it has none, to its file.
func (s *localBuilder) writeArchive(ctx context.Context, out imageOutput, write func(io.Writer) error) error {
	if out.To == nil {
		return s.toFile(ctx, out.Dest, write)
	}
	t := track.Start(ctx, "sending tarball", 0)
	defer t.Done()
	return out.toReceiver(ctx, out.result.Exported, func(w io.Writer) error { return write(t.Writer(export.Writer(ctx, w))) })
}

// toFile writes an archive to a file atomically, or to standard output if dest is "-".
func (s *localBuilder) toFile(ctx context.Context, dest string, write func(io.Writer) error) error {
	t := track.Start(ctx, "sending tarball", 0)
	defer t.Done()
	tracked := func(w io.Writer) error { return write(t.Writer(w)) }
	if dest == stdin {
		return tracked(export.Writer(ctx, os.Stdout))
	}
	return s.Outputs().WriteFile(ctx, dest, tracked)
}

// toEngine starts docker load, sends it an archive, and copies the output of docker load to
// log. The callback write receives docker load's standard input and writes the archive to it.
func toEngine(ctx context.Context, log io.Writer, write func(io.Writer) error) error {
	l, err := engine.StartLoad(ctx)
	if err != nil {
		return err
	}
	t := track.Start(ctx, "sending tarball", 0)
	defer t.Done()
	writeErr := write(t.Writer(export.Writer(ctx, l.Input())))
	if ctx.Err() != nil {
		l.Abandon()
		return ctx.Err()
	}
	text, err := l.Finish() // if docker ended early, its error says why, and writeErr only that it ended
	if err == nil {
		err = writeErr
	}
	if err != nil && text == "" {
		return err
	}
	fmt.Fprintln(log, text)
	return err
}
