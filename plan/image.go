package plan

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	// Default values of PATH for images that do not set this variable.
	unixPath    = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	windowsPath = "c:\\Windows\\System32;c:\\Windows;C:\\Windows\\System32\\WindowsPowerShell\\v1.0"
)

// emptyImage returns the image config of a stage that starts from scratch.
func emptyImage(p ocispecs.Platform) Image {
	var img Image
	img.Platform = p
	img.OSFeatures = slices.Clone(p.OSFeatures)
	img.RootFS.Type = "layers"
	img.Config.WorkingDir = "/"
	if p.OS != "windows" {
		img.Config.Env = []string{"PATH=" + unixPath}
	}
	return img
}

// decodeImage parses an image config in JSON. Like Docker, it drops unknown fields.
func decodeImage(config []byte) (Image, error) {
	var img Image
	err := json.Unmarshal(config, &img)
	return img, err
}

// cloneImage returns a copy of an image config. A change of the copy does not affect the
// original. Both share the history entries, because code only appends to the history.
func cloneImage(src *Image) Image {
	img := *src
	c := &img.Config
	c.Env = slices.Clone(c.Env)
	c.Cmd = slices.Clone(c.Cmd)
	c.Entrypoint = slices.Clone(c.Entrypoint)
	c.OnBuild = slices.Clone(c.OnBuild)
	c.Shell = slices.Clone(c.Shell)
	c.ExposedPorts = maps.Clone(c.ExposedPorts)
	c.Volumes = maps.Clone(c.Volumes)
	c.Labels = maps.Clone(c.Labels)
	if c.Healthcheck != nil {
		h := *c.Healthcheck
		h.Test = slices.Clone(h.Test)
		c.Healthcheck = &h
	}
	img.History = slices.Clip(img.History)
	return img
}

// hasLayers reports whether an image has layers. Configs of old images do not list the
// layers, but their history shows whether any exist.
func hasLayers(img *Image) bool {
	return len(img.RootFS.DiffIDs) > 0 || slices.ContainsFunc(img.History, func(h ocispecs.History) bool { return !h.EmptyLayer })
}

// finishImage stores Options.Labels and the target platform in the config of the target.
func finishImage(_ context.Context, b *builder) error {
	img := &b.Target.Image
	if len(b.opt.Labels) > 0 && img.Config.Labels == nil {
		img.Config.Labels = map[string]string{}
	}
	maps.Copy(img.Config.Labels, b.opt.Labels)
	b.Target.Used.Add("/")
	if !b.Implicit {
		p := b.Platform
		same := p.OS == img.OS && p.Architecture == img.Architecture
		img.OS, img.Architecture = p.OS, p.Architecture
		if p.Variant != "" || !same {
			img.Variant = p.Variant
		}
		if p.OSVersion != "" || !same {
			img.OSVersion = p.OSVersion
		}
		if p.OSFeatures != nil {
			img.OSFeatures = slices.Clone(p.OSFeatures)
		}
	}
	img.Platform = platforms.Normalize(img.Platform)
	return nil
}
