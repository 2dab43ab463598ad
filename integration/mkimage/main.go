// Command mkimage creates the frontend image without a builder. It writes an OCI archive,
// pushes to a registry, or prints the size of the image.
//
//	go run ./integration/mkimage -o bin/dockerfile-frontend.tar
//	go run ./integration/mkimage -push localhost:5000/slipway/dockerfile:1
//	go run ./integration/mkimage -size
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"slipway/integration/frontendimage"
	"slipway/integration/toolbox"
)

func main() {
	out := flag.String("o", "", "write an OCI archive to this `file`")
	push := flag.String("push", "", "push the image to this `reference`, with the credentials of docker login")
	platforms := flag.String("platforms", "linux/amd64,linux/arm64", "comma-separated `list` of platforms")
	size := flag.Bool("size", false, "print the sizes of our image and upstream's, and the composition of ours")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, request{*out, *push, *size, strings.Split(*platforms, ",")}); err != nil {
		fmt.Fprintln(os.Stderr, "mkimage:", err)
		os.Exit(1)
	}
}

// request contains the command-line flags.
type request struct {
	out, push string
	size      bool
	platforms []string
}

func run(ctx context.Context, req request) error {
	root, err := toolbox.Root()
	if err != nil {
		return err
	}
	if req.size {
		return printSize(ctx, os.Stdout, root)
	}
	out, push := req.out, req.push
	if out == "" && push == "" {
		return errors.New("nothing to do (set -o FILE, -push REFERENCE or -size)")
	}
	var platforms []v1.Platform
	for _, n := range req.platforms {
		p, err := v1.ParsePlatform(n)
		if err != nil {
			return err
		}
		platforms = append(platforms, *p)
	}
	binaries, err := frontendimage.Compile(ctx, root, platforms)
	if err != nil {
		return err
	}
	index, err := frontendimage.Index(binaries)
	if err != nil {
		return err
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	if out != "" {
		if err := frontendimage.WriteArchive(out, index); err != nil {
			return err
		}
		fmt.Printf("%s %s\n", out, digest)
	}
	if push == "" {
		return nil
	}
	ref, err := name.ParseReference(push)
	if err != nil {
		return err
	}
	if err := remote.WriteIndex(ref, index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return fmt.Errorf("push %s: %w", ref, err)
	}
	fmt.Printf("%s@%s\n", ref, digest)
	return nil
}
