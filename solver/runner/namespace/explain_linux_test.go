package namespace

import (
	"context"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"slipway/internal/slowtest"
	"slipway/internal/testtree"
	"slipway/solver/runner/launch"
	"slipway/solver/tree"
)

// dynamicProgram returns the ELF headers of a program for this machine that requires a
// dynamic loader.
func dynamicProgram(loader string) string {
	for _, m := range launch.Machines() {
		if m.Arch != runtime.GOARCH || m.Class != elf.ELFCLASS64 || m.Data != elf.ELFDATA2LSB {
			continue
		}
		head, le := m.Header()[:64], binary.LittleEndian
		le.PutUint64(head[32:], 64) // program headers
		le.PutUint16(head[52:], 64) // size of this header
		le.PutUint16(head[54:], 56) // size of a program header
		le.PutUint16(head[56:], 1)
		p := make([]byte, 56)
		le.PutUint32(p, uint32(elf.PT_INTERP))
		le.PutUint64(p[8:], 120) // offset
		le.PutUint64(p[32:], uint64(len(loader)+1))
		le.PutUint64(p[40:], uint64(len(loader)+1))
		return string(head) + string(p) + loader + "\x00"
	}
	panic("unknown architecture " + runtime.GOARCH)
}

// execCase is a program that the kernel does not execute, and the expected error.
type execCase struct {
	name string // name of a file in /bin with this mode and data; or a path, if mode is 0
	mode uint32
	data string
	want string // prefix of the error
}

// execCases returns one program for each reason why the kernel may refuse to execute a
// file.
func execCases() []execCase {
	foreign := launch.Machine{Arch: "none", ELF: elf.EM_M32, Class: elf.ELFCLASS32, Data: elf.ELFDATA2MSB}
	other := launch.Machines()[3]
	if other.Arch == runtime.GOARCH {
		other = launch.Machines()[1]
	}
	return []execCase{
		{"crlf", 0o755, "#!/bin/sh\r\necho hi\r\n", `exec /bin/crlf: its first line "#!/bin/sh\r" ends in a carriage return`},
		{"crlf-argument", 0o755, "#!/bin/none -x\r\n", `exec /bin/crlf-argument: its first line "#!/bin/none -x\r" ends in a carriage return`},
		{"no-interpreter", 0o755, "#!/bin/missing -x\necho\n", "exec /bin/no-interpreter: its interpreter /bin/missing is not in the image"},
		{"bare", 0o755, "#!\necho\n", "exec /bin/bare: its first line names no interpreter"},
		{"dir-interpreter", 0o755, "#!/bin\necho\n", "exec /bin/dir-interpreter: its interpreter /bin is not a program: permission denied"},
		{"mode-interpreter", 0o755, "#!/bin/plain\necho\n", "exec /bin/mode-interpreter: its interpreter cannot be executed: /bin/plain has mode 0644"},
		{"nested", 0o755, "#!/bin/dynamic\necho\n", "exec /bin/nested: its interpreter /bin/dynamic cannot be started: its loader /lib/ld-none.so is not in the image"},
		{"nested-script", 0o755, "#!/bin/crlf\necho\n", `exec /bin/nested-script: its interpreter /bin/crlf cannot be started: its first line "#!/bin/sh\r" ends`},
		{"loop", 0o755, "#!/bin/loop\necho\n", "exec /bin/loop: its interpreter /bin/loop cannot be started"},
		{"dynamic", 0o755, dynamicProgram("/lib/ld-none.so"), "exec /bin/dynamic: its loader /lib/ld-none.so is not in the image"},
		{"empty", 0o755, "", "exec /bin/empty: it is empty"},
		{"text", 0o755, "echo hello\n", "exec /bin/text: it is neither a program nor, without #! at its start, a script"},
		{"bom", 0o755, "\xef\xbb\xbf#!/bin/sh\n", "exec /bin/bom: it starts with a byte order mark"},
		{"utf16", 0o755, "\xff\xfe#\x00!\x00", "exec /bin/utf16: it is text in UTF-16"},
		{"blank", 0o755, "\n #!/bin/sh\n", "exec /bin/blank: blanks or empty lines precede its #!"},
		{"windows", 0o755, "MZ\x90\x00", "exec /bin/windows: it is a program for Windows"},
		{"macos", 0o755, "\xcf\xfa\xed\xfe\x07", "exec /bin/macos: it is a program for macOS"},
		{"foreign", 0o755, string(foreign.Header()), "exec /bin/foreign: it is a program for an architecture other than " + runtime.GOARCH},
		{"other", 0o755, string(other.Header()), "exec /bin/other: it is a program for " + other.Arch + ", and this machine is " + runtime.GOARCH},
		{"plain", 0o644, "#!/bin/sh\n", `exec: "plain": executable file not found in $PATH (/bin/plain has mode 0644: set the executable bit`},
		{"/bin/plain", 0, "", `exec: "/bin/plain": permission denied (/bin/plain has mode 0644: set the executable bit`},
		{"/bin", 0, "", `exec: "/bin": is a directory`},
		{"nothing-like-it", 0, "", `exec: "nothing-like-it": executable file not found in $PATH`},
		{"/nothing-like-it", 0, "", `exec: "/nothing-like-it": stat /nothing-like-it: no such file or directory`},
	}
}

// TestExecErrors checks that the error for a program that the kernel does not execute
// names the reason, for example file capabilities or a missing execute permission.
func TestExecErrors(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	for _, tc := range execCases() {
		if tc.mode != 0 {
			w.write(t, "bin/"+tc.name, tc.mode, []byte(tc.data))
		}
	}
	w.write(t, "bin/others", 0o700, []byte("#!/bin/sh\n"))
	e, m := tree.Edit(w.root), testtree.Must(w.root.Get("bin/sh")).Meta()
	m.Xattrs = []tree.Xattr{{Name: "security.capability", Value: strings.ReplaceAll(capNetBindService, "\x04", "\x10")}}
	if err := e.Put("bin/caps", tree.NewFile(m, testtree.Must(w.root.Get("bin/sh")).Blob())); err != nil {
		t.Fatal(err)
	}
	w.root = e.Tree()
	keep := w.process("read line")
	in, end := io.Pipe()
	keep.Stdin = in
	defer end.Close()
	c := w.open(t, &keep.Sandbox)
	start(t, c, keep)
	fails := func(program, user, want string) {
		p := w.process("")
		p.Args, p.User = []string{program}, user
		if _, err := c.Start(p); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error %v\nwant %s", program, err, want)
		}
	}
	for _, tc := range execCases() {
		fails(tc.name, "", tc.want)
	}
	fails("/bin/caps", "", "exec /bin/caps: operation not permitted (it has file capabilities that a step may not have)")
	if !hasOneUser() {
		fails("/bin/others", "me", `exec: "/bin/others": permission denied (/bin/others has mode 0700, which does not let user 12 execute it)`)
	}
}

// TestExecFIFO checks that executing a FIFO fails at once. Opening it to explain the
// error would block.
func TestExecFIFO(t *testing.T) {
	w := newFixture(t)
	e := tree.Edit(w.root)
	if err := e.Put("bin/fifo", tree.NewDevice(tree.Fifo, tree.Meta{Mode: 0o755}, tree.Device{})); err != nil {
		t.Fatal(err)
	}
	w.root = e.Tree()
	p := w.process("")
	p.Args = []string{"/bin/fifo"}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const want = "exec /bin/fifo: permission denied"
	if _, err := w.Run(ctx, p); fmt.Sprint(err) != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
