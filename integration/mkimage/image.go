package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"slipway/frontend"
	"slipway/integration/checkout"
	"slipway/integration/frontendimage"
	"slipway/integration/programimage"
	"slipway/integration/sbom"
)

// kind is one of our images.
type kind struct {
	title, description string
	pkg                string   // directory of the program
	flags              []string // of go build, in addition
	spec               programimage.Spec
	tags               []string // the last one is the complete version
}

// kindOf returns the image of the given name, frontend or slipway.
func kindOf(name string, src *checkout.Source) (kind, error) {
	switch name {
	case "frontend":
		return kind{
			title: "slipway/dockerfile", description: "Dockerfile frontend for BuildKit", pkg: frontendimage.PackagePath,
			flags: frontendimage.BuildFlags(),
			spec:  frontendimage.Spec(), tags: versionTags(frontend.DockerfileVersion),
		}, nil
	case "slipway":
		spec, err := commandSpec()
		return kind{
			title: "slipway/slipway", description: "Builds Dockerfiles without a daemon", pkg: "cmd/slipway",
			flags: []string{"-ldflags", fmt.Sprintf("-s -w -X main.releaseVersion=v%s -X main.releaseCommit=%s", src.Version, src.Commit)},
			spec:  spec, tags: versionTags(src.Version),
		}, err
	}
	return kind{}, fmt.Errorf("-image %s: unknown image (use frontend or slipway)", name)
}

// versionTags returns the tags of a version: 1, 1.28 and 1.28.0 for 1.28.0. A version before a
// release, such as 1.28.0-rc.1, has only its own.
func versionTags(version string) []string {
	parts := strings.Split(version, ".")
	if strings.Contains(version, "-") {
		return []string{version}
	}
	return []string{parts[0], strings.Join(parts[:2], "."), version}
}

// makeIndex compiles the program of an image for each platform and returns the index.
func makeIndex(ctx context.Context, w io.Writer, src *checkout.Source, k kind, platforms []v1.Platform) (v1.ImageIndex, error) {
	p := programimage.Program{Root: src.Root, Package: k.pkg, Flags: k.flags, Env: src.Env()}
	spec := k.spec
	var binaries []programimage.Binary
	bills := map[string]*sbom.Bill{}
	for _, platform := range platforms {
		made, err := p.Compile(ctx, []v1.Platform{platform})
		if err != nil {
			return nil, err
		}
		bill, err := k.bill(ctx, src, made[0])
		if err != nil {
			return nil, err
		}
		binaries, bills[platform.String()] = append(binaries, made[0]), bill
		spec.Labels = k.labels(src, bill) // the same for each platform
	}
	spec.Attest = func(b programimage.Binary) ([]programimage.Attestation, error) {
		return k.attest(src, bills[b.Platform.String()])
	}
	index, err := spec.Index(binaries)
	if err != nil {
		return nil, err
	}
	return index, printImages(w, index)
}

// bill returns the SBOM of a program.
func (k kind) bill(ctx context.Context, src *checkout.Source, b programimage.Binary) (*sbom.Bill, error) {
	platform := b.Platform.String()
	file := k.spec.Path[strings.LastIndexByte(k.spec.Path, '/')+1:]
	return sbom.New(ctx, src, sbom.Program{
		Document: strings.ReplaceAll(file+"_"+src.Version+"_"+platform, "/", "_"), File: file, Platform: platform, Content: b.Content,
		Package: "./" + k.pkg, Tags: programimage.BuildTags, Env: programimage.Env(b.Platform),
	})
}

// labels returns the labels of the image: those of its specification, and its versions.
func (k kind) labels(src *checkout.Source, bill *sbom.Bill) map[string]string {
	labels := map[string]string{
		"org.opencontainers.image.title":       k.title,
		"org.opencontainers.image.description": k.description,
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.version":     src.Version,
		"org.opencontainers.image.revision":    src.Commit,
		"slipway.dockerfile":                   frontend.DockerfileVersion,
	}
	if src.Modified {
		labels["slipway.modified"] = "true"
	}
	for _, m := range bill.Modules {
		switch m.Path {
		case "github.com/moby/buildkit":
			labels["slipway.buildkit"] = m.Version
		case "std":
			labels["slipway.go"] = "go" + m.Version
		}
	}
	for name, value := range k.spec.Labels {
		labels[name] = value
	}
	return labels
}

// printImages prints the platform, the digest and the compressed size of each image.
func printImages(w io.Writer, index v1.ImageIndex) error {
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	for _, d := range manifest.Manifests {
		if d.Platform.OS == "unknown" {
			continue
		}
		size, err := imageSize(index, d.Digest)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%-14s %s %.2f MB\n", d.Platform, d.Digest, float64(size)/1e6)
	}
	return nil
}

// imageSize returns the size of an image in a registry, in bytes: of its manifest, its config and
// its layers.
func imageSize(index v1.ImageIndex, digest v1.Hash) (int64, error) {
	img, err := index.Image(digest)
	if err != nil {
		return 0, err
	}
	m, err := img.Manifest()
	if err != nil {
		return 0, err
	}
	size, err := img.Size()
	if err != nil {
		return 0, err
	}
	size += m.Config.Size
	for _, l := range m.Layers {
		size += l.Size
	}
	return size, nil
}
