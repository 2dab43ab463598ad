package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"

	"slipway/diag"
	"slipway/solver/llbsource"
	"slipway/solver/tree"
)

// places are the locations of the files of a build.
type places struct {
	dirs    map[string]string // local sources
	layouts map[string]string // OCI layouts and archives of images by the id of their store
	opts    map[string]string // frontend options

	images []imageContext // which layouts become of
	solved *recorder      // what the frontend solves; nil before it starts
	found  diag.List      // what a check finds; nil without one

	trees   map[string]*tree.Node // local sources that are no directories
	uploads map[string]tree.Blob  // by URL
}

// imageContext is a named context that is an image in an OCI layout or an archive.
type imageContext struct{ name, value string }

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
		if err := o.checkIgnoreFiles(); err != nil {
			return nil, err
		}
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
		if delete(p.opts, "filename"); o.File != "" {
			p.opts["filename"] = o.File
		}
		return nil
	}
	p.dirs["dockerfile"] = filepath.Dir(o.file())
	if err := isDir(p.dirs["dockerfile"]); err != nil {
		return fmt.Errorf("directory of the Dockerfile: %w", err)
	}
	return o.findDockerfile()
}

// findDockerfile refuses a file that is not there, with what may be meant.
func (o *Options) findDockerfile() error {
	name := o.file()
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return nil // the frontend tells what else is wrong with it
	}
	list, err := os.ReadDir(filepath.Dir(name))
	if err != nil {
		return err
	}
	var near []string
	for _, d := range list {
		lower := strings.ToLower(d.Name())
		if o.File == "" && d.Name() == strings.ToLower(dockerfile) {
			return nil // as frontends find it
		}
		if !d.IsDir() && (strings.Contains(lower, "dockerfile") || lower == strings.ToLower(containerfile)) && !strings.HasSuffix(lower, ignoreSuffix) {
			near = append(near, filepath.Join(filepath.Dir(name), d.Name()))
		}
	}
	switch {
	case len(near) > 0:
		return fmt.Errorf("there is no Dockerfile %s: name one with -f, such as %s", name, strings.Join(near, " or "))
	case o.File != "" && !filepath.IsAbs(o.File) && isFile(filepath.Join(o.Context, o.File)):
		return fmt.Errorf("there is no Dockerfile %s: -f is relative to the current directory, not to the context: -f %s", name, filepath.Join(o.Context, o.File))
	}
	return fmt.Errorf("there is no Dockerfile %s: name one with -f", name)
}

// checkIgnoreFiles refuses an ignore file that is a pipe or a device. Frontends would
// build without it, with files that it should leave out.
func (o *Options) checkIgnoreFiles() error {
	for _, name := range []string{o.file() + ignoreSuffix, filepath.Join(o.Context, ignoreSuffix)} {
		info, err := os.Lstat(name)
		if err == nil && info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket|fs.ModeDevice) != 0 {
			return fmt.Errorf("ignore file %s: is not a regular file (remove or replace it)", name)
		}
	}
	return nil
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return !errors.Is(err, fs.ErrNotExist)
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

func (p *places) named(name, value string) error {
	key := "context:" + name
	scheme, rest, ok := strings.Cut(value, "://")
	switch {
	case !ok && !isURL(value):
	case scheme == "docker-image", isURL(value):
		p.opts[key] = value
		return nil
	case scheme == "oci-layout", scheme == "docker-archive":
		p.images = append(p.images, imageContext{name, rest})
		return nil
	default:
		return fmt.Errorf("%s is none of a directory, docker-image://, oci-layout://, docker-archive://, http(s):// and git", value)
	}
	if err := isDir(value); err != nil {
		return err
	}
	p.dirs[name] = value
	p.opts[key] = "local:" + name
	return nil
}

// findImages finds the images of OCI layouts and archives: by digest, by tag or
// name, or the only one.
func (p *places) findImages(ctx context.Context, src *llbsource.Sources) error {
	for _, i := range p.images {
		file, want, ok := strings.Cut(i.value, "@")
		if !ok {
			var name string
			file, name = splitName(i.value)
			d, err := src.FindImage(ctx, file, name)
			if err != nil {
				return fmt.Errorf("build context %s: %s: %w", i.name, file, err)
			}
			want = string(d)
		}
		id := "store-" + digest.FromString(file).Encoded()[:12]
		p.layouts[id] = file
		p.opts["context:"+i.name] = "oci-layout://" + id + "@" + want
	}
	return nil
}

// findLayouts finds images for a builder, which can read directories only.
func (p *places) findLayouts(ctx context.Context) error {
	for _, i := range p.images {
		file, _ := splitName(strings.SplitN(i.value, "@", 2)[0])
		if err := isDir(file); err != nil {
			return fmt.Errorf("build context %s: with a builder it has to be the directory of an OCI layout: %w", i.name, err)
		}
	}
	return p.findImages(ctx, &llbsource.Sources{})
}

// splitName splits PATH:NAME, where both may have colons, at the end of the
// longest path that exists.
func splitName(value string) (file, name string) {
	for file = value; ; {
		if _, err := os.Stat(file); err == nil {
			return file, strings.TrimPrefix(value[len(file):], ":")
		}
		i := strings.LastIndexByte(file, ':')
		if i < 0 {
			return value, ""
		}
		file = file[:i]
	}
}

// isURL reports whether a context is fetched from a network.
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
