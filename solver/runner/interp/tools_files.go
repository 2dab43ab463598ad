package interp

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strconv"
	"strings"

	mode "github.com/tonistiigi/dchapes-mode"

	"slipway/solver/tree"
)

func mkdir(_ context.Context, c *call) error {
	m := c.Meta(0o777 &^ umask)
	if v, ok := c.flags['m']; ok {
		bits, err := strconv.ParseUint(v, 8, 12)
		if err != nil {
			return unsupportedf("does not support the mode %q of mkdir", v)
		}
		m.Mode = uint32(bits)
	}
	return c.eachWritable(true, func(arg, at string) error {
		kind, _, err := c.Editor.Stat(at)
		switch {
		case err != nil:
			return err
		case kind == tree.Dir && c.has('p'):
			return nil
		case kind != 0:
			return pathError("mkdir", arg, fs.ErrExist)
		case c.has('p'):
			if _, err := c.Editor.MkdirAll(path.Dir("/"+at), c.Meta(0o777&^umask)); err != nil {
				return err
			}
		}
		n, err := tree.NewDir(m, nil)
		if err != nil {
			return err
		}
		return c.Editor.Put(at, n)
	})
}

func rm(_ context.Context, c *call) error {
	if len(c.args) == 0 && c.has('f') {
		return nil
	}
	return c.eachWritable(false, func(arg, at string) error {
		kind, _, err := c.Editor.Stat(at)
		switch {
		case err != nil:
			return err
		case kind == 0 && c.has('f'):
			return nil
		case kind == 0:
			return pathError("remove", arg, fs.ErrNotExist)
		case kind == tree.Dir && !c.has('r') && !c.has('R'):
			return pathError("remove", arg, errIsDir)
		}
		return c.Editor.Remove(at)
	})
}

func rmdir(_ context.Context, c *call) error {
	return c.eachWritable(false, func(arg, at string) error {
		n, err := c.Editor.Get(at)
		switch {
		case err != nil:
			return err
		case n == nil:
			return pathError("rmdir", arg, fs.ErrNotExist)
		case n.Kind() != tree.Dir:
			return pathError("rmdir", arg, errNotDir)
		case !n.IsEmpty():
			return pathError("rmdir", arg, errors.New("directory not empty"))
		}
		return c.Editor.Remove(at)
	})
}

func touch(_ context.Context, c *call) error {
	return c.each(func(arg string) error {
		name := c.path(arg)
		if _, err := c.stat(name, true); errors.Is(err, fs.ErrNotExist) {
			return c.Write(name, nil)
		}
		return c.change(arg, func(_ tree.Kind, m tree.Meta) tree.Meta {
			m.ModTime = c.Now().UTC()
			return m
		}, false)
	})
}

// change applies fn to the metadata of a file. If recursive is set and the file is a
// directory, change also applies fn to all files below the directory.
func (c *call) change(arg string, fn func(tree.Kind, tree.Meta) tree.Meta, recursive bool) error {
	c.Lock()
	defer c.Unlock()
	at, err := c.ResolveWritable(c.path(arg), true)
	if err != nil {
		return err
	}
	kind, m, err := c.Editor.Stat(at)
	if err != nil {
		return err
	}
	if kind == 0 {
		return pathError("change", arg, fs.ErrNotExist)
	}
	if err := c.Editor.SetMeta(at, fn(kind, m)); err != nil || !recursive || kind != tree.Dir {
		return err
	}
	n, err := c.Editor.Get(at)
	if err != nil {
		return err
	}
	if n, err = mapMeta(n, fn); err != nil {
		return err
	}
	return c.Editor.Update(at, n)
}

// mapMeta returns a copy of the directory n in which fn has changed the metadata of all
// files below the directory.
func mapMeta(n *tree.Node, fn func(tree.Kind, tree.Meta) tree.Meta) (*tree.Node, error) {
	return n.MapEntries(n.Meta(), func(child *tree.Node) (*tree.Node, error) {
		child = child.WithMeta(fn(child.Kind(), child.Meta()))
		if child.Kind() == tree.Dir {
			return mapMeta(child, fn)
		}
		return child, nil
	})
}

func chmod(_ context.Context, c *call) error {
	if len(c.args) < 2 {
		return c.usage("missing operand")
	}
	set, err := mode.ParseWithUmask(c.args[0], umask)
	if err != nil {
		return c.usage("invalid mode " + strconv.Quote(c.args[0]))
	}
	c.args = c.args[1:]
	return c.each(func(arg string) error {
		return c.change(arg, func(k tree.Kind, m tree.Meta) tree.Meta {
			if k != tree.Symlink {
				m.Mode = tree.UnixMode(set.Apply(tree.FileMode(m.Mode) | k.FileMode()))
			}
			return m
		}, c.has('R'))
	})
}

func chown(_ context.Context, c *call) error {
	if len(c.args) < 2 {
		return c.usage("missing operand")
	}
	user, group, hasGroup := strings.Cut(c.args[0], ":")
	var ids [2]uint32
	for i, s := range []string{user, group} {
		if s == "" || s == "root" {
			continue
		}
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return unsupportedf("supports chown with numeric IDs only, not %q", c.args[0])
		}
		ids[i] = uint32(n)
	}
	c.args = c.args[1:]
	return c.each(func(arg string) error {
		return c.change(arg, func(_ tree.Kind, m tree.Meta) tree.Meta {
			if user != "" {
				m.UID = ids[0]
			}
			if hasGroup && group != "" {
				m.GID = ids[1]
			}
			return m
		}, c.has('R'))
	})
}

func ln(_ context.Context, c *call) error {
	return c.eachSource(func(from, to string) error {
		c.Lock()
		defer c.Unlock()
		at, err := c.ResolveWritable(to, false)
		if err != nil {
			return err
		}
		kind, _, err := c.Editor.Stat(at)
		if err != nil {
			return err
		}
		if kind != 0 && !c.has('f') {
			return pathError("link", to, fs.ErrExist)
		}
		if c.has('s') {
			return c.Editor.Put(at, tree.NewSymlink(c.Meta(0o777), from))
		}
		return unsupportedf("does not create hard links")
	})
}

// cp copies files and, with -r, -R or -a, also directories. With -p or -a, copies have
// the owner, mode and time of the source. Otherwise they belong to root and have the
// current time.
func cp(_ context.Context, c *call) error {
	preserve := c.has('a') || c.has('p')
	recursive := c.has('a') || c.has('r') || c.has('R')
	newMeta := func(k tree.Kind, m tree.Meta) tree.Meta {
		out := c.Meta(m.Mode &^ umask & 0o777)
		if k == tree.Symlink {
			out.Mode = m.Mode
		}
		return out
	}
	return c.eachSource(func(from, to string) error {
		c.Lock()
		defer c.Unlock()
		n, err := c.Find("open", c.path(from), !recursive)
		if err != nil {
			return err
		}
		if n.Kind() == tree.Dir && !recursive {
			return pathError("copy", from, errIsDir)
		}
		at, err := c.ResolveWritable(to, true)
		if err != nil {
			return err
		}
		kind, old, err := c.Editor.Stat(at)
		if err != nil {
			return err
		}
		exists := kind != 0
		if exists && (kind == tree.Dir) != (n.Kind() == tree.Dir) {
			return pathError("copy", to, fs.ErrExist)
		}
		if exists && kind == tree.Dir {
			return unsupportedf("does not copy a directory over an existing one")
		}
		if !preserve {
			n = n.WithMeta(newMeta(n.Kind(), n.Meta()))
			if n.Kind() == tree.Dir {
				if n, err = mapMeta(n, newMeta); err != nil {
					return err
				}
			}
			if exists {
				m := n.Meta()
				m.Mode, m.UID, m.GID = old.Mode, old.UID, old.GID
				n = n.WithMeta(m)
			}
		}
		if exists {
			return c.Editor.Update(at, n)
		}
		return c.Editor.Put(at, n)
	})
}

func mv(_ context.Context, c *call) error {
	return c.eachSource(func(from, to string) error {
		c.Lock()
		defer c.Unlock()
		src, err := c.ResolveWritable(c.path(from), false)
		if err != nil {
			return err
		}
		n, err := c.Editor.Get(src)
		if err != nil {
			return err
		}
		if n == nil || src == "" {
			return pathError("rename", from, fs.ErrNotExist)
		}
		at, err := c.ResolveWritable(to, false)
		if err != nil {
			return err
		}
		kind, _, err := c.Editor.Stat(at)
		if err != nil {
			return err
		}
		if kind == tree.Dir || kind != 0 && n.Kind() == tree.Dir {
			return pathError("rename", to, fs.ErrExist)
		}
		if strings.HasPrefix(at+"/", src+"/") {
			return pathError("rename", to, errors.New("is inside the moved directory"))
		}
		if err := c.Editor.Put(at, n); err != nil {
			return err
		}
		return c.Editor.Remove(src)
	})
}

func readlink(_ context.Context, c *call) error {
	return c.each(func(arg string) error {
		c.Lock()
		defer c.Unlock()
		if c.has('f') {
			at, err := c.Editor.Resolve(c.path(arg), true)
			if err != nil {
				return err
			}
			return c.print("/%s\n", at)
		}
		n, err := c.Find("readlink", c.path(arg), false)
		if err != nil {
			return err
		}
		if n.Kind() != tree.Symlink {
			c.code = 1
			return nil
		}
		return c.print("%s\n", n.Target())
	})
}

// ls prints the names in a directory, one per line, in lexical order.
func ls(_ context.Context, c *call) error {
	if len(c.args) == 0 {
		c.args = []string{"."}
	}
	many := len(c.args) > 1
	return c.each(func(arg string) error {
		info, err := c.stat(c.path(arg), true)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return c.print("%s\n", arg)
		}
		if many {
			return unsupportedf("lists one directory per ls")
		}
		list, err := c.readDir(c.path(arg))
		if err != nil {
			return err
		}
		if c.has('a') {
			if err := c.print(".\n..\n"); err != nil {
				return err
			}
		}
		for _, d := range list {
			if !strings.HasPrefix(d.Name(), ".") || c.has('a') {
				if err := c.print("%s\n", d.Name()); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
