package golden

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/tools/txtar"
)

// Categories returns the names of the top-level directories of testdata. Each directory contains
// the cases about one topic, such as "copy".
func Categories() []string {
	return []string{
		"options", "lex", "args", "from", "copy", "run", "mount", "config", "onbuild",
		"context", "platform", "epoch", "sbom", "link", "lint", "requests", "error", "windows",
	}
}

// extensions is the directory of the cases about extensions, which docker/dockerfile refuses.
const extensions = "ext"

// Case is a test case, parsed from one txtar archive. It is immutable.
type Case struct {
	Name         string            // category/words or category/subject/words: path in testdata without .txtar
	Path         string            // path of the archive; "" if the case was not read from a file
	Title        string            // rule that the case shows, on one line
	Section      string            // number of a section in testdata/checklist.txt; "" for none
	Opts         map[string]string // frontend options; never nil
	Worker       []string          // platforms of the builder; never empty
	MissingCaps  []string          // LLB capabilities that the builder lacks
	Differs      []Excuse
	Refused      string            // error of docker/dockerfile, if it does not support what the case uses; else ""
	LastModified map[string]string // RFC 3339 times by URL
	Policy       map[string]string // source identifier → the identifier that a source policy replaces it with
	Files        []File            // decoded files in the order of the archive, without recorded results

	platforms []string
	out       map[string]string // recorded results by section, as stored in the archive
}

// File is a file in the txtar archive of a case.
type File struct {
	Name string // slash-separated path in the archive
	Data []byte // decoded content
}

// Excuse describes an intended difference from docker/dockerfile.
type Excuse struct {
	Kind string // aspect that the differential test compares, such as operations or warnings
	Why  string
}

// Parse parses the archive of a case. The parameter name has the form category/words or
// category/subject/words. Parse returns an error for the first problem: an unknown header or
// category, a missing title, a duplicate file, or invalid quoting.
func Parse(name string, data []byte) (*Case, error) {
	c := &Case{Name: name, Opts: map[string]string{}, LastModified: map[string]string{}, Policy: map[string]string{}, out: map[string]string{}}
	if err := checkName(name); err != nil {
		return nil, err
	}
	a := txtar.Parse(data)
	h, err := parseHeader(c, string(a.Comment))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for _, f := range a.Files {
		if err := c.addFile(f, h); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", name, f.Name, err)
		}
	}
	for file := range h.quoted {
		if _, ok := c.File(file); !ok {
			return nil, fmt.Errorf("%s: encoding of %s: the archive does not contain this file", name, file)
		}
	}
	return c, nil
}

// checkName returns an error unless name has the form category/words or
// category/subject/words.
func checkName(name string) error {
	parts := strings.Split(name, "/")
	if !slices.Contains(Categories(), parts[0]) && parts[0] != extensions {
		return fmt.Errorf("%s: unknown category %q", name, parts[0])
	}
	if n := len(parts); n < 2 || n > 3 {
		return fmt.Errorf("%s: invalid name (want a category, an optional subject and words, separated by slashes)", name)
	}
	for _, words := range parts[1:] {
		if words == "" || strings.Trim(words, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return fmt.Errorf("%s: invalid name (use lower-case letters, digits and dashes)", name)
		}
	}
	return nil
}

func (c *Case) addFile(f txtar.File, h *header) error {
	if section, ok := strings.CutPrefix(f.Name, "out/"); ok {
		if _, ok := c.out[section]; ok {
			return fmt.Errorf("appears twice")
		}
		if _, ok := sections()[section]; !ok {
			return fmt.Errorf("no package owns this section")
		}
		c.out[section] = string(f.Data)
		return nil
	}
	if f.Name != path.Clean(f.Name) && !strings.HasPrefix(f.Name, "http/") {
		return fmt.Errorf("is not a clean path")
	}
	if _, ok := c.File(f.Name); ok {
		return fmt.Errorf("appears twice")
	}
	data := f.Data
	if h.quoted[f.Name] {
		var err error
		if data, err = decodeQuoted(f.Data); err != nil {
			return err
		}
	}
	c.Files = append(c.Files, File{Name: f.Name, Data: data})
	return nil
}

// File returns the decoded content of the file with the given path in the archive, and whether
// the file exists.
func (c *Case) File(name string) ([]byte, bool) {
	for _, f := range c.Files {
		if f.Name == name {
			return f.Data, true
		}
	}
	return nil, false
}

// DockerfileName returns the path of the Dockerfile: the frontend option filename if it is
// set, otherwise "Dockerfile".
func (c *Case) DockerfileName() string {
	if name, ok := c.Opts["filename"]; ok {
		return name
	}
	return "Dockerfile"
}

// Dockerfile returns the content of the Dockerfile in the archive, whose path is the result of
// [Case.DockerfileName]. It returns nil if the archive does not contain the Dockerfile. In this
// case, the Dockerfile may be in a git repository, on a server or in a frontend input, or
// missing on purpose.
func (c *Case) Dockerfile() []byte {
	data, _ := c.File(c.DockerfileName())
	return data
}

// Tree returns the content of the files below the directory dir of the archive. The keys are
// paths relative to dir. If dir is "", Tree returns the files outside of the special
// directories, such as "context" and "http".
func (c *Case) Tree(dir string) map[string][]byte {
	tree := map[string][]byte{}
	for _, f := range c.Files {
		if dir == "" {
			if !isSpecial(f.Name) {
				tree[f.Name] = f.Data
			}
			continue
		}
		if rest, ok := strings.CutPrefix(f.Name, dir+"/"); ok {
			tree[rest] = f.Data
		}
	}
	return tree
}

// Context returns the content of the files in the main context, by path.
func (c *Case) Context() map[string][]byte { return c.Tree("context") }

// Local returns the files of a local directory of the build. The parameter name is "context",
// "dockerfile", the name of a named context, or "input." followed by the name of a frontend
// input. If the directory has no files, Local returns false, unless name is "context" or
// "dockerfile".
func (c *Case) Local(name string) (map[string][]byte, bool) {
	dir := "context." + name
	switch {
	case name == "dockerfile":
		dir = ""
	case name == "context" || strings.HasPrefix(name, "input."):
		dir = name
	}
	tree := c.Tree(dir)
	return tree, len(tree) > 0 || name == "dockerfile" || name == "context"
}

// Platforms returns the values of the frontend option "platform" with which tests run the
// case. A value may be a comma-separated list, and "" stands for a run without the option.
//
// By default, the values are "", linux/amd64, linux/arm64, windows/amd64, a list of two platforms,
// and the value that the case itself sets. If the case has the header "platforms", its values
// replace the defaults.
func (c *Case) Platforms() []string {
	if len(c.platforms) > 0 {
		return slices.Clone(c.platforms)
	}
	list := []string{"", "linux/amd64", "linux/arm64", "windows/amd64", "linux/amd64,linux/arm64"}
	if p, ok := c.Opts["platform"]; ok && !slices.Contains(list, p) {
		list = append(list, p)
	}
	return list
}

// Excused returns the reason for an intended difference from docker/dockerfile. The parameter
// kind is the aspect that differs, such as "operations" or "warnings". If no difference of this
// kind is intended, ok is false.
func (c *Case) Excused(kind string) (why string, ok bool) {
	for _, e := range c.Differs {
		if e.Kind == kind {
			return e.Why, true
		}
	}
	return "", false
}

func isSpecial(name string) bool {
	dir, _, ok := strings.Cut(name, "/")
	if !ok {
		return name == "git.commit"
	}
	switch dir {
	case "context", "images", "http", "git":
		return true
	}
	return strings.HasPrefix(dir, "context.") || strings.HasPrefix(dir, "input.")
}
