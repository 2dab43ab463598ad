package launch

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"slipway/internal/regularfile"
)

// findProgram looks up a program in PATH and returns the path of its file. If the file
// exists but cannot be executed, the error explains why.
func findProgram(program string) (string, error) {
	file, err := exec.LookPath(program)
	var failed *exec.Error
	if !errors.As(err, &failed) {
		return file, err
	}
	switch {
	case errors.Is(err, exec.ErrNotFound):
		for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
			at := filepath.Join(dir, program)
			if info, statErr := os.Stat(at); statErr == nil && info.Mode().IsRegular() {
				failed.Err = fmt.Errorf("%w (%s)", failed.Err, modeReason(at, info))
				break
			}
		}
	case errors.Is(err, fs.ErrPermission):
		if info, statErr := os.Stat(program); statErr == nil {
			failed.Err = fmt.Errorf("%w (%s)", failed.Err, modeReason(program, info))
		}
	}
	return "", failed
}

// modeReason returns the part of an error that says why the mode of a file does not
// allow executing it, such as "FILE has mode 0700, which does not let user 12 execute
// it".
func modeReason(file string, info fs.FileInfo) string {
	if info.Mode().Perm()&0o111 == 0 {
		return fmt.Sprintf("%s has mode %04o: set the executable bit with chmod +x or COPY --chmod=755", file, info.Mode().Perm())
	}
	return fmt.Sprintf("%s has mode %04o, which does not let user %d execute it", file, info.Mode().Perm(), os.Geteuid())
}

// maxInterpreters is the kernel's limit for chains of scripts whose interpreter is a
// script itself.
const maxInterpreters = 5

// explainExec returns the reason why executing an existing file failed with err. If it
// does not find a reason, it returns err.
func explainExec(file string, err error) error { return explain(file, err, maxInterpreters) }

// explain returns the reason why executing an existing file failed with err, or err if
// it finds no reason. If the file is a script, explain also examines its interpreter,
// which may be a script itself. The parameter depth is the maximum number of files to
// examine, including the first one.
func explain(file string, err error, depth int) error {
	head, ok := headOf(file)
	if !ok || depth == 0 {
		return err
	}
	script, isScript := bytes.CutPrefix(head, []byte("#!"))
	switch {
	case isScript:
		return explainScript(script, err, depth)
	case errors.Is(err, unix.ENOENT):
		return explainLoader(file)
	case errors.Is(err, unix.ENOEXEC):
		return explainFormat(head)
	case errors.Is(err, unix.EACCES):
		return explainAccess(file, err)
	case errors.Is(err, unix.EPERM) && hasCapability(file):
		return fmt.Errorf("%w (it has file capabilities that a step may not have)", err)
	}
	return err
}

// headOf returns the first 256 bytes of a file, from which the kernel determines its
// format. It returns false for a file that is not regular or cannot be read.
func headOf(file string) ([]byte, bool) {
	f, err := regularfile.Open(file)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	head := make([]byte, 256)
	n, _ := io.ReadFull(f, head)
	return head[:n], true
}

// explainScript returns the reason why executing a script failed with err. The
// parameter line is the start of the script without "#!", and depth is the maximum
// number of files to examine, including the script: its interpreter may be a script,
// too.
func explainScript(line []byte, err error, depth int) error {
	text, _, _ := strings.Cut(string(line), "\n")
	words := strings.Fields(text)
	if len(words) == 0 {
		return errors.New("its first line names no interpreter")
	}
	interpreter := words[0]
	info, statErr := os.Stat(interpreter)
	switch {
	case errors.Is(err, unix.ENOENT) && strings.HasSuffix(text, "\r"):
		return fmt.Errorf("its first line %q ends in a carriage return, as Windows writes it (convert the file to line endings of Unix: sed -i 's/\\r$//' FILE, or * text eol=lf in .gitattributes)", "#!"+text)
	case errors.Is(statErr, fs.ErrNotExist):
		return fmt.Errorf("its interpreter %s is not in the image", interpreter)
	case statErr == nil && !info.Mode().IsRegular():
		return fmt.Errorf("its interpreter %s is not a program: %w", interpreter, err)
	case statErr == nil && !isExecutable(interpreter):
		return fmt.Errorf("its interpreter cannot be executed: %s", modeReason(interpreter, info))
	case statErr != nil:
		return err
	}
	return fmt.Errorf("its interpreter %s cannot be started: %w", interpreter, explain(interpreter, err, depth-1))
}

// explainLoader returns the reason why executing an existing program failed with
// ENOENT: its dynamic loader or its emulator does not exist.
func explainLoader(file string) error {
	loader, err := loaderOf(file)
	switch {
	case err != nil || loader == "":
		return errors.New("its dynamic loader or its emulator is not in the image (emulators require the flag F of binfmt_misc)")
	case exists(loader):
		return fmt.Errorf("its loader %s is in the image, but an emulator for it is not (binfmt_misc without the flag F)", loader)
	}
	return fmt.Errorf("its loader %s is not in the image (install the C library that the program was linked with, or link it statically)", loader)
}

// isExecutable reports whether this process may execute a file.
func isExecutable(file string) bool {
	return unix.Faccessat(unix.AT_FDCWD, file, unix.X_OK, unix.AT_EACCESS) == nil
}

// exists reports whether a path exists. It follows symbolic links.
func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// loaderOf returns the path of the dynamic loader that an ELF program requires, for
// example /lib64/ld-linux-x86-64.so.2. For a static program it returns "".
func loaderOf(file string) (string, error) {
	f, err := elf.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP && p.Filesz <= unix.PathMax {
			name := make([]byte, p.Filesz)
			_, err := p.ReadAt(name, 0)
			return strings.TrimRight(string(name), "\x00"), err
		}
	}
	return "", nil
}

// explainFormat returns the reason why the kernel cannot execute a file because of its
// format (ENOEXEC). The parameter head is the start of the file, see headOf.
func explainFormat(head []byte) error {
	const markUTF8 = "\xef\xbb\xbf"
	switch text := string(head); {
	case len(head) == 0:
		return errors.New("it is empty")
	case strings.HasPrefix(text, elf.ELFMAG) && len(head) >= 20:
		return explainMachine(text)
	case strings.HasPrefix(text, markUTF8):
		return errors.New("it starts with a byte order mark, so the kernel does not see #! (store the file without one)")
	case strings.HasPrefix(text, "\xff\xfe"), strings.HasPrefix(text, "\xfe\xff"):
		return errors.New("it is text in UTF-16, which the kernel does not read (store the file in UTF-8)")
	case strings.HasPrefix(text, "MZ"):
		return errors.New("it is a program for Windows")
	case strings.HasPrefix(text, "\xcf\xfa\xed\xfe"), strings.HasPrefix(text, "\xca\xfe\xba\xbe"):
		return errors.New("it is a program for macOS")
	case strings.HasPrefix(strings.TrimSpace(text), "#!"):
		return errors.New("blanks or empty lines precede its #! (move #! to the start of the file)")
	}
	return errors.New("it is neither a program nor, without #! at its start, a script")
}

// explainMachine returns the reason why this machine cannot execute an ELF program,
// usually that the program is for another architecture. The parameter head is the start
// of the program, see headOf.
func explainMachine(head string) error {
	for _, m := range Machines() {
		h := string(m.Header())
		if h[4:6] != head[4:6] || h[18:20] != head[18:20] {
			continue
		}
		if m.Arch == runtime.GOARCH {
			return fmt.Errorf("it is a damaged program for %s", m.Arch)
		}
		return fmt.Errorf("it is a program for %s, and this machine is %s without an emulator for it: install QEMU as a user program that the kernel starts (Debian: apt-get install qemu-user-static binfmt-support; with Docker: docker run --privileged --rm tonistiigi/binfmt --install %[1]s), or build for this platform", m.Arch, runtime.GOARCH)
	}
	return fmt.Errorf("it is a program for an architecture other than %s", runtime.GOARCH)
}

// explainAccess returns the reason why executing a program failed with EACCES, although
// the modes of the file and of its directories allow executing it. If it finds no
// reason, it returns err.
func explainAccess(file string, err error) error {
	var st unix.Statfs_t
	if unix.Statfs(file, &st) == nil && st.Flags&unix.ST_NOEXEC != 0 {
		return fmt.Errorf("%w (its file system is mounted with noexec)", err)
	}
	loader, loadErr := loaderOf(file)
	if info, statErr := os.Stat(loader); loadErr == nil && statErr == nil && !isExecutable(loader) {
		return fmt.Errorf("its loader cannot be executed: %s", modeReason(loader, info))
	}
	return err
}

// hasCapability reports whether a file has file capabilities.
func hasCapability(file string) bool {
	n, err := unix.Getxattr(file, "security.capability", nil)
	return err == nil && n > 0
}
