package interp

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"mvdan.cc/sh/v3/interp"

	"slipway/internal/slowtest"
	"slipway/solver/runner"
	"slipway/solver/tree"
)

// TestHostHidden checks that scripts see the users in the image's /etc/passwd, and no
// process, user or file of the host.
func TestHostHidden(t *testing.T) {
	r, root := newTestRunner(t)
	passwd, err := r.Store.PutBytes([]byte("root:x:0:0::/image/root:/bin/sh\nu:x:5:5::/home/* u:/bin/sh\n"))
	if err != nil {
		t.Fatal(err)
	}
	e := tree.Edit(root)
	if _, err := e.MkdirAll("etc", tree.Meta{Mode: 0o755}); err != nil {
		t.Fatal(err)
	}
	if err := e.Put("etc/passwd", tree.NewFile(tree.Meta{Mode: 0o644}, passwd)); err != nil {
		t.Fatal(err)
	}
	const home, pid = "/home/* u", "!has no process IDs for $"
	for script, want := range map[string]string{
		"echo ~u ~u/x ~none ~daemon":                         home + " " + home + "/x ~none ~daemon",
		"x=~u; echo $HOME \"$x\" '~u' \"~u\" \"$(echo ~u)\"": "/image/root " + home + " ~u ~u " + home,
		"echo ~u/\"a b\" ~u$x x~u ~":                         home + "/a b ~u x~u /image/root",
		"(echo ~daemon ~u) | cat":                            "~daemon " + home,
		"cat <<END\n~u\nEND":                                 "~u",
		"mkdir -p ~root; cd ~root; pwd":                      "/image/root",
		"eval 'echo ~u'":                                     home,
		"trap 'echo ~daemon' EXIT":                           "~daemon",
		"echo 'echo $1 ~daemon ~u' > s; . ./s a":             "a ~daemon " + home,
		"echo 'echo sh' > env; chmod +x env; PATH=/; . env":  "sh",
		"bash -c 'echo {~u,~daemon}'":                        "!does not support ~user in braces",
		"bash -c 'echo ~{u,daemon}'":                         "!does not support ~user in braces",
		"echo [$UID$EUID$GID]":                               "[]",
		"bash -c 'echo [$UID$EUID$GID] | cat'":               "[00]",
		"env -i true; sh -c 'echo $HOME'":                    "!does not support the flag -i of env",
		"echo $$":                                            pid + "$",
		"echo $PPID":                                         pid + "PPID",
		"echo \"x$$\"":                                       pid + "$",
		"echo ${$%1}":                                        pid + "$",
		"echo $((PPID + 1))":                                 pid + "PPID",
		"eval 'echo $$'":                                     pid + "$",
		"true || echo $$":                                    "",
	} {
		p := newProcess(e.Tree(), "/bin/sh", "-c", script)
		var out bytes.Buffer
		p.Stdout, p.Stderr = &out, &out
		got, wrong := "", ""
		if _, err := r.Run(t.Context(), p); err != nil {
			wrong = err.Error()
		}
		got = strings.TrimSuffix(out.String(), "\n")
		if text, fails := strings.CutPrefix(want, "!"); fails && !strings.Contains(wrong, text) || !fails && (got != want || wrong != "") {
			t.Errorf("%s: output %q, error %s, want %q", script, got, wrong, want)
		}
	}
}

// TestBounds checks that the runner ends a script with an error before the script
// exhausts the memory or the stack of the builder.
func TestBounds(t *testing.T) {
	slowtest.Skip(t, "runs scripts up to the limits")
	r, root := newTestRunner(t)
	loop := func(body string) string { return "i=x; while [ ${#i} -lt 64 ]; do i=x$i; " + body + "; done" }
	for _, script := range []string{
		"x=0123456789; " + loop("x=$x$x"),
		"x=0123456789; " + strings.Repeat("x=$x$x\n", 64),
		"x=0123456789; " + loop("export x=$x$x"),
		"x=0123456789; f() { local x=$x$x; " + loop("x=$x$x") + "; }; f",
		"x=0123456789; " + loop("x=${x}"+strings.Repeat("$x", 1000)),
		"x=0123456789; " + loop("eval 'x=$x$x'"),
		"echo 'x=$x$x' > s; x=0123456789; " + loop(". ./s"),
		"set -- 0123456789; " + loop(`set -- "$@" "$@"`),
		"bash -c 'x=aaaaaaaa; " + loop("x=${x//a/$x}") + "'",
		"x=0123456789; x=$(" + loop("x=$x$x; echo $x") + ")",
		"f() { f; }; f",
		"f() { f | f; }; f",
		"echo 'sh s' > s; sh s",
		"bash -c 'echo {1..9999999999}'",
		"bash -c 'echo {1..99999}{1..99999}{a,b}'",
		"bash -c 'a=(0123456789); " + loop(`a=("${a[@]}" "${a[@]}")`) + "'",
		"bash -c 'a=0123456789; " + loop(`a+=$a`) + "'",
	} {
		p := newProcess(root, "/bin/sh", "-c", script)
		var out bytes.Buffer
		p.Stdout, p.Stderr = &out, &out
		_, err := r.Run(t.Context(), p)
		var exit *runner.ExitError
		if err == nil || errors.As(err, &exit) || !strings.Contains(err.Error(), "the portable runner ") {
			t.Errorf("%.100s: error %v, output %.100q, want an error of the runner", script, err, out.String())
		}
	}
}

// TestOtherGoroutines checks that goroutines that existed before a script do not count
// towards the limit of its concurrent processes.
func TestOtherGoroutines(t *testing.T) {
	end := make(chan struct{})
	defer close(end)
	for range 2 * maxThreads {
		go func() { <-end }()
	}
	r, root := newTestRunner(t)
	p := newProcess(root, "/bin/sh", "-c", "echo a | cat > b & wait")
	if _, err := r.Run(t.Context(), p); err != nil {
		t.Error(err)
	}
}

// TestFileBounds checks that the runner fails if a script writes too large a file or
// reads too much from standard input.
func TestFileBounds(t *testing.T) {
	slowtest.Skip(t, "fills a file up to the limit")
	f := &files{}
	h := &handle{f: f, write: true}
	h.out.Write(make([]byte, maxFile))
	if n, err := h.Write([]byte("x")); n != 0 || err == nil || f.recordedError() == nil {
		t.Errorf("write to a full file: %d bytes, error %v, recorded error %v, want 0 and errors", n, err, f.recordedError())
	}
	c := &call{files: f, hc: interp.HandlerContext{Stdin: endlessReader{}}}
	if err := c.inputs(nil); err == nil || !strings.Contains(err.Error(), "bytes from standard input") {
		t.Errorf("endless standard input: error %v, want one about its size", err)
	}
}

// endlessReader is an [io.Reader] that never ends.
type endlessReader struct{}

func (endlessReader) Read(p []byte) (int, error) { return len(p), nil }

// TestHeapLimit checks that the context of a script ends when the heap has grown by
// more than maxHeap since the script started.
func TestHeapLimit(t *testing.T) {
	small := withHeapLimit(t.Context())
	large := &heapContext{Context: t.Context(), base: ^uint64(maxHeap) + 1} // base plus maxHeap is 0
	for range 15 {
		if err := errors.Join(small.Err(), large.Err()); err != nil {
			t.Fatal(err)
		}
	}
	if err := small.Err(); err != nil {
		t.Errorf("heap that has not grown: error %v, want nil", err)
	}
	if err := large.Err(); err == nil || !strings.Contains(err.Error(), "bytes of memory") {
		t.Errorf("heap that has grown: error %v, want one about memory", err)
	}
}
