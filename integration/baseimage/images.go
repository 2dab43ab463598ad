package baseimage

import (
	"context"
	"fmt"
	"runtime"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// An Image is a base image and the repository names and tags under which it is pushed.
type Image struct {
	Names []string        // repository:tag, without the registry host
	Root  remote.Taggable // index or manifest that the names refer to
}

const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Set returns the images for this project's own tests. Each image is an index of linux/amd64,
// linux/arm64 and linux/arm/v7. The variable IMAGE_PLATFORM in its config contains the
// platform, so that a test can check which manifest the builder chose:
//
//   - library/busybox and library/alpine, without modifications;
//   - base/onbuild, whose config has three ONBUILD triggers;
//   - base/configured, whose config sets every other field;
//   - base/links, base/odd and base/bare, with unusual files, for linux/amd64.
//
// It returns an error if busybox-static is not installed.
func Set(ctx context.Context) ([]Image, error) {
	busybox, err := rootLayer(ctx, "busybox")
	if err != nil {
		return nil, err
	}
	alpine, err := rootLayer(ctx, "alpine")
	if err != nil {
		return nil, err
	}
	var set []Image
	for _, e := range []struct {
		name   string
		layer  v1.Layer
		config v1.Config
	}{
		{"library/busybox:latest", busybox, v1.Config{Cmd: []string{"sh"}, Env: []string{path}}},
		{"library/alpine:latest", alpine, v1.Config{Cmd: []string{"/bin/sh"}, Env: []string{path}, WorkingDir: "/"}},
		{"base/onbuild:1", busybox, onbuild()},
		{"base/configured:1", alpine, configured()},
	} {
		image := Image{Names: []string{e.name}}
		index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
		for _, p := range []v1.Platform{
			{OS: "linux", Architecture: "amd64"},
			{OS: "linux", Architecture: "arm64"},
			{OS: "linux", Architecture: "arm", Variant: "v7"},
		} {
			c := e.config
			c.Env = append(append([]string{}, c.Env...), "IMAGE_PLATFORM="+p.String())
			img, err := singlePlatform(e.layer, p, c)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", e.name, err)
			}
			index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &p}})
		}
		image.Root = index
		set = append(set, image)
	}
	unusual, err := unusualTrees(busybox)
	return append(set, unusual...), err
}

// SuiteSet returns the images that BuildKit's own tests, of its Dockerfile frontend and of its
// client, expect in their mirror of docker.io. Each is a manifest for the architecture of this
// machine.
func SuiteSet(ctx context.Context) ([]Image, error) {
	platform := v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	var set []Image
	for _, e := range []struct {
		distribution string
		config       v1.Config
		names        []string
	}{
		{"busybox", v1.Config{Cmd: []string{"sh"}, Env: []string{path}}, []string{
			"library/busybox:latest", "library/busybox:stable", "library/busybox:stable-musl",
			// These images only need to exist: tests that need more of them than a shell fail
			// with upstream's frontend, too.
			"amd64/debian:bullseye-20230109-slim", "tonistiigi/hellofs:latest",
		}},
		{"alpine", v1.Config{Cmd: []string{"/bin/sh"}, Env: []string{path}}, []string{"library/alpine:latest"}},
	} {
		layer, err := rootLayer(ctx, e.distribution)
		if err != nil {
			return nil, err
		}
		img, err := singlePlatform(layer, platform, e.config)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.distribution, err)
		}
		set = append(set, Image{Names: e.names, Root: img})
	}
	special, err := unusualLayers(ctx, platform)
	return append(set, special...), err
}

// unusualLayers returns an image without layers, and one whose first layer is foreign: its URL is
// not in a registry, and no server answers there.
func unusualLayers(ctx context.Context, p v1.Platform) ([]Image, error) {
	layer, err := rootLayer(ctx, "busybox")
	if err != nil {
		return nil, err
	}
	bare, err := bareLayer()
	if err != nil {
		return nil, err
	}
	config := &v1.ConfigFile{OS: p.OS, Architecture: p.Architecture, RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{}}}
	none, err := mutate.ConfigFile(empty.Image, config)
	if err != nil {
		return nil, err
	}
	foreign, err := mutate.Append(none,
		mutate.Addendum{Layer: bare, MediaType: types.DockerForeignLayer, URLs: []string{"http://127.0.0.1:1/layer"}},
		mutate.Addendum{Layer: layer, MediaType: types.DockerLayer})
	if err != nil {
		return nil, err
	}
	return []Image{
		{Names: []string{"tonistiigi/test:nolayers"}, Root: none},
		{Names: []string{"cpuguy83/buildkit-foreign:latest"}, Root: foreign},
	}, nil
}

// Push pushes a set of images over HTTP to the registry at host, which has the form host:port.
func Push(ctx context.Context, host string, set []Image) error {
	for _, image := range set {
		for _, n := range image.Names {
			ref, err := name.ParseReference(host+"/"+n, name.Insecure)
			if err != nil {
				return err
			}
			if err := remote.Push(ref, image.Root, remote.WithContext(ctx)); err != nil {
				return fmt.Errorf("push %s: %w", ref, err)
			}
		}
	}
	return nil
}

// singlePlatform returns an image with one layer for one platform.
func singlePlatform(layer v1.Layer, p v1.Platform, c v1.Config) (v1.Image, error) {
	img, err := mutate.Append(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON),
		mutate.Addendum{
			Layer:     layer,
			MediaType: types.OCILayer,
			History: v1.History{
				Created:   v1.Time{Time: epoch()},
				CreatedBy: "ADD rootfs.tar / # slipway base image",
			},
		})
	if err != nil {
		return nil, err
	}
	base, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	cf := base.DeepCopy()
	cf.OS, cf.Architecture, cf.Variant = p.OS, p.Architecture, p.Variant
	cf.Created, cf.Config = v1.Time{Time: epoch()}, c
	return mutate.ConfigFile(img, cf)
}

func onbuild() v1.Config {
	return v1.Config{
		Env:        []string{path},
		WorkingDir: "/src",
		OnBuild: []string{
			"ENV TRIGGERED=yes",
			"COPY --chown=2:3 trigger.txt ./",
			"RUN echo $TRIGGERED > /triggered",
		},
	}
}

func configured() v1.Config {
	return v1.Config{
		User:         "www-data",
		Env:          []string{path, "FROM_BASE=a b", "EMPTY="},
		WorkingDir:   "/var/www",
		Entrypoint:   []string{"/bin/busybox"},
		Cmd:          []string{"httpd", "-f"},
		Labels:       map[string]string{"org.example.base": "configured", "org.example.version": "1"},
		ExposedPorts: map[string]struct{}{"80/tcp": {}, "53/udp": {}},
		Volumes:      map[string]struct{}{"/var/www/data": {}},
		StopSignal:   "SIGQUIT",
		Shell:        []string{"/bin/ash", "-e", "-c"},
		Healthcheck:  &v1.HealthConfig{Test: []string{"CMD-SHELL", "true"}, Interval: 5_000_000_000, Retries: 2},
	}
}
