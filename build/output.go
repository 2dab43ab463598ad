package build

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/export"
	"slipway/solver/tree"
)

// Output is where a result goes, and as what.
type Output struct {
	Type string // oci, docker, tar, local or image
	Dest string // file or directory; "-" is standard output
	Name string // of the image; "" are the tags of the build
	Push bool   // image: to its registry
}

// ParseOutput reads the value of --output: type=TYPE,dest=PATH, the path of a
// directory, or - for an archive on standard output.
func ParseOutput(value string) (Output, error) {
	if value == "-" {
		return Output{Type: "tar", Dest: "-"}, nil
	}
	if !strings.Contains(value, "=") {
		return Output{Type: "local", Dest: value}, nil
	}
	fields, err := csv.NewReader(strings.NewReader(value)).Read()
	if err != nil {
		return Output{}, fmt.Errorf("invalid output %q: %w", value, err)
	}
	var o Output
	for _, f := range fields {
		k, v, _ := strings.Cut(f, "=")
		switch k {
		case "type":
			o.Type = v
		case "dest":
			o.Dest = v
		case "name":
			o.Name = v
		case "push":
			o.Push = v == "true"
		default:
			return Output{}, fmt.Errorf("invalid output %q: unknown field %q, there are type, dest, name and push", value, k)
		}
	}
	return o, o.check()
}

func (o Output) check() error {
	switch o.Type {
	case "oci", "docker", "tar", "local":
		if o.Dest == "" {
			return fmt.Errorf("output %s needs dest=PATH", o.Type)
		}
		if o.Type == "local" && o.Dest == "-" {
			return errors.New("output local cannot go to standard output")
		}
	case "image":
		if !o.Push {
			return errors.New("output image needs push=true: there is no image store here; or use type=docker,dest=FILE")
		}
	case "":
		return errors.New("the output has no type=TYPE: oci, docker, tar, local or image")
	default:
		return fmt.Errorf("unknown output type %q, there are oci, docker, tar, local and image", o.Type)
	}
	return nil
}

// write writes the results as asked.
func (s *state) write(ctx context.Context, o *Options, results []export.Result) error {
	x := s.exporter(o)
	for _, out := range o.Outputs {
		var err error
		switch out.Type {
		case "local", "tar":
			err = s.writeFiles(out, results)
		default:
			err = writeImage(ctx, x, o, out, results)
		}
		if err != nil {
			return fmt.Errorf("output %s: %w", out.Type, err)
		}
	}
	return nil
}

// writeImage writes an image, or an index of several.
func writeImage(ctx context.Context, x *export.Exporter, o *Options, out Output, results []export.Result) error {
	names, err := imageNames(o, out)
	if err != nil {
		return err
	}
	var images []v1.Image
	var list []ocispecs.Platform
	for _, r := range results {
		img, err := x.Image(ctx, r)
		if err != nil {
			return err
		}
		images, list = append(images, img), append(list, r.Platform)
	}
	var what partial.Describable = images[0]
	if len(images) > 1 {
		if out.Type == "docker" {
			return errors.New("the archive of docker load holds one platform; use type=oci")
		}
		if what, err = export.Index(images, list); err != nil {
			return err
		}
	}
	switch out.Type {
	case "oci":
		return toFile(out.Dest, func(w io.Writer) error { return export.WriteOCI(w, what, names) })
	case "docker":
		return toFile(out.Dest, func(w io.Writer) error { return export.WriteDocker(w, images[0], names) })
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

// imageNames returns the full names of the image.
func imageNames(o *Options, out Output) ([]string, error) {
	tags := o.Tags
	if out.Name != "" {
		tags = strings.Split(out.Name, ",")
	}
	var names []string
	for _, t := range tags {
		ref, err := reference.ParseNormalizedNamed(t)
		if err != nil {
			return nil, fmt.Errorf("image name %q: %w", t, err)
		}
		names = append(names, reference.TagNameOnly(ref).String())
	}
	return names, nil
}

// toFile writes a file whole or not at all.
func toFile(dest string, write func(io.Writer) error) error {
	if dest == "-" {
		return write(os.Stdout)
	}
	return export.WriteFile(dest, write)
}

// writeFiles writes the files of the results: of several platforms each into a
// directory of its own, as BuildKit does.
func (s *state) writeFiles(out Output, results []export.Result) error {
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
		return export.WriteDir(out.Dest, root, s.store)
	}
	return toFile(out.Dest, func(w io.Writer) error {
		return tree.WriteLayer(w, nil, root, s.store, tree.LayerOptions{Latest: results[0].Created})
	})
}
