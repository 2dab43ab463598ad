package interp

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/testtree"
	"slipway/solver/runner"
	"slipway/solver/tree"
)

// newTestRunner returns a runner and a root with an executable file for each tool, as
// in an image with a shell.
func newTestRunner(t *testing.T) (*Runner, *tree.Node) {
	t.Helper()
	s, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.PutBytes([]byte("a program"))
	if err != nil {
		t.Fatal(err)
	}
	e := tree.Edit(nil)
	for _, dir := range []string{"bin", "proc", "dev", "sys"} {
		if _, err := e.MkdirAll(dir, tree.Meta{Mode: 0o755}); err != nil {
			t.Fatal(err)
		}
	}
	names := []string{"sh", "bash", "program"}
	for name := range tools() {
		names = append(names, name)
	}
	for _, name := range names {
		if err := e.Put("bin/"+name, tree.NewFile(tree.Meta{Mode: 0o755}, b)); err != nil {
			t.Fatal(err)
		}
	}
	return New(s, func() time.Time { return time.Unix(1, 0) }), e.Tree()
}

// newProcess returns a process with a writable root.
func newProcess(root *tree.Node, args ...string) *runner.Process {
	return &runner.Process{
		Args: args, Dir: "/", Env: []string{"PATH=/bin", "V=value", "EMPTY=not", "EMPTY="},
		Sandbox: runner.Sandbox{Mounts: []runner.Mount{{Kind: runner.MountTree, Target: "/", Tree: root, Output: true}}},
	}
}

// TestScripts checks that scripts print the expected output. If a script fails, the
// expected output (want) contains !CODE before its last line. If the runner itself fails,
// want is !error followed by the error.
func TestScripts(t *testing.T) {
	r, root := newTestRunner(t)
	for _, tc := range []struct{ script, want string }{
		{"echo a $V", "a value\n"},
		{"mkdir -p /x/y && cd /x/y && echo b > f && cat f ../y/f && ls", "b\nb\nf\n"},
		{"echo a > f; echo b >> f; cat < f | sort -r", "b\na\n"},
		{"printf 'x\\ny\\nz\\n' > f; head -n 2 f; wc -l f", "x\ny\n3 f\n"},
		{"mkdir d; echo 1 > d/a; cp -r d e; mv e/a e/b; ls e; rm -r d; ls -a d", "b\n!1 ls: /d: file does not exist\n"},
		{"ln -s /bin/sh l; readlink l; readlink -f l; [ -L l ] && [ -f l ] && echo yes", "/bin/sh\n/bin/sh\nyes\n"},
		{"for f in /bin/[b-c]*; do basename $f; done", "basename\nbash\ncat\nchmod\nchown\ncp\n"},
		{"x=$(echo in); (x=out; cd /bin); echo $x $PWD", "in /\n"},
		{"set -e; false; echo no", "!1 "},
		{"set -u; echo [$EMPTY]", "[]\n"}, // the last value of a duplicate variable counts
		{"exit 7", "!7 "},
		{"nothing-like-it", "!127 nothing-like-it: not found\n"},
		{"echo 'echo from $0 $1' > s; sh s one; printf '#!/bin/sh\\necho $#\\n' > t; chmod +x t; ./t a b", "from s one\n2\n"},
		{"sh -ec 'false; echo no' || echo failed", "failed\n"},
		{"sh -c 'echo $0 $1' a b; bash -c '[[ a = a ]] && echo yes'", "a b\nyes\n"},
		{"sh -c 'a=(b)'", "!2 sh:1:3: arrays are a bash/mksh/zsh feature; tried parsing as posix\n"},
		{"export W=1; sh -c 'echo $W$V'", "1value\n"},
		{"echo x > /dev/null; cat /dev/null; cat <<END\nhere $V\nEND", "here value\n"},
		{"touch a; chmod 600 a; chown 5:6 a; rm a; [ ! -e a ] && echo gone", "gone\n"},
		{"echo x | tee f | cat; sha256sum f", "x\n73cb3858a687a8494ca3323053016282f3dad39d42cf62ca4e79dda2aac7d9ac  f\n"},
		{"command -v ls cd; command -v ls; command -v cd; command -v go || echo none", "!error does not support command -v ls cd"},
		{"command -v ls; command -v cd; command -v go || echo none", "/bin/ls\ncd\nnone\n"},
		{"bash -c 'cat <(echo a)'", "!error does not support process substitution"},
		{"id -u; whoami; uname", "0\nroot\nLinux\n"},
		{"program", "!error interprets shell commands and cannot run the program /bin/program"},
		{"x=$(program) || true", "!error interprets shell commands and cannot run the program /bin/program"},
		{"echo a | program | cat", "!error interprets shell commands and cannot run the program /bin/program"},
		{"[ -e /proc/self ] || echo none", "!error does not provide /proc/self"},
		{"for f in /sys/class/*; do echo $f; done", "!error does not provide /sys/"},
		{"ls -l", "!error does not support the flag -l of ls"},
		{"cp --archive a b", "!error does not support the flag --archive of cp"},
		{"mkdir a; mkdir a", "!1 mkdir: a: file already exists\n"},
		{"rmdir /bin", "!1 rmdir: /bin: directory not empty\n"},
	} {
		var out bytes.Buffer
		p := newProcess(root, "/bin/sh", "-c", tc.script)
		p.Stdout, p.Stderr = &out, &out
		_, err := r.Run(t.Context(), p)
		var exit *runner.ExitError
		got := out.String()
		switch {
		case errors.As(err, &exit):
			got = strings.Replace(got, lastLine(got), "!"+strconv.Itoa(exit.Code)+" "+lastLine(got), 1)
			if out.Len() == 0 {
				got = "!" + strconv.Itoa(exit.Code) + " "
			}
		case err != nil:
			got = "!error " + err.Error()
		}
		if !strings.HasPrefix(strings.ReplaceAll(got, "the portable runner ", ""), tc.want) || err == nil && got != tc.want {
			t.Errorf("%s\ngot  %q\nwant %q", tc.script, got, tc.want)
		}
	}
}

// lastLine returns the last line of a text, including its newline.
func lastLine(s string) string {
	lines := strings.SplitAfter(s, "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if lines[i] != "" {
			return lines[i]
		}
	}
	return ""
}

// TestResult checks that the returned tree contains the changes of a script and no other
// changes, and that a process fails if the root contains no shell.
func TestResult(t *testing.T) {
	r, root := newTestRunner(t)
	out, err := r.Run(t.Context(), newProcess(root, "/bin/sh", "-c", "mkdir -m 700 d; echo x > d/f; chmod 640 d/f; chown 5:6 d/f; rm bin/ls"))
	if err != nil {
		t.Fatal(err)
	}
	m := testtree.Must(out[0].Get("d/f")).Meta()
	if m.Mode != 0o640 || m.UID != 5 || m.GID != 6 || testtree.Must(out[0].Get("d")).Meta().Mode != 0o700 || testtree.Must(out[0].Get("bin/ls")) != nil {
		t.Errorf("metadata of d/f %+v, want mode 0640 and owner 5:6 in d with mode 0700, and no bin/ls", m)
	}
	if out, err = r.Run(t.Context(), newProcess(root, "/bin/sh", "-c", ":")); err != nil || !out[0].Same(root) {
		t.Errorf("a script without changes: error %v, want the same tree", err)
	}
	if _, err := r.Run(t.Context(), newProcess(tree.Empty(), "/bin/sh", "-c", ":")); err == nil {
		t.Error("an empty root: error nil, want one about the shell")
	}
}

// TestSystemDirs checks that the result of every process contains /proc, /dev and /sys,
// as with other runners. Parents of mount points remain only with KeepMountParents.
func TestSystemDirs(t *testing.T) {
	r, root := newTestRunner(t)
	e := tree.Edit(root)
	for _, name := range []string{"proc", "dev", "sys"} {
		if err := e.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	root = e.Tree()
	for _, tc := range []struct {
		target string
		keep   bool
		want   string
	}{
		{"/made/for/it", false, "dev proc sys"},
		{"/made/for/it", true, "dev made made/for proc sys"},
		{"/dev/shm", false, "proc sys"},
		{"/dev/shm", true, "dev proc sys"},
	} {
		p := newProcess(root, "/bin/sh", "-c", ":")
		p.Mounts, p.KeepMountParents = append(p.Mounts, runner.Mount{Kind: runner.MountTmpfs, Target: tc.target}), tc.keep
		out, err := r.Run(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		_ = tree.Diff(root, out[0], func(c tree.Change) error { got = append(got, c.Path); return nil })
		if strings.Join(got, " ") != tc.want {
			t.Errorf("mount at %s, KeepMountParents %v: changes %q, want %s", tc.target, tc.keep, got, tc.want)
		}
	}
	p := newProcess(root, "/bin/sh", "-c", ":")
	p.Mounts[0].ReadOnly = true
	if out, err := r.Run(t.Context(), p); err != nil || !out[0].Same(root) {
		t.Errorf("read-only root: error %v, want the same tree", err)
	}
}

// TestRootMode checks that a writable root has mode 0755, that a read-only root has the
// mode of its tree, and that a tmpfs has the mode of the directory at its mount point.
func TestRootMode(t *testing.T) {
	r, root := newTestRunner(t)
	m := root.Meta()
	m.Mode = 0o2751
	root = root.WithMeta(m)
	e := tree.Edit(root)
	if _, err := e.MkdirAll("dir", tree.Meta{Mode: 0o710}); err != nil {
		t.Fatal(err)
	}
	p := newProcess(e.Tree(), "/bin/sh", "-c", "cp -r /ro /copy; cp -r /dir /copied")
	p.Mounts = append(p.Mounts,
		runner.Mount{Kind: runner.MountTree, Target: "/ro", Tree: root, ReadOnly: true},
		runner.Mount{Kind: runner.MountTree, Target: "/rw", Tree: root, Output: true},
		runner.Mount{Kind: runner.MountTmpfs, Target: "/dir"},
	)
	out, err := r.Run(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 2} {
		if got := out[i].Meta().Mode; got != 0o755 {
			t.Errorf("root %d has mode %o, want 755", i, got)
		}
	}
	for name, want := range map[string]uint32{"copy": 0o751, "copied": 0o710} {
		if got := testtree.Must(out[0].Get(name)).Meta().Mode; got != want {
			t.Errorf("%s has mode %o, want %o", name, got, want)
		}
	}
}

// TestWorkingDirectory checks that a process creates its working directory, including
// each directory before "..", and fails if a file is in the way.
func TestWorkingDirectory(t *testing.T) {
	r, root := newTestRunner(t)
	p := newProcess(root, "/bin/sh", "-c", "echo x > f")
	p.Dir = "/x/../y"
	out, err := r.Run(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"x", "y/f"} {
		if testtree.Must(out[0].Get(name)) == nil {
			t.Errorf("%s does not exist", name)
		}
	}
	p.Dir = "/bin/sh/../y"
	if _, err := r.Run(t.Context(), p); err == nil {
		t.Error("working directory below a file: error nil, want one")
	}
}

// TestMountDirSource checks mounts whose source is a file or a directory in a directory of
// the host. A mount must show no other files of the host directory, and changes must be
// written to the source.
func TestMountDirSource(t *testing.T) {
	r, root := newTestRunner(t)
	cache := t.TempDir()
	for name, data := range map[string]string{"file": "f\n", "other": "o\n"} {
		if err := os.WriteFile(filepath.Join(cache, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(filepath.Join(cache, "dir"), 0o755), os.Symlink("dir", filepath.Join(cache, "link"))); err != nil {
		t.Fatal(err)
	}
	p := newProcess(root, "/bin/sh", "-c", "echo more >> /f; echo x > /d/kept")
	p.Mounts = append(p.Mounts,
		runner.Mount{Kind: runner.MountDir, Target: "/d", HostPath: cache, Source: "/link"},
		runner.Mount{Kind: runner.MountDir, Target: "/f", HostPath: cache, Source: "file"},
	)
	if _, err := r.Run(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"file": "f\nmore\n", "other": "o\n", "dir/kept": "x\n"} {
		if got, err := os.ReadFile(filepath.Join(cache, name)); err != nil || string(got) != want {
			t.Errorf("%s: content %q, error %v, want %q", name, got, err, want)
		}
	}
	second := newProcess(root, "/bin/sh", "-c", "true")
	for _, source := range []string{"dir", "dir/kept", "/"} {
		second.Mounts = append(p.Mounts[:2:2], runner.Mount{Kind: runner.MountDir, Target: "/e", HostPath: cache, Source: source})
		second.Mounts[1].Source = "dir"
		if _, err := r.Run(t.Context(), second); err == nil || !strings.Contains(err.Error(), "not at /e too") {
			t.Errorf("a second mount of %s: error %v, want one about /e", source, err)
		}
	}
	p.Mounts[1].Source = "none"
	var missing *runner.SourceError
	if _, err := r.Run(t.Context(), p); !errors.As(err, &missing) {
		t.Errorf("a missing source: error %v, want a SourceError", err)
	}
}

// TestMounts checks that a process reads and writes mounts of each kind, and that only
// mounts with Output return changes. It also checks that a process of a user other than
// root fails.
func TestMounts(t *testing.T) {
	r, root := newTestRunner(t)
	sub := tree.Edit(nil)
	if _, err := sub.MkdirAll("a/b", tree.Meta{Mode: 0o755}); err != nil {
		t.Fatal(err)
	}
	cache := t.TempDir()
	p := newProcess(root, "/bin/sh", "-c", "cat /run/s; echo x > /cache/kept; echo y > /tmp/t; echo z > /ro/no || echo refused; echo w > /rw/yes")
	p.Mounts = append(p.Mounts,
		runner.Mount{Kind: runner.MountFile, Target: "/run/s", Data: []byte("secret\n"), Mode: 0o400},
		runner.Mount{Kind: runner.MountDir, Target: "/cache", HostPath: cache},
		runner.Mount{Kind: runner.MountTmpfs, Target: "/tmp"},
		runner.Mount{Kind: runner.MountTree, Target: "/ro", Tree: sub.Tree(), Source: "a", ReadOnly: true},
		runner.Mount{Kind: runner.MountTree, Target: "/rw", Tree: sub.Tree(), Source: "a", Output: true},
	)
	var out bytes.Buffer
	p.Stdout = &out
	trees, err := r.Run(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != "secret\nrefused\n" {
		t.Errorf("output %q, want the secret and refused", got)
	}
	if _, err := os.Stat(filepath.Join(cache, "kept")); err != nil {
		t.Error(err)
	}
	if !trees[0].Same(root) {
		t.Error("the root contains mounted files, want it unchanged")
	}
	if testtree.Must(trees[5].Get("a/yes")) == nil || testtree.Must(trees[5].Get("a/b")) == nil {
		t.Error("the tree of /rw lacks a/yes or a/b, want both")
	}
	p = newProcess(root, "/bin/sh", "-c", ":")
	p.User = "1000"
	if _, err := r.Run(t.Context(), p); err == nil || !strings.Contains(err.Error(), "runs as root only") {
		t.Errorf("user 1000: error %v, want that the runner runs as root only", err)
	}
}

// TestPlatform checks that a step for another Linux platform is interpreted, that uname
// prints the platform, and that a step for another operating system fails.
func TestPlatform(t *testing.T) {
	r, root := newTestRunner(t)
	for arch, want := range map[string]string{"arm64": "aarch64\n", "s390x": "s390x\n"} {
		var out bytes.Buffer
		p := newProcess(root, "/bin/sh", "-c", "uname -m")
		p.Platform, p.Stdout = ocispecs.Platform{OS: "linux", Architecture: arch}, &out
		if _, err := r.Run(t.Context(), p); err != nil || out.String() != want {
			t.Errorf("uname on %s: %q, error %v, want %q", arch, &out, err, want)
		}
	}
	for want, platform := range map[string]ocispecs.Platform{
		"does not know the machine name of 386": {OS: "linux", Architecture: "386"},
		"interprets Linux steps only, not":      {OS: "windows", Architecture: "amd64"},
	} {
		p := newProcess(root, "/bin/sh", "-c", "uname -m")
		p.Platform = platform
		if _, err := r.Run(t.Context(), p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want that the runner %s", platform, err, want)
		}
	}
}

// TestContainer checks that the processes of a container share files, that they can be
// killed, and that changes to cache mounts are saved when the container is closed.
func TestContainer(t *testing.T) {
	r, root := newTestRunner(t)
	cache := t.TempDir()
	p := newProcess(root, "/bin/sh", "-c", "read line; cat /shared")
	p.Mounts = append(p.Mounts, runner.Mount{Kind: runner.MountDir, Target: "/cache", HostPath: cache})
	in, end := io.Pipe()
	var out bytes.Buffer
	p.Stdin, p.Stdout = in, &out
	c, err := r.Open(t.Context(), &p.Sandbox)
	if err != nil {
		t.Fatal(err)
	}
	first, err := c.Start(p)
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.Start(newProcess(nil, "/bin/sh", "-c", "echo text | tee /shared > /cache/kept"))
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Wait(); err != nil {
		t.Fatal(err)
	}
	third, err := c.Start(newProcess(nil, "/bin/sh", "-c", "while :; do :; done"))
	if err != nil {
		t.Fatal(err)
	}
	if err := third.Signal(syscall.SIGTERM); err == nil {
		t.Error("SIGTERM: error nil, want one, because only SIGKILL is supported")
	}
	var exit *runner.ExitError
	if err := errors.Join(third.Signal(syscall.SIGKILL), third.Wait()); !errors.As(err, &exit) || exit.Code != 137 {
		t.Errorf("killed process: error %v, want exit code 137", err)
	}
	end.Close()
	if err := first.Wait(); err != nil || out.String() != "text\n" {
		t.Errorf("first process: output %q, error %v, want text", &out, err)
	}
	if n, err := c.Tree(0); err != nil || testtree.Must(n.Get("shared")) == nil || testtree.Must(n.Get("cache")) != nil {
		t.Errorf("root: error %v, want /shared and no /cache", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(cache, "kept")); err != nil {
		t.Error(err)
	}
}

// TestLostContent checks that the runner fails if a script reads a file whose content
// is missing in the store. It must fail even if the script ignores the error of the
// command that reads the file.
func TestLostContent(t *testing.T) {
	r, root := newTestRunner(t)
	lost := tree.Blob{Digest: "sha256:" + digest.Digest(strings.Repeat("0", 64)), Size: 1}
	e := tree.Edit(root)
	if err := e.Put("lost", tree.NewFile(tree.Meta{Mode: 0o644}, lost)); err != nil {
		t.Fatal(err)
	}
	for _, script := range []string{"cat /lost", "cat /lost || true", "cat < /lost || true", "x=$(cat /lost); true"} {
		_, err := r.Run(t.Context(), newProcess(e.Tree(), "/bin/sh", "-c", script))
		var blob *tree.BlobError
		if !errors.As(err, &blob) || blob.Digest != lost.Digest {
			t.Errorf("%s: error %v, want a BlobError for %s", script, err, lost.Digest)
		}
	}
}
