//go:build integration

package daemon

import (
	"time"

	"github.com/moby/buildkit/client/llb"
)

// A definition is an LLB state whose result TestDefinitions compares.
type definition struct {
	name    string
	wantErr string // part of the expected error; "" if the build must succeed
	state   llb.State
}

// runOn returns the state of /wd after a RUN step. The step executes a shell command in a
// busybox image with st mounted at /wd.
func runOn(st llb.State, command string) llb.State {
	return llb.Image("busybox").Run(llb.Args([]string{"sh", "-ec", command}), llb.Dir("/wd")).AddMount("/wd", st)
}

func runOnScratch(command string) llb.State { return runOn(llb.Scratch(), command) }

func definitions() []definition {
	return append(fileDefinitions(), mergeDefinitions()...)
}

func fileDefinitions() []definition {
	at := llb.WithCreatedTime(time.Unix(42, 0))
	owner := llb.ChownOpt{User: &llb.UserOpt{UID: 7}, Group: &llb.UserOpt{UID: 8}}
	src := runOnScratch("mkdir -p sub/deep; echo 1 > file; echo 2 > sub/foo; echo 3 > sub/bar; echo 4 > sub/deep/foo; ln -s sub link; ln -s nowhere dangling")
	base := llb.Scratch().File(llb.Mkfile("/foo", 0o600, []byte("foo")))
	return []definition{
		{"mkdir-mkfile", "", llb.Scratch().File(llb.Mkdir("/d", 0o4700, owner, at).Mkfile("/d/f", 0o6640, []byte("x"), owner, at).Mkdir("/a/b/c", 0o711, llb.WithParents(true), owner, at).Mkdir("/d", 0o777))},
		{"mkdir-no-parent", "no such file or directory", llb.Scratch().File(llb.Mkdir("/a/b", 0o700))},
		{"mkfile-no-parent", "no such file or directory", llb.Scratch().File(llb.Mkfile("/a/b", 0o700, nil))},
		{"mkfile-over", "", src.File(llb.Mkfile("/file", 0o700, []byte("new")).Mkfile("/link/through", 0o700, []byte("new")).Mkfile("/dangling", 0o600, []byte("made")))},
		{"mkfile-directory", "", runOn(src.File(llb.Mkfile("/empty", 0, nil)), "mkdir other; touch other/x")},
		{"symlink", "", llb.Scratch().File(llb.Mkdir("/foo", 0o700).Mkfile("bar", 0o600, []byte("contents"), owner)).File(llb.Symlink("bar", "/baz", at, owner).Symlink("/not/there", "/foo/l"))},
		{"symlink-exists", "file exists", base.File(llb.Symlink("bar", "/foo"))},
		{"rm", "", src.File(llb.Rm("link").Rm("sub/foo").Rm("/sub/deep"))},
		{"rm-wildcard", "", src.File(llb.Rm("*/foo", llb.WithAllowWildcard(true)).Rm("f*", llb.WithAllowWildcard(true)).Rm("none*", llb.WithAllowWildcard(true)))},
		{"rm-missing", "no such file or directory", src.File(llb.Rm("missing"))},
		{"rm-missing-allowed", "", src.File(llb.Rm("missing", llb.WithAllowNotFound(true)).Rm("sub"))},
		{"copy-include", "", llb.Scratch().File(llb.Copy(src, "/", "/", &llb.CopyInfo{IncludePatterns: []string{"sub/*"}, ExcludePatterns: []string{"sub/bar"}}))},
		{"copy-rm", "", llb.Scratch().File(llb.Copy(src, "file", "file2").Copy(src, "sub", "out").Rm("out/foo").Copy(base, "foo", "/"))},
		{"copy-self", "", src.File(llb.Copy(src, "sub", "/again").Copy(src, "file", "/sub/deep/"))},
		{"copy-missing", "/bar", base.File(llb.Copy(base, "/bar", "/baz"))},
		{"copy-no-target", "no such file or directory", base.File(llb.Copy(src, "/file", "/a/b/c"))},
		{"copy-empty", "", llb.Scratch().File(llb.Copy(llb.Scratch(), "/", "/"))},
		{"copy-links", "", llb.Scratch().File(llb.Copy(src, "link", "/kept").Copy(src, "link", "/followed", &llb.CopyInfo{FollowSymlinks: true}).Copy(src, "dangling", "/d"))},
		{"copy-contents", "", base.File(llb.Copy(src, "/sub", "/one", &llb.CopyInfo{CopyDirContentsOnly: true}).Copy(src, "/sub", "/two").Copy(src, "/sub", "/two").Copy(src, "/*", "/three/", &llb.CopyInfo{AllowWildcard: true, CreateDestPath: true}))},
		{"copy-replace", "", src.File(llb.Copy(runOnScratch("mkdir file; echo x > file/in; echo y > sub"), "/", "/", &llb.CopyInfo{CopyDirContentsOnly: true, AlwaysReplaceExistingDestPaths: true}))},
		{"copy-time-owner", "", base.File(llb.Copy(src, "/sub", "/made/for/it", &llb.CopyInfo{CreateDestPath: true, ChownOpt: &owner}, at))},
		{"run-move-directory", "", runOn(runOnScratch("mkdir foo; echo first > foo/bar"), "mv foo foo2")},
		{"run-whiteouts", "", runOn(runOn(runOnScratch("mkdir -p d0 d1; echo first > d0/bar; echo second > d1/bar"), "rm -rf d0 d1"), "mkdir -p d0; touch d0/new")},
		{"run-whiteout-inside", "", runOn(runOnScratch("mkdir foo; echo first > foo/bar"), "rm foo/bar")},
		{"run-replace", "", runOn(src, "rm -r sub; ln -s file sub; rm link; mkdir link; touch link/x; rm file; mkfifo file")},
		{"run-same", "", runOn(src, "cp -a file tmp; mv tmp file; chmod 644 sub/foo; touch sub; mv sub/bar sub/b; mv sub/b sub/bar")},
		{"run-hard-links", "", runOn(runOnScratch("echo x > a; ln a b; mkdir d; ln a d/c; echo y > single"), "ln a e; chmod 600 b; ln single second; rm d/c")},
		{"run-hard-link-write", "", runOn(runOnScratch("echo x > a; ln a b"), "echo more >> a")},
		{"run-modes", "", runOn(src, "chmod 700 sub; chown 5:6 file; chmod u+s file; chown -h 7:8 link; touch -d '2001-02-03 04:05:06' sub/foo sub/deep")},
		{"run-node", "", runOn(runOnScratch("mknod n c 1 3; mkfifo p; mkdir d; touch d/x"), "rm p; mknod p c 1 5; rm -r d; mknod d b 7 0")},
	}
}

func mergeDefinitions() []definition {
	a := runOnScratch("mkdir -p d/e; echo a > f; echo a > d/f; echo a > d/e/f; echo a > only-a; ln -s f l")
	// No file of b may have the same size as the file of a with the same path. BuildKit treats
	// such files as equal if their times differ by only a few milliseconds.
	b := runOnScratch("mkdir -p d/e g; chmod 700 d; echo bb > f; echo bb > d/f; echo b > g/h; mkdir l; echo b > l/x")
	gone := llb.Diff(a, runOn(a, "rm -r f d/e; echo new > d/new"))
	swapped := llb.Diff(a, runOn(a, "rm -r d f; echo file > d; mkdir f; echo x > f/in"))
	links := runOnScratch("echo x > one; ln one two; mkdir d; ln one d/three")
	return []definition{
		{"merge", "", llb.Merge([]llb.State{a, b})},
		{"merge-other-way", "", llb.Merge([]llb.State{b, a})},
		{"merge-scratch", "", llb.Merge([]llb.State{llb.Scratch(), a, llb.Scratch()})},
		{"merge-links", "", llb.Merge([]llb.State{links, b})},
		{"merge-then-run", "", runOn(llb.Merge([]llb.State{a, b}), "rm -r d/e; echo more >> f")},
		{"diff", "", llb.Diff(a, runOn(a, "echo more > f; touch new; chmod 700 d"))},
		{"diff-scratch", "", llb.Diff(llb.Scratch(), a)},
		{"diff-to-scratch", "", llb.Merge([]llb.State{a, llb.Diff(a, llb.Scratch())})},
		{"diff-nothing", "", llb.Merge([]llb.State{b, llb.Diff(a, a)})},
		{"diff-deletes", "", llb.Merge([]llb.State{a, gone})},
		{"diff-deletes-elsewhere", "", llb.Merge([]llb.State{b, gone})},
		{"diff-kinds", "", llb.Merge([]llb.State{b, swapped})},
		{"diff-unrelated", "", llb.Merge([]llb.State{a, llb.Diff(a, b)})},
		{"diff-copied", "", llb.Scratch().File(llb.Copy(llb.Merge([]llb.State{b, gone}), "/", "/"))},
		{"merge-of-diffs", "", llb.Merge([]llb.State{b, gone, llb.Diff(b, runOn(b, "rm g/h; echo c > f"))})},
	}
}
