//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"slipway/integration/rig"
	"slipway/integration/toolbox"
)

// machine contains the resources on the host that probes try to reach. They exist only for
// the probes, so that no attempt harms anything else.
type machine struct {
	rig        *rig.Rig
	dir        string // directory that contains all files of the run
	loop       string // minor number of the loop device
	shm        string // path of a file in the host's /dev/shm
	abstract   string // name of a socket in the abstract namespace
	port       string // TCP port on the host's loopback interface
	secret     string // content of the build secret with id s
	secretFile string
	common     v1.Layer // layer that all base images share

	mu   sync.Mutex
	stop []func() error
}

// leakedFD is the file descriptor of an open directory. Every builder inherits it.
const leakedFD = 99

// newMachine creates the resources on the host that probes try to reach. The caller must
// call Close, even after an error.
func newMachine(ctx context.Context, log io.Writer) (*machine, error) {
	m := &machine{}
	err := rig.EnsurePackages(ctx, log, "uidmap")
	if err != nil {
		return m, err
	}
	if m.dir, err = os.MkdirTemp("", "slipway-probes-"); err != nil {
		return m, err
	}
	m.stop = append(m.stop, func() error { return os.RemoveAll(m.dir) })
	for _, f := range []func() error{m.files, m.leakDirectory, m.sockets, func() error { return m.attachLoop(ctx) }, func() error { return m.compile(ctx) }} {
		if err := f(); err != nil {
			return m, err
		}
	}
	if m.rig, err = rig.Start(ctx, rig.Options{Log: log}); err != nil {
		return m, err
	}
	m.stop = append(m.stop, m.rig.Close)
	return m, nil
}

// Close removes the resources in reverse order of their creation.
func (m *machine) Close() error {
	var err error
	for i := len(m.stop) - 1; i >= 0; i-- {
		err = errors.Join(err, m.stop[i]())
	}
	return err
}

// files creates the files and directories on the host that probes try to reach.
func (m *machine) files() error {
	m.secretFile, m.secret = filepath.Join(m.dir, "secret"), "secret-"+rand.Text()
	leak := filepath.Join(m.dir, "leaked")
	shm, err := os.CreateTemp("/dev/shm", "slipway-probe-")
	if err != nil {
		return err
	}
	m.shm = shm.Name()
	m.stop = append(m.stop, shm.Close, func() error { return os.Remove(m.shm) })
	return errors.Join(os.Chmod(m.dir, 0o755), os.Mkdir(leak, 0o755),
		os.WriteFile(filepath.Join(leak, "canary"), []byte(canary), 0o644),
		os.WriteFile(m.secretFile, []byte(m.secret), 0o644),
		os.WriteFile(filepath.Join(m.dir, "ids"), []byte(strconv.Itoa(nobody)+":500000:65536\n"), 0o644),
		os.WriteFile(filepath.Join(m.dir, "no-ids"), nil, 0o644))
}

// leakDirectory opens a directory as descriptor leakedFD without close-on-exec, so that every
// builder inherits it.
func (m *machine) leakDirectory() error {
	fd, err := unix.Open(filepath.Join(m.dir, "leaked"), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return errors.Join(unix.Dup2(fd, leakedFD), unix.Close(fd))
}

// sockets opens two listeners on the host, an abstract Unix socket and a TCP port. No step
// may reach them.
func (m *machine) sockets() error {
	m.abstract = "slipway-probe-" + rand.Text()
	abstract, err := net.Listen("unix", "@"+m.abstract)
	if err != nil {
		return err
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	m.port = strconv.Itoa(tcp.Addr().(*net.TCPAddr).Port)
	m.stop = append(m.stop, abstract.Close, tcp.Close)
	return nil
}

// attachLoop creates a loop device whose content the probe recognizes.
func (m *machine) attachLoop(ctx context.Context) error {
	file := filepath.Join(m.dir, "disk")
	content := make([]byte, 1<<20)
	copy(content, "slipway-probe-device")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "losetup", "--find", "--show", file).Output()
	if err != nil {
		return fmt.Errorf("losetup: %w", err)
	}
	device := strings.TrimSpace(string(out))
	m.stop = append(m.stop, func() error { return exec.Command("losetup", "--detach", device).Run() })
	m.loop = strings.TrimPrefix(device, "/dev/loop")
	return nil
}

// compile compiles slipway and the probe program into the temporary directory of this run.
func (m *machine) compile(ctx context.Context) error {
	top, err := toolbox.Root()
	if err != nil {
		return err
	}
	sources, err := filepath.Glob(filepath.Join(top, "integration/probes/testdata/probe/*.c"))
	if err != nil {
		return err
	}
	probe := filepath.Join(m.dir, "probe")
	for _, args := range [][]string{
		{"go", "build", "-o", filepath.Join(m.dir, "slipway"), "./cmd/slipway"},
		append([]string{"gcc", "-std=gnu17", "-Wall", "-Werror", "-Wno-unused-result", "-O1", "-static", "-no-pie", "-o", probe}, sources...),
	} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir, cmd.Env = top, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", args[0], err, out)
		}
	}
	program, err := os.ReadFile(probe)
	if err == nil {
		m.common, err = programs(program)
	}
	return err
}

// replacer returns a replacer for the placeholders in the Dockerfiles of the probes, such as
// {column} and {host}. It replaces them with values for this builder configuration.
func (s *site) replacer() (*strings.Replacer, error) {
	var null unix.Stat_t
	if err := unix.Stat("/dev/null", &null); err != nil {
		return nil, err
	}
	var spaces []string
	for _, name := range []string{"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"} {
		link, err := os.Readlink("/proc/self/ns/" + name)
		if err != nil {
			return nil, err
		}
		spaces = append(spaces, link)
	}
	return strings.NewReplacer(
		"{dev}", strconv.FormatUint(null.Dev, 10), "{namespaces}", strings.Join(spaces, `","`), "{mnt}", spaces[2],
		"{loop}", s.loop, "{abstract}", s.abstract, "{port}", s.port, "{host}", s.host, "{shm}", s.shm, "{column}", s.slug(),
	), nil
}

// terminal makes cmd the leader of a new session. The given pseudo-terminal becomes the
// controlling terminal of the session and the standard input of cmd.
func terminal(cmd *exec.Cmd, slave *os.File) {
	cmd.Stdin = slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
}
