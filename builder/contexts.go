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

// inputs maps the context, the Dockerfile and the named contexts of a build to the sources
// and options for the frontend.
type inputs struct {
	dirs    map[string]string // directories of local sources, by name
	layouts map[string]string // OCI layouts and archives of images, by store ID
	opts    map[string]string // frontend options

	images []imageContext // named contexts that are images; findImages adds them to layouts
	solved *recorder      // the definitions that the frontend solves; nil before the frontend starts
	found  diag.List      // findings of a check; nil if the build performs no check

	// request is the build that a client in another process requests. It is nil if the
	// options describe the build. The fields for contexts are then empty.
	request *Request

	trees   map[string]*tree.Node // local sources that are not directories, by name
	uploads map[string]tree.Blob  // archives from standard input, by URL
}

// imageContext is a named context that is an image in an OCI layout or an archive. The
// field name is the name of the context, and value is PATH, PATH:NAME or PATH@DIGEST.
type imageContext struct{ name, value string }

// findInputs finds the context, the Dockerfile and the named contexts. Missing files and
// directories are errors.
func (o *Options) findInputs() (*inputs, error) {
	p := &inputs{dirs: map[string]string{}, layouts: map[string]string{}, opts: o.frontend(), trees: map[string]*tree.Node{}}
	switch {
	case o.Context == stdin:
		p.trees["context"] = tree.Empty() // readStdin replaces it if standard input is an archive
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
		if err := p.addContext(name, o.Contexts[name]); err != nil {
			return nil, fmt.Errorf("build context %s: %w", name, err)
		}
	}
	return p, nil
}

// dockerfile sets the source and the name of the Dockerfile. The Dockerfile may be standard
// input, a file in a remote context, or a file in a directory.
func (p *inputs) dockerfile(o *Options) error {
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

// findDockerfile returns an error if the Dockerfile does not exist. The error suggests
// files with similar names.
func (o *Options) findDockerfile() error {
	name := o.file()
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return nil // the frontend reports other errors about the file
	}
	list, err := os.ReadDir(filepath.Dir(name))
	if err != nil {
		return err
	}
	var near []string
	for _, d := range list {
		lower := strings.ToLower(d.Name())
		if o.File == "" && d.Name() == strings.ToLower(dockerfile) {
			return nil // frontends also find a file named dockerfile
		}
		if !d.IsDir() && (strings.Contains(lower, "dockerfile") || lower == strings.ToLower(containerfile)) && !strings.HasSuffix(lower, ignoreSuffix) {
			near = append(near, filepath.Join(filepath.Dir(name), d.Name()))
		}
	}
	switch {
	case len(near) > 0:
		return fmt.Errorf("no Dockerfile %s (use -f, for example -f %s)", name, strings.Join(near, " or "))
	case o.File != "" && !filepath.IsAbs(o.File) && isFile(filepath.Join(o.Context, o.File)):
		return fmt.Errorf("no Dockerfile %s (-f is relative to the current directory, not to the context: use -f %s)", name, filepath.Join(o.Context, o.File))
	}
	return fmt.Errorf("no Dockerfile %s (use -f)", name)
}

// checkIgnoreFiles returns an error if an ignore file is a pipe, a socket or a device. A
// frontend would ignore such a file, and copy the files that the user wants to exclude.
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

func (p *inputs) addContext(name, value string) error {
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
		return fmt.Errorf("%s is neither a directory nor a docker-image://, oci-layout://, docker-archive://, http(s):// or git address", value)
	}
	if err := isDir(value); err != nil {
		return err
	}
	p.dirs[name] = value
	p.opts[key] = "local:" + name
	return nil
}

// findImages resolves each named context that is an image to a digest, and passes the image to
// the frontend as an OCI layout. If the user gives neither a name nor a digest of an image,
// findImages selects the only image in the layout or archive, or the image with the tag latest.
func (p *inputs) findImages(ctx context.Context, src *llbsource.Sources) error {
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

// findLayouts resolves each named context that is an image, like findImages, but for a build by
// a daemon. It accepts only directories with OCI layouts, because clients cannot send archives
// of images to a daemon.
func (p *inputs) findLayouts(ctx context.Context) error {
	for _, i := range p.images {
		file, _ := splitName(strings.SplitN(i.value, "@", 2)[0])
		if err := isDir(file); err != nil {
			return fmt.Errorf("build context %s: with a builder it has to be the directory of an OCI layout: %w", i.name, err)
		}
	}
	return p.findImages(ctx, &llbsource.Sources{})
}

// splitName splits a value of the form PATH:NAME into the path of a file and the name of an
// image. Because both may contain colons, the path is the longest prefix of the value that is
// the path of an existing file. If no such file exists, the whole value is the path.
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

// isURL reports whether the context s is a URL or a git remote, and not a local path.
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
