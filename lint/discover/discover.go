// Package discover finds the Dockerfiles in directories.
package discover

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
)

// Files returns the Dockerfiles that the arguments select, in order and without duplicates. An
// argument is a file, which is returned whatever its name is, a directory, or a pattern with the
// wildcards *, ? and **.
func Files(args []string) ([]string, error) {
	var list []string
	seen := map[string]bool{}
	for _, arg := range args {
		found, err := expand(arg)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			if !seen[f] {
				seen[f] = true
				list = append(list, f)
			}
		}
	}
	return list, nil
}

// expand returns the files that one argument selects.
func expand(arg string) ([]string, error) {
	info, err := os.Stat(arg)
	switch {
	case err == nil && !info.IsDir():
		return []string{arg}, nil
	case err == nil:
		return walk(arg, IsDockerfile)
	case !strings.ContainsAny(arg, "*?["):
		return nil, err
	}
	root := "."
	pattern := filepath.ToSlash(arg)
	if i := strings.IndexAny(pattern, "*?["); i > 0 {
		if k := strings.LastIndexByte(pattern[:i], '/'); k >= 0 {
			root = pattern[:max(k, 1)]
		}
	}
	list, err := walk(root, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", arg, err)
	}
	list = slices.DeleteFunc(list, func(name string) bool {
		return !Match(strings.TrimPrefix(pattern, "./"), strings.TrimPrefix(filepath.ToSlash(name), "./"))
	})
	return list, nil
}

// IsDockerfile reports whether a file name is usual for a Dockerfile: Dockerfile or
// Containerfile, with a prefix or a suffix, in any case. The suffix must not be that of another
// kind of file, such as .go.
func IsDockerfile(name string) bool {
	name = strings.ToLower(name)
	if strings.HasSuffix(name, ".dockerignore") || strings.HasSuffix(name, ".containerignore") {
		return false
	}
	switch path.Ext(name) {
	case ".go", ".py", ".js", ".ts", ".rs", ".rb", ".java", ".c", ".h", ".sh", ".md", ".txt", ".json", ".yaml", ".yml", ".toml", ".html", ".txtar", ".lock", ".orig", ".rej", ".bak", ".swp":
		return false
	}
	for _, base := range []string{"dockerfile", "containerfile"} {
		if name == base || strings.HasPrefix(name, base+".") || strings.HasSuffix(name, "."+base) {
			return true
		}
	}
	return false
}

// walk returns the files below a directory whose names wanted accepts. It leaves out .git,
// node_modules, and the files that .gitignore excludes, also those in the directories above, up to
// the root of the repository. If wanted is nil, it returns all files.
func walk(root string, wanted func(string) bool) ([]string, error) {
	var list []string
	above, patterns, err := inherited(root)
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			if name == root {
				return err
			}
			return nil // an unreadable directory has no files for us
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		parts := slices.Concat(above, strings.Split(filepath.ToSlash(rel), "/"))
		if name != root && gitignore.NewMatcher(patterns).Match(parts, d.IsDir()) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !d.IsDir() {
			if wanted == nil || wanted(d.Name()) {
				list = append(list, name)
			}
			return nil
		}
		if name != root && (d.Name() == ".git" || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if name == root {
			parts = above
		}
		patterns = append(patterns, readIgnore(name, parts)...)
		return nil
	})
	return list, err
}

// inherited returns the patterns of the .gitignore files above the directory root, and the path of
// root below the root of the repository. Outside of a repository, or if the patterns exclude root
// itself, both are empty.
func inherited(root string) (parts []string, patterns []gitignore.Pattern, err error) {
	dir, err := filepath.Abs(root)
	if err != nil {
		return nil, nil, err
	}
	for top := dir; ; top = filepath.Dir(top) {
		if _, err := os.Stat(filepath.Join(top, ".git")); err == nil {
			for at := top; at != dir; at = filepath.Join(at, parts[len(parts)-1]) {
				patterns = append(patterns, readIgnore(at, slices.Clone(parts))...)
				below, _, _ := strings.Cut(strings.TrimPrefix(dir[len(at):], string(filepath.Separator)), string(filepath.Separator))
				parts = append(parts, below)
			}
			if gitignore.NewMatcher(patterns).Match(parts, true) {
				return nil, nil, nil
			}
			return parts, patterns, nil
		}
		if top == filepath.Dir(top) {
			return nil, nil, nil
		}
	}
}

// readIgnore returns the patterns of the .gitignore in a directory.
func readIgnore(dir string, domain []string) []gitignore.Pattern {
	data, err := os.ReadFile(filepath.Join(dir, ".gitignore"))
	if err != nil {
		return nil
	}
	var list []gitignore.Pattern
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		text := strings.TrimRight(string(line), "\r")
		if strings.TrimSpace(text) != "" && !strings.HasPrefix(text, "#") {
			list = append(list, gitignore.ParsePattern(text, domain))
		}
	}
	return list
}

// Match reports whether a pattern matches a path with slashes. The element ** of a pattern
// matches any number of directories.
func Match(pattern, name string) bool {
	return matchParts(strings.Split(pattern, "/"), strings.Split(name, "/"))
}

// matchParts reports whether the elements of a pattern match those of a path.
func matchParts(pattern, name []string) bool {
	if len(pattern) == 0 {
		return len(name) == 0
	}
	if pattern[0] == "**" {
		for i := range len(name) + 1 {
			if matchParts(pattern[1:], name[i:]) {
				return true
			}
		}
		return false
	}
	if len(name) == 0 {
		return false
	}
	ok, err := path.Match(pattern[0], name[0])
	return ok && err == nil && matchParts(pattern[1:], name[1:])
}
