package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"

	"slipway/solver/export"
)

// cacheRepository returns the repository of the cache, or the directory if local is true. Without
// --cache, it returns "".
func (k *kanikoBuild) cacheRepository() (repository string, local bool) {
	if !k.on("cache") {
		return "", false
	}
	if dir, ok := strings.CutPrefix(k.last("cache-repo"), "oci:"); ok {
		return dir, true
	}
	if repo := k.last("cache-repo"); repo != "" || len(k.destinations) == 0 {
		return repo, false
	}
	return k.destinations[0].Repository.Name() + "/cache", false
}

// parseCaches converts the flags for the cache. As with kaniko, all steps run without --cache.
func (k *kanikoBuild) parseCaches() error {
	if k.last("cache-run-layers") == "false" {
		return errors.New("--cache-run-layers=false: slipway caches RUN steps or nothing (leave out --cache, or use RUN --no-cache)")
	}
	if !k.on("cache") {
		k.flag("no-cache", "true")
		return nil
	}
	if k.on("no-push") && k.last("cache-repo") == "" {
		return errors.New("--cache: without a push there is no default for the cache (add --cache-repo)")
	}
	repository, local := k.cacheRepository()
	from, to := []string{"type=local", "src=" + repository}, []string{"type=local", "dest=" + repository}
	if !local {
		from = []string{"type=registry", "ref=" + repository}
		if ref, err := name.NewTag(repository, name.WeakValidation); err != nil {
			return fmt.Errorf("--cache-repo: %w", err)
		} else if k.isInsecure(ref.RegistryStr()) || k.on("insecure") || k.on("skip-tls-verify") {
			from = append(from, "registry.insecure=true")
		}
		to = from
	}
	if _, err := os.Stat(filepath.Join(repository, "index.json")); !local || err == nil {
		k.flag("cache-from", csvLine(from))
	}
	if !k.on("no-push-cache") {
		k.flag("cache-to", csvLine(append(append([]string{}, to...), "mode=max", "ignore-error=true")))
	}
	return nil
}

// parseOutputs converts the flags for destinations and files of the image.
func (k *kanikoBuild) parseOutputs() error {
	var attrs, names, verified, insecure []string
	if v := k.last("compression"); v != "" {
		attrs = append(attrs, "compression="+v)
	}
	if v := k.last("compression-level"); v != "" && v != "-1" {
		attrs = append(attrs, "compression-level="+v)
	}
	if k.on("reproducible") {
		attrs = append(attrs, "rewrite-timestamp=true")
	}
	for _, d := range k.destinations {
		names = append(names, d.String())
		if k.on("insecure") || k.on("skip-tls-verify") || k.isInsecure(d.RegistryStr()) {
			insecure = append(insecure, d.String())
		} else {
			verified = append(verified, d.String())
		}
	}
	outputs := 0
	output := func(fields ...string) {
		outputs++
		k.flag("output", csvLine(append(fields, attrs...)))
	}
	if len(names) == 0 {
		names = []string{"unset-repo/unset-image-name"} // as kaniko names an archive
	}
	if v := k.last("tarPath", "tar-path"); v != "" {
		output("type=docker", "dest="+v, "name="+strings.Join(names, ","))
	}
	if v := k.last("oci-layout-path"); v != "" {
		output("type=oci", "tar=false", "dest="+v)
	}
	if !k.on("no-push") && len(verified) > 0 {
		output("type=image", "push=true", "name="+strings.Join(verified, ","))
	}
	if !k.on("no-push") && len(insecure) > 0 {
		output("type=image", "push=true", "registry.insecure=true", "name="+strings.Join(insecure, ","))
	}
	if outputs == 0 {
		k.flag("output", "type=cacheonly")
	}
	return nil
}

// digestFile is a file that receives the digest of the image after the build.
type digestFile struct {
	flag, path string
	// lines are written with the digest in place of each NUL byte.
	lines string
}

// parseDigestFiles converts the flags that name files for the digest.
func (k *kanikoBuild) parseDigestFiles() error {
	var names, tags strings.Builder
	for _, d := range k.destinations {
		fmt.Fprintf(&names, "%s@\x00\n", d.Repository.Name())
		fmt.Fprintf(&tags, "%s:%s@\x00\n", d.Repository.Name(), d.TagStr())
	}
	for _, f := range []digestFile{
		{"digest-file", "", "\x00"}, {"image-name-with-digest-file", "", names.String()}, {"image-name-tag-with-digest-file", "", tags.String()},
	} {
		if f.path = k.last(f.flag); f.path == "" {
			continue
		}
		if strings.HasPrefix(f.path, "https://") {
			return fmt.Errorf("--%s: slipway does not upload the digest (name a file and upload it)", f.flag)
		}
		if f.lines == "" {
			return fmt.Errorf("--%s: no image is named (add --destination IMAGE)", f.flag)
		}
		k.digestFiles = append(k.digestFiles, f)
	}
	return nil
}

// write writes the file after a build. As with kaniko, missing directories are created.
func (d digestFile) write(ctx context.Context, exported map[string]string) error {
	digest := exported[exptypes.ExporterImageDigestKey]
	if digest == "" {
		return fmt.Errorf("--%s: the builder has not reported the digest of the image", d.flag)
	}
	if err := os.MkdirAll(filepath.Dir(d.path), 0o700); err != nil {
		return fmt.Errorf("--%s: %w", d.flag, err)
	}
	if err := export.Write(ctx, d.path, []byte(strings.ReplaceAll(d.lines, "\x00", digest))); err != nil {
		return fmt.Errorf("--%s: %w", d.flag, err)
	}
	return nil
}
