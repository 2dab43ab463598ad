package builds

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// generator generates one case.
type generator struct {
	r     *rand.Rand
	c     *Case
	mark  string     // part of names and contents, so that cases share no cache
	n     int        // number of contents so far
	paths []string   // paths of the context: files, directories, links
	dirs  []string   // directories of the context
	bases []string   // base images of the stages
	made  [][]string // paths that exist in the stages
	cwd   string     // working directory of the current stage
}

// Generate returns the case for a seed and a number. It is deterministic.
func Generate(seed uint64, number int) *Case {
	g := &generator{
		r:    rand.New(rand.NewPCG(seed, uint64(number))),
		c:    &Case{Title: fmt.Sprintf("Build %d of seed %d", number, seed)},
		mark: fmt.Sprintf("c%d-%d", seed, number),
	}
	g.context()
	g.dockerfile()
	g.options()
	if g.chance(70) {
		g.change()
		if g.chance(25) {
			g.change()
		}
	}
	return g.c
}

// chance returns true with the given probability.
func (g *generator) chance(percent int) bool { return g.r.IntN(100) < percent }

// pick returns a random word of list, or "" if list is empty. Repeated words
// are more likely.
func (g *generator) pick(list ...string) string {
	if len(list) == 0 {
		return ""
	}
	return list[g.r.IntN(len(list))]
}

// words returns a random word of a text.
func (g *generator) words(text string) string { return g.pick(strings.Fields(text)...) }

// maybe returns s with the given probability, or "".
func (g *generator) maybe(percent int, s string) string {
	if g.chance(percent) {
		return s
	}
	return ""
}

// weighted calls one of the functions, with a probability proportional to its
// weight.
func (g *generator) weighted(list []choice) {
	total := 0
	for _, c := range list {
		total += c.weight
	}
	at := g.r.IntN(total)
	for _, c := range list {
		if at -= c.weight; at < 0 {
			c.do()
			return
		}
	}
}

type choice struct {
	weight int
	do     func()
}

// content returns a line that is unique across cases and has a unique length:
// BuildKit omits a file from a layer if it has the same time and size as the
// file that it replaces.
func (g *generator) content() string {
	g.n++
	return fmt.Sprintf("%s %d", g.mark, g.n) + strings.Repeat(".", 2*g.n)
}

func (g *generator) mode() string {
	return g.words("644 600 755 700 666 444 0 4755 2750 1777 640 777")
}

func (g *generator) time() string {
	return g.words("2001-02-03T04:05:06Z 2015-06-07T08:09:10.123456789Z 1999-12-31T23:59:59.5Z 1970-01-01T00:00:00Z 2020-02-29T12:00:00.000001Z 2019-01-01T00:00:00Z")
}

// context generates the files of the context.
func (g *generator) context() {
	g.dirs = []string{""}
	used := map[string]bool{}
	for range 2 + g.r.IntN(8) {
		dir := g.pick(g.dirs...)
		path := strings.TrimPrefix(dir+"/"+g.pick("a", "b", "c", "f.txt", "g.md", "x", ".hid", "sp ace", "\u00fc", "[q]", "d", "e", "a*b"), "/")
		if used[path] {
			continue
		}
		used[path] = true
		f := &File{Kind: g.kind(path), Path: path}
		if f.Kind == "fifo" { // with a name that no command opens
			dir = g.pick("", "", "d/")
			path = dir + "pipe"
			if used[path] || dir != "" && !slices.Contains(g.dirs, "d") {
				continue
			}
			used[path], f.Path = true, path
		}
		if f.Kind == "archive" {
			if path = path + g.pick(".tar", ".tar", ".tar.gz", ".tar.zst", ".zip"); used[path] {
				continue
			}
			used[path], f.Path = true, path
		}
		g.fill(f)
		g.c.Files = append(g.c.Files, f)
		g.paths = append(g.paths, f.Path)
	}
	if g.chance(12) {
		for range 1 + g.r.IntN(4) {
			g.c.Ignore = append(g.c.Ignore, g.pick("*.md", "d", "!d/a", "**/b", "d/*", "!**/f.txt", ".hid", "/a", "e/", "# comment", "**/[ax]", "!x", "**", "!a*", "?", "d/e"))
		}
	}
}

func (g *generator) kind(path string) string {
	last := path[strings.LastIndex(path, "/")+1:]
	if last == "d" || last == "e" {
		return "dir"
	}
	return g.words("file file file file file file file file file file file dir dir link link link hard fifo socket archive archive")
}

// fill sets the properties of a file that depend on its kind.
func (g *generator) fill(f *File) {
	switch f.Kind {
	case "file":
		f.Mode = g.maybe(30, g.mode())
		if !g.chance(8) {
			f.Content = g.content() + "\n"
		}
		if g.chance(5) {
			f.Size = 1 + g.r.IntN(200_000)
		}
		if g.chance(6) {
			f.Xattrs = append(f.Xattrs, g.pick("user.k v", "user.long some value", "trusted.t x"))
		}
	case "dir":
		f.Mode = g.pick("0755", "0755", "0700", "2755", "1777", "0", "0750")
		g.dirs = append(g.dirs, f.Path)
		if g.chance(5) {
			f.Xattrs = append(f.Xattrs, "user.d v")
		}
	case "link":
		f.Content = g.target(f.Path)
	case "hard":
		f.Content = g.existing("file")
		if f.Content == "" {
			f.Kind, f.Content = "file", g.content()+"\n"
			return
		}
	case "fifo":
		f.Mode = g.pick("600", "644")
	case "archive":
		f.Content = g.archive()
	}
	if f.Kind != "hard" {
		f.Time = g.maybe(40, g.time())
	}
}

// target returns the target of a link in the context, usually a file of the
// context.
func (g *generator) target(link string) string {
	if len(g.paths) == 0 || g.chance(8) {
		return g.pick("nowhere", "/etc/passwd", "/", "..", "../a", link[strings.LastIndex(link, "/")+1:])
	}
	to := g.pick(g.paths...)
	return g.pick(strings.Repeat("../", strings.Count(link, "/"))+to, "/"+to)
}

// existing returns the path of a file of the given kind in the context, or "".
func (g *generator) existing(kind string) string {
	var list []string
	for _, f := range g.c.Files {
		if f.Kind == kind {
			list = append(list, f.Path)
		}
	}
	return g.pick(list...)
}

// archive returns the entries of an archive.
func (g *generator) archive() string {
	var b strings.Builder
	files := []string{}
	for n := range 1 + g.r.IntN(6) {
		owner := g.pick("0:0", "0:0", "7:8", "1000:0")
		path := g.pick("", "", "d/", "./", "d/e/") + g.words("a b f.txt d x l etc .hid")
		if n == 0 || g.chance(50) {
			fmt.Fprintf(&b, "file %s %s %s %s\n", g.pick("0644", "0600", "4755", "0"), owner, path, g.content())
			files = append(files, path)
			continue
		}
		switch g.words("dir dir symlink hardlink char fifo xattr") {
		case "dir":
			fmt.Fprintf(&b, "dir %s %s %s\n", g.pick("0755", "0700", "1777"), owner, path)
		case "symlink":
			fmt.Fprintf(&b, "symlink 0777 %s %s %s\n", owner, path, g.words("a d ../x /etc nowhere d/e/a"))
		case "hardlink":
			if to := g.pick(files...); strings.TrimPrefix(to, "./") != strings.TrimPrefix(path, "./") {
				fmt.Fprintf(&b, "hardlink 0644 0:0 %s %s\n", path, to)
			}
		case "char":
			fmt.Fprintf(&b, "char 0600 0:0 %s 1:3\n", path)
		case "fifo":
			fmt.Fprintf(&b, "fifo 0600 %s %s\n", owner, path)
		case "xattr":
			fmt.Fprintf(&b, "xattr user.a=v\nfile 0644 %s %s %s\n", owner, path, g.content())
		}
	}
	return b.String()
}
