package builder

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"slipway/internal/suggest"
	"slipway/solver/fileop"
	"slipway/solver/runner"
	"slipway/solver/tree"
)

// fileLister gives access to the file system in which a path was not found, so that a
// hint can suggest a similar path. All paths are absolute.
type fileLister interface {
	// list returns the names in a directory. isDir is false if name is not a directory.
	list(name string) (names []string, isDir bool)
	// link returns the target of a symbolic link. If name is not a symbolic link, it returns "".
	link(name string) string
}

// pathHint returns a hint in parentheses about a path that was not found: the reason, or a
// similar path. The parameter name is the path, and w is the word in the Dockerfile that
// specifies the path. If pathHint finds neither a reason nor a similar path, it returns "".
func (p *inputs) pathHint(o *Options, err error, w *pathWord, name string) string {
	files := p.searchedFiles(err, w.from)
	if files == nil {
		return ""
	}
	if w.sources != nil {
		if text := misuseHint(files, w, name); text != "" {
			return " (" + text + ")"
		}
	}
	dir, isLocal := files.(directory)
	if !isLocal {
		return missingHint(files, name)
	}
	if text := missingHint(files, name); text != "" || !hasPath(files, name) {
		return text
	}
	return ignoredBy(o, string(dir), name)
}

// searchedFiles returns the file system in which a build did not find a path, or nil if the
// file system is unknown. The parameter err is the build's error about this path, and from is
// the name of the stage, context or image that was searched. For the build context, from is "".
func (p *inputs) searchedFiles(err error, from string) fileLister {
	key := cmp.Or(from, "context")
	if dir, ok := p.dirs[key]; ok {
		return directory(dir)
	}
	if root, ok := p.trees[key]; ok {
		return rootTree{root}
	}
	var copied *fileop.NotFoundError
	var mounted *runner.SourceError
	switch {
	case errors.As(err, &copied):
		return rootTree{copied.Root}
	case errors.As(err, &mounted) && mounted.Root != nil:
		return rootTree{mounted.Root}
	}
	return nil
}

// misuseHint returns a hint if a missing source of COPY or ADD has syntax that COPY and ADD do
// not support, such as a shell operator or ~. For other sources, misuseHint returns "".
func misuseHint(files fileLister, w *pathWord, name string) string {
	v := w.sources[w.index].Value
	isLocal := w.from == ""
	slashes := strings.ReplaceAll(v, `\`, "/")
	switch {
	case regexp.MustCompile(`^([0-9]?>>?|<|\||\|\||&|&&|;|2>&1)$`).MatchString(v):
		return fmt.Sprintf("no shell reads this instruction: %q is taken for a file", v)
	case strings.HasPrefix(v, "#"):
		return "# starts a comment at the beginning of a line only"
	case strings.HasPrefix(v, "-"):
		return v + " is taken for a file: directories are copied with all that is in them"
	case v == "~" || strings.HasPrefix(v, "~/"):
		return "~ is not expanded: sources are relative to the " + searchRoot(isLocal)
	case isLocal && strings.HasPrefix(path.Clean(v)+"/", "../"):
		return ".. does not lead out of the build context: build with a directory above as the context, or use --build-context NAME=DIR and --from=NAME"
	case regexp.MustCompile(`\{.*,.*\}`).MatchString(v):
		return "braces are not expanded: name each file, or use * and ?"
	case strings.HasSuffix(v, `\`) && w.index+1 < len(w.sources):
		name := strings.TrimSuffix(v, `\`) + " " + w.sources[w.index+1].Value
		return fmt.Sprintf("a backslash does not hold words together: write the instruction as a JSON array: [%q, …]", name)
	case slashes != v && hasPath(files, slashes):
		return fmt.Sprintf("\\ escapes the character after it: write %s", slashes)
	case strings.Contains(v, "[") && hasPath(files, v):
		return fmt.Sprintf("[ begins a set of characters: write %s", strings.ReplaceAll(v, "[", "[[]"))
	case strings.ContainsAny(v, "*?[") && hasPath(files, name):
		return "no file matches " + v
	case isLocal && path.IsAbs(v) && exists(v) && !hasPath(files, v):
		return onHost(files, v)
	}
	return blankHint(files, w)
}

// onHost returns a hint for a missing source of COPY or ADD. The source is an absolute path
// that exists on the host. If the file is in the build context, the hint is to write the path
// relative to the context. If it is not, the hint is to copy the file into the context, or to
// use a named context.
func onHost(files fileLister, name string) string {
	dir, _ := files.(directory)
	root, err := filepath.Abs(string(dir))
	if err != nil {
		return ""
	}
	inside, err := filepath.Rel(root, name)
	if err != nil || !filepath.IsLocal(inside) {
		return name + " is outside of the build context: copy it into the context, or use --build-context NAME=DIR and --from=NAME"
	}
	return "sources are relative to the build context: write " + filepath.ToSlash(inside)
}

func searchRoot(isLocal bool) string {
	if isLocal {
		return "build context"
	}
	return "root directory of --from"
}

// blankHint returns a hint that COPY treats a file name with blanks as several sources, unless
// the instruction is in the form of a JSON array. If w, the missing source, is not part of a
// file name with blanks, it returns "".
func blankHint(files fileLister, w *pathWord) string {
	for first := 0; first <= w.index; first++ {
		for end := max(w.index+1, first+2); end <= len(w.sources); end++ {
			var words []string
			for _, s := range w.sources[first:end] {
				words = append(words, s.Value)
			}
			if name := strings.Join(words, " "); hasPath(files, name) {
				return fmt.Sprintf("did you mean %q? write the instruction as a JSON array", name)
			}
		}
	}
	return ""
}

// hasPath reports whether the path name exists. If it is a symbolic link, hasPath does not
// follow the link.
func hasPath(files fileLister, name string) bool {
	name = path.Clean("/" + name)
	names, _ := files.list(path.Dir(name))
	return name == "/" || slices.Contains(names, path.Base(name))
}

// missingHint returns a hint about the path name, such as " (bin is not a directory)". It looks
// for the first component of the path that does not exist. If the parent of this component is a
// regular file or a dangling link, the hint states this. If not, the hint suggests a similar
// name, if one exists.
func missingHint(files fileLister, name string) string {
	parts := strings.Split(strings.TrimPrefix(name, "/"), "/")
	at := "/"
	for i, part := range parts {
		names, isDir := files.list(at)
		next := path.Join(at, part)
		switch {
		case !isDir && at != "/":
			return fmt.Sprintf(" (%s is not a directory)", at[1:])
		case !slices.Contains(names, part):
			match, ok := similarName(part, names)
			if !ok {
				return ""
			}
			found := path.Join(at, match)
			if whole := path.Join(append([]string{found}, parts[i+1:]...)...); hasPath(files, whole) {
				found = whole
			}
			return " (did you mean " + found[1:] + "?)"
		}
		if to := files.link(next); to != "" {
			if text := danglingHint(files, next, to); text != "" {
				return text
			}
			next = path.Join("/", path.Dir(next), to)
			if path.IsAbs(to) {
				next = path.Clean(to)
			}
		}
		at = next
	}
	return ""
}

// danglingHint returns a hint if a symbolic link is dangling or leads out of the build context.
// The parameter link is the path of the link, and target is the path that the link contains.
// For other links, danglingHint returns "".
func danglingHint(files fileLister, link, target string) string {
	_, isLocal := files.(directory)
	outside := path.IsAbs(target) || strings.HasPrefix(path.Join(strings.TrimPrefix(path.Dir(link), "/"), target)+"/", "../")
	switch {
	case isLocal && outside:
		return fmt.Sprintf(" (%s is a link to %s, outside of the build context: copy the file into it, or use --build-context NAME=DIR and --from=NAME)", link[1:], target)
	case path.IsAbs(target) && hasPath(files, target), !path.IsAbs(target) && hasPath(files, path.Join(path.Dir(link), target)):
		return ""
	}
	return fmt.Sprintf(" (%s is a link to %s, which does not exist)", link[1:], target)
}

// similarName returns the candidate that differs from the given name only in case. If no such
// candidate exists, it returns the most similar candidate, or false if no candidate is similar.
// The parameter names contains the candidates.
func similarName(name string, names []string) (string, bool) {
	if i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, name) }); i >= 0 {
		return names[i], true
	}
	return suggest.Near(name, names)
}

// directory is a [fileLister] for a directory on the host. Its value is the path of the
// directory.
type directory string

func (d directory) list(name string) (names []string, isDir bool) {
	entries, err := os.ReadDir(filepath.Join(string(d), filepath.FromSlash(name)))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err == nil
}

func (d directory) link(name string) string {
	to, err := os.Readlink(filepath.Join(string(d), filepath.FromSlash(name)))
	if err != nil {
		return ""
	}
	return filepath.ToSlash(to)
}

// rootTree is a [fileLister] for the file system of a stage or an image. It treats files that
// cannot be loaded as missing, because a hint must not cause another error.
type rootTree struct{ root *tree.Node }

func (r rootTree) list(name string) (names []string, isDir bool) {
	n, err := r.root.Get(name)
	if err != nil || n == nil || n.Kind() != tree.Dir {
		return nil, false
	}
	entries, err := n.Entries()
	for _, e := range entries {
		names = append(names, e.Name)
	}
	return names, err == nil
}

func (r rootTree) link(name string) string {
	if n, err := r.root.Get(name); err == nil && n != nil && n.Kind() == tree.Symlink {
		return n.Target()
	}
	return ""
}
