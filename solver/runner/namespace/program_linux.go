package namespace

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"slipway/internal/procfd"
)

// program provides the file that init processes execute, which contains this program. A
// step can reach the file as /proc/self/exe of its init process, but cannot change its
// content or mode (CVE-2019-5736). Safe for concurrent use.
type program struct {
	dir string // a directory outside the directory of this program, see readOnlyProgram

	mu   sync.Mutex
	file *os.File // nil until the first process starts
}

// open returns the file that init processes execute. On the first call it opens a
// read-only view of this program or, if that fails, a sealed copy. The file stays open
// until p is closed.
func (p *program) open() (*os.File, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file != nil {
		return p.file, nil
	}
	var err error
	if p.file, err = readOnlyProgram(p.dir); err == nil {
		return p.file, nil
	}
	copied, failed := sealedProgram()
	if failed != nil {
		return nil, fmt.Errorf("protect this program from steps: %w", errors.Join(err, failed))
	}
	p.file = copied
	return copied, nil
}

// Close implements [io.Closer].
func (p *program) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file == nil {
		return nil
	}
	err := p.file.Close()
	p.file = nil
	return err
}

// readOnlyProgram opens this program in an overlay without an upper directory, which is
// read-only even for root. The overlay is mounted at no path and takes no memory. The
// kernel requires a second lower directory for the overlay: the parameter dir, which
// must not be below the directory of this program.
func readOnlyProgram(dir string) (_ *os.File, err error) {
	name, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open an overlay: %w", err)
	}
	defer unix.Close(fs)
	escape := strings.NewReplacer(`\`, `\\`, ":", `\:`)
	lower := escape.Replace(filepath.Dir(name)) + ":" + escape.Replace(dir)
	err = unix.FsconfigSetString(fs, "lowerdir", lower)
	if err == nil {
		err = unix.FsconfigCreate(fs)
	}
	if err != nil {
		return nil, fmt.Errorf("overlay of %s: %w", lower, err)
	}
	mount, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	if err != nil {
		return nil, fmt.Errorf("mount an overlay: %w", err)
	}
	defer unix.Close(mount)
	// If the program has been replaced since its start, its name no longer exists.
	fd, err := unix.Openat(mount, filepath.Base(name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), initName), nil
}

// sealedProgram opens a sealed copy of this program in memory (memfd). The copy takes
// as much memory as the program, so it is used only if readOnlyProgram fails.
func sealedProgram() (_ *os.File, err error) {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer self.Close()
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(initName, flags|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // a kernel before 6.3
		fd, err = unix.MemfdCreate(initName, flags)
	}
	if errors.Is(err, unix.EACCES) {
		return nil, fmt.Errorf("copy this program: %w (allow executable memory files: sysctl vm.memfd_noexec=1)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("copy this program: %w", err)
	}
	writable := os.NewFile(uintptr(fd), initName)
	defer writable.Close()
	if _, err := io.Copy(writable, self); err != nil {
		return nil, fmt.Errorf("copy this program: %w", err)
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals|unix.F_SEAL_EXEC)
	if errors.Is(err, unix.EINVAL) { // a kernel before 6.3
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
	}
	if err != nil {
		return nil, fmt.Errorf("seal a copy of this program: %w", err)
	}
	return os.Open(procfd.Path(uintptr(fd))) // a file that is open for writing cannot be executed
}
