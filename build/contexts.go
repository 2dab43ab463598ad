package build

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/tree"
)

// places are where the files of a build come from.
type places struct {
	dirs    map[string]string // local sources
	layouts map[string]string // OCI layouts by the id of their store
	opts    map[string]string // frontend options

	trees   map[string]*tree.Node // local sources that are no directories
	uploads map[string]tree.Blob  // by URL
}

// places finds the context, the Dockerfile and the named contexts.
func (o *Options) places() (*places, error) {
	p := &places{dirs: map[string]string{}, layouts: map[string]string{}, opts: o.frontend(), trees: map[string]*tree.Node{}}
	switch {
	case o.Context == stdin:
		p.trees["context"] = tree.Empty() // unless it turns out to be an archive
	case isURL(o.Context):
		p.opts["context"] = o.Context
	default:
		if err := isDir(o.Context); err != nil {
			return nil, fmt.Errorf("build context: %w", err)
		}
		p.dirs["context"] = o.Context
	}
	if err := p.dockerfile(o); err != nil {
		return nil, err
	}
	for _, name := range o.contextNames() {
		if err := p.named(name, o.Contexts[name]); err != nil {
			return nil, fmt.Errorf("build context %s: %w", name, err)
		}
	}
	return p, nil
}

// dockerfile finds the Dockerfile: on standard input, in a context that is not
// local, or in a directory.
func (p *places) dockerfile(o *Options) error {
	switch {
	case o.File == stdin:
		p.opts["filename"] = dockerfile
		p.opts["dockerfilekey"] = "dockerfile"
		return nil
	case o.Context == stdin, isURL(o.Context):
		p.opts["filename"] = cmp.Or(o.File, dockerfile)
		return nil
	}
	p.dirs["dockerfile"] = filepath.Dir(o.file())
	if err := isDir(p.dirs["dockerfile"]); err != nil {
		return fmt.Errorf("directory of the Dockerfile: %w", err)
	}
	return nil
}

func (p *places) named(name, value string) error {
	key := "context:" + name
	switch {
	case strings.HasPrefix(value, "docker-image://"), isURL(value):
		p.opts[key] = value
		return nil
	case strings.HasPrefix(value, "oci-layout://"):
		return p.layout(key, strings.TrimPrefix(value, "oci-layout://"))
	case strings.Contains(value, "://"):
		return fmt.Errorf("%s is none of a directory, docker-image://, oci-layout://, http(s):// and git", value)
	}
	if err := isDir(value); err != nil {
		return err
	}
	p.dirs[name] = value
	p.opts[key] = "local:" + name
	return nil
}

// layout finds an image of an OCI layout: by digest, by tag, or the only one.
func (p *places) layout(key, value string) error {
	dir, want, ok := strings.Cut(value, "@")
	if !ok {
		var tag string
		if i := strings.LastIndexByte(dir, ':'); i > strings.LastIndexByte(dir, '/') {
			dir, tag = dir[:i], dir[i+1:]
		}
		var err error
		if want, err = taggedDigest(dir, tag); err != nil {
			return err
		}
	}
	id := "store-" + digest.FromString(dir).Encoded()[:12]
	p.layouts[id] = dir
	p.opts[key] = "oci-layout://" + id + "@" + want
	return nil
}

func taggedDigest(dir, tag string) (string, error) {
	idx, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return "", err
	}
	m, err := idx.IndexManifest()
	if err != nil {
		return "", err
	}
	var found []string
	for _, d := range m.Manifests {
		name := d.Annotations[ocispecs.AnnotationRefName]
		if name == cmp.Or(tag, "latest") || tag == "" && len(m.Manifests) == 1 {
			found = append(found, d.Digest.String())
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%s has %d images with the tag %q", dir, len(found), tag)
	}
	return found[0], nil
}

// isURL tells what is fetched from a network.
func isURL(s string) bool {
	for _, prefix := range []string{"http://", "https://", "git://", "ssh://", "git@", "github.com/"} {
		if strings.HasPrefix(s, prefix) {
			return true
		}
	}
	return false
}

func isDir(name string) error {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("directory %s does not exist", name)
	}
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a directory", name)
	}
	return err
}
