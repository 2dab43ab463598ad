//go:build integration

package buildfaults

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

var allDamage = flag.Bool("all-damage", false, "run each kind of build after each kind of damage, not only some of them")

// damagedDockerfile is a Dockerfile whose build creates each kind of file in the state
// directory. The image has 19 layers, so that a chain file is needed. One directory is so large
// that its subdirectories are stored in groups. No later step mounts the layers of the RUN
// steps, because steps use mounted layers without verifying them.
const damagedDockerfile = `FROM base AS one
RUN --mount=type=cache,target=/c echo kept > /c/x; echo one > /one; mkdir /d; echo sub > /d/sub
FROM base AS two
COPY large /large
RUN echo two > /large/a/two
FROM base
%sCOPY --from=one /one /d/sub /
COPY --from=two /large /large
COPY changing /
RUN cat /changing /one /large/a/two > /three
RUN cat /three > /four
`

// damagedSite is a site with a state directory that [TestDamage] damages in various ways.
type damagedSite struct {
	*site
	pristine string // an intact copy of the state directory
	image    []byte // the image of the context with content 0
	contents int    // number of the context's last content
}

func newDamagedSite(t *testing.T) *damagedSite {
	t.Helper()
	var steps strings.Builder
	for i := range 17 {
		fmt.Fprintf(&steps, "WORKDIR /w%d\n", i)
	}
	s := &damagedSite{site: newSite(t, fmt.Sprintf(damagedDockerfile, steps.String()))}
	for i := range 400 {
		s.write(fmt.Sprintf("large/%0150d", i), fmt.Sprint(i))
	}
	for _, dir := range []string{"a", "b", "c"} {
		s.write("large/"+dir+"/f", dir)
	}
	s.write("changing", "content 0\n")
	s.image = s.build(s.tag()...)
	s.pristine = filepath.Join(s.dir, "pristine")
	copyState(t, s.state, s.pristine)
	return s
}

// tag returns the flags that make a build store the image in the state directory.
func (*damagedSite) tag() []string { return []string{"-o", "type=image", "-t", "kept"} }

// copyState copies a state directory, including the runner's layers. It first removes the
// destination.
func copyState(t testing.TB, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v\n%s", err, out)
	}
}

// kindOf returns the kind of a file in a state directory, such as "blob". If TestDamage must
// not damage the file, it returns "". The parameter name is the path of the file in the
// directory, and roots is a text that contains the digests of all root directories.
func kindOf(name, roots string) string {
	parts := strings.Split(name, "/")
	switch {
	case strings.HasPrefix(name, "store/blobs/"):
		return "blob"
	case strings.HasPrefix(name, "store/dirs/"):
		if strings.Contains(roots, parts[2]+parts[3]) {
			return "root file"
		}
		return "group file"
	case strings.HasPrefix(name, "cache/chains/"):
		return "chain file"
	case strings.HasPrefix(name, "cache/"):
		return "record"
	case parts[0] == "layers":
		return "record of an exported layer"
	case parts[0] == "images":
		return "image"
	case parts[0] == "mounts" && parts[len(parts)-1] == "id":
		return "id of a cache mount"
	case parts[0] == "explain":
		return "record of steps"
	case strings.HasSuffix(name, ".blobs"):
		return "index of a layer"
	case slices.Contains([]string{"one", "sub", "two", "three", "four"}, parts[len(parts)-1]):
		return "file in a layer"
	case len(parts) == 1 && name != "lock":
		return name // format, files, gc, recent
	}
	return ""
}

// kinds returns a map from each kind of file in the state directory to the sorted paths of the
// files of this kind.
func (s *damagedSite) kinds() map[string][]string {
	s.t.Helper()
	var roots strings.Builder
	for _, file := range walk(s.t, filepath.Join(s.pristine, "cache")) {
		data, err := os.ReadFile(file)
		if err != nil {
			s.t.Fatal(err)
		}
		roots.Write(data)
	}
	indexed := map[string]bool{} // layers with an index that no step mounts
	list := walk(s.t, s.pristine)
	for _, file := range list {
		if layer, ok := strings.CutSuffix(file, ".blobs"); ok {
			indexed[layer] = !isCopied(layer)
		}
	}
	kinds := map[string][]string{}
	for _, file := range list {
		name, err := filepath.Rel(s.pristine, file)
		if err != nil {
			s.t.Fatal(err)
		}
		kind := kindOf(name, roots.String())
		if parts := strings.SplitN(name, "/", 5); kind == "file in a layer" && (len(parts) < 5 || !indexed[filepath.Join(s.pristine, filepath.Join(parts[:4]...))]) {
			continue
		}
		if kind != "" {
			kinds[kind] = append(kinds[kind], name)
		}
	}
	return kinds
}

// isCopied reports whether a layer directory is the layer of the base image or of a COPY in
// damagedDockerfile. It recognizes these layers by the names of files that only they contain.
func isCopied(layer string) bool {
	return slices.ContainsFunc([]string{"bin", "sub", "changing", "large/b"}, func(name string) bool {
		_, err := os.Lstat(filepath.Join(layer, name))
		return err == nil
	})
}

// damages lists the kinds of damage to a file. Each function damages the file at the given
// path.
var damages = []struct {
	name string
	do   func(file string) error
}{
	{"emptied", func(file string) error { return os.Truncate(file, 0) }},
	{"truncated", func(file string) error {
		info, err := os.Stat(file)
		return errors.Join(err, os.Truncate(file, info.Size()/2))
	}},
	{"with a flipped bit", func(file string) error {
		data, err := os.ReadFile(file)
		if err == nil && len(data) > 0 {
			data[len(data)/2] ^= 1
		}
		return errors.Join(err, os.WriteFile(file, data, 0o600))
	}},
	{"replaced by a directory", func(file string) error {
		return errors.Join(os.Remove(file), os.Mkdir(file, 0o700))
	}},
	{"replaced by a dangling link", func(file string) error {
		return errors.Join(os.Remove(file), os.Symlink("/nothing", file))
	}},
	{"replaced by a link to itself", func(file string) error {
		return errors.Join(os.Remove(file), os.Symlink(filepath.Base(file), file))
	}},
	{"replaced by a FIFO", func(file string) error {
		return errors.Join(os.Remove(file), syscall.Mkfifo(file, 0o600))
	}},
	{"removed", os.Remove},
}

// TestDamage damages one file of the state directory and then runs two builds. Both builds must
// have the right result. The first build may print one line about the damage. The second build
// must print nothing about the damage and take all results from the cache.
func TestDamage(t *testing.T) {
	s := newDamagedSite(t)
	kinds := s.kinds()
	var names []string
	for kind := range kinds {
		names = append(names, kind)
	}
	slices.Sort(names)
	if want := []string{"blob", "chain file", "file in a layer", "files", "format", "gc", "group file", "id of a cache mount", "image", "index of a layer", "recent", "record", "record of an exported layer", "record of steps", "root file"}; !slices.Equal(names, want) {
		t.Fatalf("the state directory contains %q, want %q", names, want)
	}
	builds := []func() ([]string, func()){s.unchanged, s.changed, s.exported}
	for i, kind := range names {
		for j, damage := range damages {
			for k := range builds {
				// By default, each kind of file has a third of the damages, each with one build.
				if *allDamage || i%len(builds) == j%len(builds) && (i+j)%len(builds) == k {
					files := kinds[kind]
					s.damaged(files[(i+j*7+k*31)%len(files)], damage.name, damage.do, builds[k])
				}
			}
		}
	}
}

// damaged performs one test case: it damages a file in the state directory, and then runs and
// checks two builds. The callback next returns the arguments of both builds, and a function
// that checks their outputs.
func (s *damagedSite) damaged(name, how string, damage func(string) error, next func() ([]string, func())) {
	s.t.Helper()
	s.setContent(0)
	copyState(s.t, s.pristine, s.state)
	if link := strings.Contains(how, "link"); link && !strings.Contains(name, "/") {
		return // rejected with an error; see TestUnusableState
	}
	if err := damage(filepath.Join(s.state, name)); err != nil {
		s.t.Fatal(err)
	}
	about := name + " " + how
	args, check := next()
	messages, _ := s.run(about, args)
	check()
	if len(messages) > 1 || len(messages) == 1 && !strings.HasPrefix(messages[0], "the state directory is damaged (") && !strings.HasPrefix(messages[0], "warning: the state directory is of another version") {
		s.t.Errorf("%s: %q: messages %q, want at most one about the damage", about, args, messages)
	}
	messages, steps := s.run(about+", second build", args)
	check()
	if len(messages) > 0 || len(steps) > 0 {
		s.t.Errorf("%s: %q, second build: messages %q, steps %q, want none", about, args, messages, steps)
	}
	if data, err := os.ReadFile(s.mounted()); err != nil || string(data) != "kept\n" {
		s.t.Errorf("%s: the cache mount contains %q, %v", about, data, err)
	}
}

// mounted returns the path, in the state directory, of the file that a step of
// damagedDockerfile writes to its cache mount.
func (s *damagedSite) mounted() string {
	found, err := filepath.Glob(filepath.Join(s.state, "mounts", "*", "data", "x"))
	if err != nil || len(found) != 1 {
		s.t.Errorf("cache mounts with the file x: %q, error %v, want one", found, err)
		return ""
	}
	return found[0]
}

// run runs a build. It returns the lines that the build prints except for progress, and the
// names of the steps that were not cached.
func (s *damagedSite) run(about string, args []string) (messages, steps []string) {
	s.t.Helper()
	const limit = 2 * time.Minute
	ctx, cancel := context.WithTimeout(s.t.Context(), limit)
	defer cancel()
	cmd := s.command(args...)
	stop := context.AfterFunc(ctx, func() {
		s.t.Errorf("%s: %q still runs after %v", about, args, limit)
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGQUIT)
	})
	out, err := cmd.CombinedOutput()
	stop()
	if err != nil {
		s.t.Errorf("%s: %q: %v\n%s", about, args, err, out)
	}
	lines := strings.Split(string(out), "\n")
	for i, line := range lines {
		number, text, _ := strings.Cut(line, " ")
		switch {
		case line == "", strings.HasPrefix(line, "the result is in the cache only"):
		case !strings.HasPrefix(line, "#"):
			messages = append(messages, line)
		case strings.HasPrefix(text, "[") && !strings.HasPrefix(text, "[internal]") && !strings.HasPrefix(text, "[context") && !slices.Contains(lines, number+" CACHED"):
			steps = append(steps, lines[i])
		}
	}
	return messages, steps
}

// setContent changes a file of the build context to the content with the given number.
func (s *damagedSite) setContent(n int) { s.write("changing", fmt.Sprintf("content %d\n", n)) }

// unchanged returns the arguments of a build without outputs, and a check that does nothing.
func (*damagedSite) unchanged() ([]string, func()) { return nil, func() {} }

// changed changes the build context. It returns the arguments of a build that writes a
// directory, and a function that checks the directory.
func (s *damagedSite) changed() ([]string, func()) {
	s.contents++
	s.setContent(s.contents)
	return []string{"-o", filepath.Join(s.dir, "out", "files")}, func() { s.checkFiles(fmt.Sprintf("content %d\n", s.contents)) }
}

// exported returns the arguments of a build that writes an image and also stores it, and a
// function that checks both.
func (s *damagedSite) exported() ([]string, func()) {
	return append(s.outputs(), s.tag()...), func() {
		s.t.Helper()
		s.checkFiles("content 0\n")
		if data, err := os.ReadFile(s.archivePath()); err != nil || !bytes.Equal(data, s.image) {
			s.t.Errorf("the image is different, error %v", err)
		}
		out, err := s.start("image", "ls", "--state", s.state).CombinedOutput()
		if err != nil || strings.Count(string(out), "\n") != 2 || !strings.Contains(string(out), "kept") {
			s.t.Errorf("image ls: %v\n%s", err, out)
		}
	}
}

// checkFiles checks the files in the output directory, and then removes them. The parameter
// content is the expected content of the file that setContent changes.
func (s *damagedSite) checkFiles(content string) {
	s.t.Helper()
	dir := filepath.Join(s.dir, "out", "files")
	all := content + "one\ntwo\n"
	for name, want := range map[string]string{"changing": content, "one": "one\n", "sub": "sub\n", "three": all, "four": all, "large/a/two": "two\n", "large/b/f": "b", fmt.Sprintf("large/%0150d", 7): "7"} {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(data) != want {
			s.t.Errorf("%s contains %q, %v, want %q", name, data, err, want)
		}
	}
	if list, err := fs.ReadDir(os.DirFS(dir), "large"); err != nil || len(list) != 403 {
		s.t.Errorf("%d files, %v", len(list), err)
	}
	if err := os.RemoveAll(dir); err != nil {
		s.t.Error(err)
	}
}
