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

// terminal is the builder's side of a process's terminal. The init process creates the
// terminal in the devpts of the container and sends its master to the builder on a
// socket.
type terminal struct {
	p           *runner.Process
	socket      *os.File      // the builder's end
	childSocket *os.File      // the end of the init process
	master      *os.File      // nil until it has been received
	copied      chan struct{} // closed after all output has been copied
}

// newTerminal prepares cmd, the init process of p, for sending its terminal. Start the
// command afterwards, and then call receive or discard.
func newTerminal(cmd *exec.Cmd, p *runner.Process) (*terminal, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	t := &terminal{p: p, socket: os.NewFile(uintptr(pair[0]), "terminal"), childSocket: os.NewFile(uintptr(pair[1]), "terminal"), copied: make(chan struct{})}
	cmd.ExtraFiles = append(cmd.ExtraFiles, t.childSocket)
	return t, nil
}

// discard closes the sockets. Call it if the command did not start.
func (t *terminal) discard() {
	t.socket.Close()
	t.childSocket.Close()
}

// receive receives the master of the terminal and starts copying its output to Stdout.
// If the init process fails before it sends the terminal, receive returns nil, because
// the error file contains the reason.
func (t *terminal) receive() error {
	defer t.socket.Close()
	t.childSocket.Close()
	fd, err := receiveFile(int(t.socket.Fd()))
	if err != nil || fd < 0 {
		close(t.copied)
		return err
	}
	if err := unix.SetNonblock(fd, true); err != nil { // so that closing it interrupts reads
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
		_, _ = io.Copy(out, t.master) // errors are expected when the process has ended
	}()
	return nil
}

// receiveFile receives a descriptor from a Unix socket (SCM_RIGHTS). If the other end
// is closed, it returns -1.
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

// finish waits until all output has been copied, and closes the terminal. Call it after
// the process has ended.
func (t *terminal) finish() {
	<-t.copied
	if t.master != nil {
		t.master.Close()
	}
}

// resize sets the size of the terminal in characters.
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

// openTerminal creates a terminal in the container and sends its master to the builder.
// The slave becomes the controlling terminal and the standard streams of this process.
func (c *config) openTerminal() error {
	_, socket := c.passedFiles()
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
		// The runtime creates the terminal of the process. This one is for the runtime.
	} else if err := unix.Fchown(slave, c.UID, -1); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err // EINVAL: the user does not exist, which switchUser reports
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
