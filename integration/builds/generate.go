package builds

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// generator is the state of generating one random case, such as the paths that exist in
// each stage.
type generator struct {
	r          *rand.Rand
	c          *Case
	mark       string     // prefix that makes names and contents unique to the case, so that cases share no cache
	n          int        // number of generated contents
	paths      []string   // context paths of files, directories and links
	dirs       []string   // context paths of directories
	bases      []string   // base image of each stage
	stagePaths [][]string // paths that exist in each stage
	cwd        string     // working directory of the current stage
}

// Generate returns one case from a sequence of random cases. The seed selects the sequence,
// and number is the position of the case in the sequence. Equal arguments result in equal
// cases.
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

// chance returns true with the given probability in percent.
func (g *generator) chance(percent int) bool { return g.r.IntN(100) < percent }

// pick returns a random element of a list, or "" if the list is empty. A list can contain an
// element several times to make it more likely.
func (g *generator) pick(list ...string) string {
	if len(list) == 0 {
		return ""
	}
	return list[g.r.IntN(len(list))]
}

// words returns a random word of a text in which blanks separate the words.
func (g *generator) words(text string) string { return g.pick(strings.Fields(text)...) }

// optional returns s with the given probability in percent, and "" otherwise.
func (g *generator) optional(percent int, s string) string {
	if g.chance(percent) {
		return s
	}
	return ""
}

// weighted chooses a random element of a list and calls its function. The probability of each
// element is proportional to its weight.
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

// content returns a line whose text and length are both unique. The length must be unique
// because BuildKit leaves a file out of a layer if the file replaces another one of equal size
// and time.
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

// context generates the files of the build context.
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
		if f.Kind == "fifo" { // no generated command opens this name, which would block
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
		g.setProperties(f)
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

// setProperties sets random properties of the context file f. They depend on the kind of f:
// for example, a directory gets a mode, and a link gets a target.
func (g *generator) setProperties(f *File) {
	switch f.Kind {
	case "file":
		f.Mode = g.optional(30, g.mode())
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
		f.Time = g.optional(40, g.time())
	}
}

// target returns a random target for a link in the context, usually an existing path.
func (g *generator) target(link string) string {
	if len(g.paths) == 0 || g.chance(8) {
		return g.pick("nowhere", "/etc/passwd", "/", "..", "../a", link[strings.LastIndex(link, "/")+1:])
	}
	to := g.pick(g.paths...)
	return g.pick(strings.Repeat("../", strings.Count(link, "/"))+to, "/"+to)
}

// existing returns the path of a random context file of the given kind, or "" if none exists.
func (g *generator) existing(kind string) string {
	var list []string
	for _, f := range g.c.Files {
		if f.Kind == kind {
			list = append(list, f.Path)
		}
	}
	return g.pick(list...)
}

// archive returns the entries of a random archive in the format of [buildcase.PackArchive].
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
