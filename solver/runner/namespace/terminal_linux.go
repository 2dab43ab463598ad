package namespace

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"slipway/solver/runner"
)

// terminal is the side of a terminal that people sit at. The process makes it,
// as it has to be one of its own devices, and hands it over on a socket.
type terminal struct {
	p      *runner.Process
	socket *os.File // this side's
	theirs *os.File
	master *os.File
	copied chan struct{} // closed when all that it printed is
}

// newTerminal prepares the start of a process with a terminal.
func newTerminal(cmd *exec.Cmd, p *runner.Process) (*terminal, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	t := &terminal{p: p, socket: os.NewFile(uintptr(pair[0]), "terminal"), theirs: os.NewFile(uintptr(pair[1]), "terminal"), copied: make(chan struct{})}
	cmd.ExtraFiles = append(cmd.ExtraFiles, t.theirs)
	return t, nil
}

// discard is for a process that did not start.
func (t *terminal) discard() {
	t.socket.Close()
	t.theirs.Close()
}

// receive takes the terminal over. If the process sends none, its fault says why.
func (t *terminal) receive() error {
	defer t.socket.Close()
	t.theirs.Close()
	fd, err := receiveFile(int(t.socket.Fd()))
	if err != nil || fd < 0 {
		close(t.copied)
		return err
	}
	if err := unix.SetNonblock(fd, true); err != nil { // so that closing it ends reads
		close(t.copied)
		return errors.Join(err, unix.Close(fd))
	}
	t.master = os.NewFile(uintptr(fd), "terminal")
	out := t.p.Stdout
	if out == nil {
		out = io.Discard
	}
	go func() {
		defer close(t.copied)
		_, _ = io.Copy(out, t.master) // what it ends with is no error: nobody is there any more
	}()
	return nil
}

// receiveFile returns a file that somebody sends on a socket; -1 if nobody does.
func receiveFile(socket int) (int, error) {
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil || n == 0 {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil {
		return -1, err
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return -1, err
	}
	return fds[0], nil
}

// finish waits until all is printed.
func (t *terminal) finish() {
	<-t.copied
	if t.master != nil {
		t.master.Close()
	}
}

func (t *terminal) resize(rows, cols uint16) error {
	conn, err := t.master.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		failed = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	})
	return errors.Join(err, failed)
}

// openTerminal makes a terminal in the container that of this process, and sends
// its other side on a socket.
func (c *config) openTerminal() error {
	_, socket := c.passed()
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return err
	}
	number, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err != nil {
		return err
	}
	slave, err := unix.Open("/dev/pts/"+strconv.Itoa(number), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if c.OCI != nil {
		// The runtime makes the terminal of the process. This one is the runtime's.
	} else if err := unix.Fchown(slave, c.UID, -1); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err // EINVAL: there is no such user, as become will tell
	}
	if err := unix.Sendmsg(socket, []byte{0}, unix.UnixRights(master), nil, 0); err != nil {
		return err
	}
	unix.Close(master)
	unix.Close(socket)
	if err := unix.IoctlSetInt(slave, unix.TIOCSCTTY, 0); err != nil {
		return err
	}
	for fd := range 3 {
		if err := unix.Dup3(slave, fd, 0); err != nil {
			return err
		}
	}
	return nil
}
