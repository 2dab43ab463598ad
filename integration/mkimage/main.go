// Command mkimage creates our container images without a builder: the frontend image, or with
// -image slipway an image whose entrypoint is the command. It writes an OCI archive, pushes to a
// registry, or prints the size of the frontend image.
//
//	go run ./integration/mkimage -o bin/dockerfile-frontend.tar
//	go run ./integration/mkimage -push localhost:5000/slipway/dockerfile [-version 1.2.3] [-key FILE]
//	go run ./integration/mkimage -image slipway -push localhost:5000/slipway/slipway
//	go run ./integration/mkimage -size
//
// An image is an index for all platforms, with an SBOM and provenance for each. It depends only
// on the commit and the version. With -version, the work tree must be clean. -key names a private
// key in the format of cosign, whose password is in COSIGN_PASSWORD. The signature is pushed as
// cosign pushes it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"slipway/integration/checkout"
	"slipway/integration/programimage"
	"slipway/integration/toolbox"
)

// allPlatforms lists the platforms of the images.
const allPlatforms = "linux/amd64,linux/arm64,linux/arm/v7,linux/ppc64le,linux/s390x,linux/riscv64"

func main() {
	var req request
	flag.StringVar(&req.image, "image", "frontend", "`image` to create: frontend or slipway")
	flag.StringVar(&req.version, "version", "", "`VERSION` of the release, such as 1.2.3; if it is not set, the image is no release")
	flag.StringVar(&req.out, "o", "", "write an OCI archive to this `file`")
	flag.StringVar(&req.push, "push", "", "push the image to this `repository`, with the credentials of docker login")
	flag.StringVar(&req.tags, "tags", "", "comma-separated `list` of tags instead of those of the version")
	flag.BoolVar(&req.replace, "replace", false, "replace the tag of the complete version if it exists")
	flag.StringVar(&req.key, "key", "", "`file` of the private key that signs the image")
	flag.StringVar(&req.platforms, "platforms", allPlatforms, "comma-separated `list` of platforms")
	size := flag.Bool("size", false, "print the sizes of our frontend image and upstream's, and the composition of ours")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := func() error { return run(ctx, os.Stdout, req) }
	if *size {
		run = func() error { return printSize(ctx, os.Stdout) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "mkimage:", err)
		os.Exit(1)
	}
}

// request contains the command-line flags.
type request struct {
	image, version string
	out, push      string
	tags           string
	replace        bool
	key            string
	platforms      string
}

func run(ctx context.Context, w io.Writer, req request) error {
	if req.out == "" && req.push == "" {
		return errors.New("nothing to do (set -o FILE, -push REPOSITORY or -size)")
	}
	if req.key != "" && req.push == "" {
		return errors.New("-key: signs only an image that is pushed (set -push REPOSITORY)")
	}
	platforms, err := parsePlatforms(req.platforms)
	if err != nil {
		return err
	}
	signer, err := readKey(req.key)
	if err != nil {
		return err
	}
	root, err := toolbox.Root()
	if err != nil {
		return err
	}
	src, err := open(ctx, root, req.version)
	if err != nil {
		return err
	}
	kind, err := kindOf(req.image, src)
	if err != nil {
		return err
	}
	index, err := makeIndex(ctx, w, src, kind, platforms)
	if err != nil {
		return err
	}
	if req.out != "" {
		if err := programimage.WriteArchive(req.out, index); err != nil {
			return err
		}
		digest, err := index.Digest()
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s %s\n", req.out, digest)
	}
	if req.push == "" {
		return nil
	}
	tags := kind.tags
	if req.tags != "" {
		tags = strings.Split(req.tags, ",")
	}
	return push{repository: req.push, tags: tags, replace: req.replace, signer: signer}.run(ctx, w, index)
}

// open returns the source of a version, or of no release if version is "".
func open(ctx context.Context, root, version string) (*checkout.Source, error) {
	if version == "" {
		return checkout.OpenUnreleased(ctx, root)
	}
	return checkout.Open(ctx, root, version)
}

func parsePlatforms(list string) ([]v1.Platform, error) {
	var platforms []v1.Platform
	for name := range strings.SplitSeq(list, ",") {
		p, err := v1.ParsePlatform(name)
		if err != nil {
			return nil, fmt.Errorf("-platforms %s: %w", list, err)
		}
		platforms = append(platforms, *p)
	}
	return platforms, nil
}
