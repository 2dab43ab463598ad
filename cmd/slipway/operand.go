package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// operand is one of the builds that slipway diff compares.
type operand struct {
	name          string // as the user wrote it
	context, file string // see [builder.Options]
	temporary     string // directory into which a revision was extracted; "" for other operands
	revision      string // the revision in temporary
}

// findOperand finds the build that the user names on the command line: a directory, a Dockerfile, a
// URL, or a revision of the git repository in the current directory, which is extracted into the
// new directory tmp. The parameter file is the value of --file.
func findOperand(ctx context.Context, name, file, tmp string) (*operand, error) {
	if strings.Contains(name, "://") || strings.HasPrefix(name, "git@") {
		return &operand{name: name, context: name, file: file}, nil
	}
	if name == "-" {
		return nil, errors.New("diff reads no standard input (name a directory or a Dockerfile)")
	}
	o := &operand{name: name}
	found, err := o.find(name, file)
	if found || err != nil {
		return o, err
	}
	top, prefix, err := repository(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s does not exist, and is no revision: %w", name, err)
	}
	revision, at, hasPath := strings.Cut(name, ":")
	switch {
	case !hasPath:
		at = prefix
	case strings.HasPrefix(at, "./"), strings.HasPrefix(at, "../"), at == ".", at == "..":
		at = path.Join(prefix, at)
	}
	if !filepath.IsLocal(cmp.Or(at, ".")) {
		return nil, fmt.Errorf("%s: %q is outside of the repository", name, at)
	}
	tree, err := git(ctx, top, nil, "rev-parse", "--verify", "--quiet", "--end-of-options", revision+"^{tree}")
	if err != nil {
		return nil, fmt.Errorf("%s is neither a file, a directory, a URL nor a revision of the git repository here", name)
	}
	o.temporary, o.revision = filepath.Join(tmp, "tree"), revision
	if err := extract(ctx, top, tree, tmp); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if found, err = o.find(filepath.Join(o.temporary, filepath.FromSlash(at)), file); err == nil && !found {
		err = fmt.Errorf("%s: the revision has no %s", name, at)
	}
	return o, err
}

// find sets the context and the Dockerfile to an existing directory or file. It returns false if
// name does not exist.
func (o *operand) find(name, file string) (bool, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.IsDir() && file != "":
		return false, fmt.Errorf("%s is a Dockerfile, and there is --file %s (name one)", o.name, file)
	case !info.IsDir():
		o.context, o.file = filepath.Dir(name), name
	default:
		if o.context = name; file != "" {
			o.file = filepath.Join(name, file)
		}
	}
	return true, nil
}

// repository returns the top directory of the git repository of the current directory, and the path
// of the current directory in it.
func repository(ctx context.Context) (top, prefix string, err error) {
	if top, err = git(ctx, "", nil, "rev-parse", "--show-toplevel"); err != nil {
		return "", "", err
	}
	prefix, err = git(ctx, "", nil, "rev-parse", "--show-prefix")
	return top, strings.TrimSuffix(prefix, "/"), err
}

// extract writes the files of a git tree to the directory tree in dir. It uses an index of its own,
// so that the repository stays as it is.
func extract(ctx context.Context, top, tree, dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "tree"), 0o755); err != nil { // as in a work tree
		return err
	}
	index := []string{"GIT_INDEX_FILE=" + filepath.Join(dir, "index")}
	if _, err := git(ctx, top, index, "read-tree", tree); err != nil {
		return err
	}
	_, err := git(ctx, top, index, "checkout-index", "--all", "--quiet", "--prefix="+filepath.Join(dir, "tree")+"/")
	return err
}

// git runs the program git in a directory and returns its output without the final line end. The
// parameter env adds to the environment.
func git(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	var out, told bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &told
	cmd.Env = append(os.Environ(), env...)
	if err := cmd.Run(); err != nil {
		if text := strings.TrimSpace(told.String()); text != "" {
			return "", fmt.Errorf("git %s: %s", args[0], text)
		}
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}
