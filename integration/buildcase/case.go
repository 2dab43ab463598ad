package buildcase

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/txtar"
)

// A Case is a parsed test case. Its methods do not modify it.
type Case struct {
	About     string
	Differs   string   // reason why the error's source location differs from upstream's; "" if the locations must be equal
	Errors    []string // lines that the output of the failing build must contain
	Upstream  []string // names of the BuildKit tests whose behavior the case covers
	Random    []string // image paths without leading slash whose content differs in each build
	Secrets   map[string][]byte
	SSH       bool
	Allow     []string // entitlements that the build is granted
	Named     []string // sorted names of the named contexts
	HasServer bool     // set if the case has files for the HTTP server

	ignore string
	builds []step
}

// A step is the input of one build of a case. For the first build, it is the full input, and
// for each further build the changes to the input.
type step struct {
	dockerfile *string           // nil if the Dockerfile is unchanged
	attrs      map[string]string // frontend options; the options of earlier builds stay set
	files      []txtar.File      // files by path relative to the directory of the layout
	places     []placement
}

type placement struct{ key, value string }

// Parse parses a test case. The package comment describes the format.
func Parse(data []byte) (*Case, error) {
	a := txtar.Parse(data)
	c := &Case{Secrets: map[string][]byte{}, builds: make([]step, 1)}
	for _, f := range a.Files {
		if err := c.addFile(f); err != nil {
			return nil, err
		}
	}
	for i, line := range strings.Split(strings.TrimSpace(string(a.Comment)), "\n") {
		if i == 0 {
			c.About = line
			continue
		}
		if err := c.addHeader(line); err != nil {
			return nil, fmt.Errorf("header line %q: %w", line, err)
		}
	}
	slices.Sort(c.Named)
	c.Named = slices.Compact(c.Named)
	return c, nil
}

var againName = regexp.MustCompile(`^again([2-9]?)$`)

// build returns the build that a header belongs to. The parameter name is the header's prefix:
// "again2", for example, selects the third build. If the case does not have that many builds
// yet, build adds them. If the prefix is invalid, it returns nil.
func (c *Case) build(name string) *step {
	m := againName.FindStringSubmatch(name)
	if m == nil {
		return nil
	}
	n := 1
	if m[1] != "" {
		n, _ = strconv.Atoi(m[1])
	}
	for len(c.builds) <= n {
		c.builds = append(c.builds, step{})
	}
	return &c.builds[n]
}

func (c *Case) addFile(f txtar.File) error {
	top, rest, _ := strings.Cut(f.Name, "/")
	first := &c.builds[0]
	if name, ok := strings.CutPrefix(f.Name, "Dockerfile."); ok {
		if b := c.build(name); b != nil {
			text := string(f.Data)
			b.dockerfile = &text
			return nil
		}
	}
	if b := c.build(top); b != nil {
		b.files = append(b.files, txtar.File{Name: "context/" + rest, Data: f.Data})
		return nil
	}
	switch top {
	case "Dockerfile":
		text := string(f.Data)
		first.dockerfile = &text
	case "Dockerfile.dockerignore":
		c.ignore = string(f.Data)
	case "error":
		c.Errors = strings.Split(strings.TrimSpace(string(f.Data)), "\n")
	case "context":
		first.files = append(first.files, f)
	case "archive":
		data, err := PackArchive(rest, f.Data)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		first.files = append(first.files, txtar.File{Name: rest, Data: data})
	case "http":
		c.HasServer = true
		first.files = append(first.files, f)
	case "named":
		name, _, _ := strings.Cut(rest, "/")
		c.Named = append(c.Named, name)
		first.files = append(first.files, f)
	default:
		return fmt.Errorf("unknown file %s", f.Name)
	}
	return nil
}

// addHeader adds the content of a header line such as "attr: target=x" to the case.
func (c *Case) addHeader(line string) error {
	key, value, ok := strings.Cut(line, ": ")
	if !ok {
		return errors.New("not of the form key: value")
	}
	b := &c.builds[0]
	if again := c.build(key); again != nil {
		b = again
		if key, value, ok = strings.Cut(value, ": "); !ok {
			return errors.New("not of the form again: key: value")
		}
	}
	first, second, _ := strings.Cut(value, "=")
	switch key {
	case "attr":
		if b.attrs == nil {
			b.attrs = map[string]string{}
		}
		b.attrs[first] = second
		return nil
	case "secret":
		c.Secrets[first] = []byte(second)
	case "ssh":
		c.SSH = true
	case "allow":
		c.Allow = append(c.Allow, value)
	case "differs":
		c.Differs = value
	case "upstream":
		c.Upstream = append(c.Upstream, strings.Fields(value)...)
	case "random":
		c.Random = append(c.Random, strings.TrimPrefix(value, "/"))
	default:
		b.places = append(b.places, placement{key, value})
		return nil
	}
	if b != &c.builds[0] {
		return fmt.Errorf("%s applies to all builds (remove the prefix again)", key)
	}
	return nil
}

// attrs returns the frontend options of build n of the case, including the options of earlier
// builds. The first build is build 0.
func (c *Case) attrs(n int) map[string]string {
	all := map[string]string{}
	for _, b := range c.builds[:n+1] {
		maps.Copy(all, b.attrs)
	}
	for _, name := range c.Named {
		all["context:"+name] = "local:" + name
	}
	return all
}

// dockerfile returns the text of the Dockerfile for build n of the case. The first build is
// build 0. The result is "" if no build up to n has a Dockerfile.
func (c *Case) dockerfile(n int) string {
	for ; n >= 0; n-- {
		if text := c.builds[n].dockerfile; text != nil {
			return *text
		}
	}
	return ""
}
