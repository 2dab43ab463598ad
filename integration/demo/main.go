package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"slipway/integration/frontendimage"
	"slipway/integration/imagetree"
	"slipway/integration/rig"
	"slipway/integration/toolbox"
)

// example is the build context of the demonstration, relative to the root of the
// repository.
const example = "examples/hello"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run runs the demonstration. It writes a heading and the result of each part to w, for
// example the content of the built image.
func run(ctx context.Context, w io.Writer) (err error) {
	root, err := toolbox.Root()
	if err != nil {
		return err
	}
	heading(w, "Start a builder (BuildKit) and a registry; the first time, they are compiled")
	r, err := rig.Start(ctx, rig.Options{Log: w})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()

	heading(w, "Make our frontend image and push it to the registry")
	if err := pushFrontend(ctx, w, r, root); err != nil {
		return err
	}
	heading(w, "Build "+example+"/Dockerfile, whose first line names that image")
	archive := filepath.Join(r.Dir, "hello.tar")
	if err := build(ctx, w, r, root, archive); err != nil {
		return err
	}
	heading(w, "What the built image holds")
	if err := show(w, archive, r.Dir); err != nil {
		return err
	}
	if err := r.Close(); err != nil {
		return err
	}
	heading(w, "Everything is stopped. What next")
	_, err = fmt.Fprint(w, `Change examples/hello/Dockerfile and run make demo-buildkit again: it takes seconds now.

With a builder and a registry of your own (here: localhost:5000):
  make push REGISTRY=localhost:5000 IMAGE_PLATFORMS=linux/amd64
  docker buildx build examples/hello
Any Dockerfile is built by Slipway once its first line is
  # syntax=localhost:5000/slipway/dockerfile:1

make conformance  runs BuildKit's own Dockerfile tests against the image
make              lists the other targets
`)
	return err
}

func heading(w io.Writer, text string) { fmt.Fprintf(w, "\n== %s\n", text) }

func pushFrontend(ctx context.Context, w io.Writer, r *rig.Rig, root string) error {
	start := time.Now()
	binaries, err := frontendimage.Compile(ctx, root, []v1.Platform{{OS: "linux", Architecture: runtime.GOARCH}})
	if err != nil {
		return err
	}
	index, err := frontendimage.Index(binaries)
	if err != nil {
		return err
	}
	if err := r.PushImage(ctx, "slipway/dockerfile:1", index); err != nil {
		return err
	}
	fmt.Fprintf(w, "%s/slipway/dockerfile:1 (%.1f MB, compiled in %s)\n",
		rig.Registry, float64(len(binaries[0].Content))/1e6, time.Since(start).Round(time.Second))
	return nil
}

func build(ctx context.Context, w io.Writer, r *rig.Rig, root, archive string) error {
	args := []string{
		"--addr", r.Socket, "build", "--progress=plain",
		"--frontend", "dockerfile.v0", "--local", "context=" + example, "--local", "dockerfile=" + example,
		"--output", "type=oci,dest=" + archive,
	}
	fmt.Fprintf(w, "$ buildctl %s\n", strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, r.Buildctl, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, w, w
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("buildctl: %w", err)
	}
	return nil
}

// show prints the config of the image in archive, and the files of each layer. For a layer
// with many files, such as the base layer, it prints only the number of files.
func show(w io.Writer, archive, tmp string) error {
	index, err := imagetree.Open(archive, tmp)
	if err != nil {
		return err
	}
	images, err := imagetree.Read(index, imagetree.Options{})
	if err != nil {
		return err
	}
	const long = 20 // layers with more files are shown as a number of files
	for _, image := range images {
		for i, layer := range image.Layers {
			if len(layer) > long {
				fmt.Fprintf(w, "layer %d: %d files (base image)\n", i, len(layer))
				continue
			}
			fmt.Fprintf(w, "layer %d:\n", i)
			for _, e := range layer {
				fmt.Fprintf(w, "  %s\n", e)
			}
		}
		fmt.Fprintf(w, "config: %s\n", image.Config)
	}
	return nil
}
