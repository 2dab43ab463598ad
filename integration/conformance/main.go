package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"slipway/integration/frontendimage"
	"slipway/integration/rig"
	"slipway/integration/toolbox"
)

func main() {
	image := flag.String("image", "ours", "`image` to test: ours, upstream, or the file of an OCI archive")
	pattern := flag.String("run", "", "only tests that match this `regexp`, without slashes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ok, err := run(ctx, *image, *pattern)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

func run(ctx context.Context, image, pattern string) (ok bool, err error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return false, errors.New("BuildKit's tests name linux/amd64 images; run this on linux/amd64")
	}
	expected, err := expectedFor(image)
	if err != nil {
		return false, err
	}
	if err := rig.EnsurePackages(ctx, os.Stderr); err != nil {
		return false, err
	}
	root, err := toolbox.Root()
	if err != nil {
		return false, err
	}
	tmp, err := os.MkdirTemp("", "slw-") // short: sockets below it may have 108 bytes in their path
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	archive, err := frontendArchive(ctx, root, image, tmp)
	if err != nil {
		return false, err
	}
	s, err := newSuite(ctx, tmp)
	if err != nil {
		return false, err
	}
	log, err := os.Create(filepath.Join(root, "bin", "conformance-"+filepath.Base(image)+".log"))
	if err != nil {
		return false, err
	}
	defer log.Close()
	fmt.Fprintf(os.Stderr, "running BuildKit's Dockerfile tests against %s; all output goes to %s\n", image, log.Name())
	start := time.Now()
	rep, err := s.run(ctx, archive, pattern, os.Stderr, log)
	if err != nil {
		return false, errors.Join(err, ctx.Err())
	}
	v := rep.judge(expected, pattern == "")
	v.print(os.Stdout, rep)
	fmt.Printf("image %s, worker=oci, %s\n", image, time.Since(start).Round(time.Second))
	if len(rep.passed)+len(rep.failed) == 0 {
		return false, errors.New("no test ran")
	}
	return v.ok(), nil
}

// frontendArchive makes the OCI archive of the image to test, or returns the
// file that was given.
func frontendArchive(ctx context.Context, root, image, tmp string) (string, error) {
	platforms := []v1.Platform{{OS: "linux", Architecture: runtime.GOARCH}}
	var binaries []frontendimage.Binary
	var err error
	switch image {
	case "ours":
		binaries, err = frontendimage.Compile(ctx, root, platforms)
	case "upstream":
		binaries, err = frontendimage.Upstream(ctx, os.Stderr)
	default:
		return filepath.Abs(image)
	}
	if err != nil {
		return "", err
	}
	index, err := frontendimage.Index(binaries)
	if err != nil {
		return "", err
	}
	archive := filepath.Join(tmp, "frontend.tar")
	return archive, frontendimage.WriteArchive(archive, index)
}
