package namespace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"slipway/internal/procfd"
	"slipway/solver/runner"
	"slipway/solver/runner/launch"
)

// initName is the value of os.Args[0] with which this program runs as the init process
// of a container.
const initName = "slipway-init"

// process implements [runner.Running].
type process struct {
	c    *container
	p    *runner.Process
	cmd  *exec.Cmd
	conf config

	term  *terminal      // nil if the process has no terminal
	input io.WriteCloser // standard input; nil if it is a terminal
	ports *portWatch     // nil if the process may use all ports

	ended chan struct{}
	err   error // valid after ended is closed
}

// Start implements [runner.Container].
func (c *container) Start(p *runner.Process) (runner.Running, error) {
	x, err := c.start(p)
	if err != nil {
		return nil, err // not x: a nil *process is not a nil interface
	}
	return x, nil
}

// start starts a process and returns when its program runs. The first process of the
// container also creates the namespaces.
func (c *container) start(p *runner.Process) (*process, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, errors.New("the container is closed")
	case c.first != nil && c.first.hasEnded():
		return nil, errors.New("the first process of the container has ended")
	}
	x := &process{c: c, p: p, ended: make(chan struct{})}
	if err := x.configure(); err != nil {
		return nil, err
	}
	started := make(chan error, 1)
	c.all.Add(1)
	go x.run(started)
	if err := <-started; err != nil {
		<-x.ended
		if c.first == nil {
			c.closeSpaces()
		}
		return nil, err
	}
	if c.first == nil {
		c.first = x
	}
	return x, nil
}

// hasEnded reports whether the process has ended.
func (x *process) hasEnded() bool {
	select {
	case <-x.ended:
		return true
	default:
		return false
	}
}

// configure sets x.conf, the configuration that the builder sends to the init process: the
// configuration of the container, completed with the user, working directory and limits of x.
func (x *process) configure() error {
	c := x.c
	x.conf = c.conf
	root := c.root
	if c.first != nil {
		x.conf.Join, x.conf.Mounts, x.conf.Devices = true, nil, nil
		var err error
		if root, err = c.Tree(c.box.Root()); err != nil {
			return err
		}
	}
	id, err := launch.LookUp(c.r.store, root, x.p.User)
	if err != nil {
		return err
	}
	at, err := root.Resolve(x.p.Dir, true)
	if err != nil {
		return fmt.Errorf("working directory: %w", err)
	}
	for _, g := range x.p.Groups {
		id.Groups = append(id.Groups, int(g))
	}
	x.conf.IDs, x.conf.Dir, x.conf.DirName = id, "/"+at, x.p.Dir
	x.conf.Args, x.conf.Env, x.conf.Insecure, x.conf.Terminal = x.p.Args, x.p.Env, x.p.Insecure, x.p.Terminal
	if x.conf.Filter = nil; !x.p.Insecure && c.r.runtime == "" {
		if x.conf.Filter, err = c.r.filter(); err != nil {
			return fmt.Errorf("filter system calls: %w", err)
		}
	}
	x.conf.Limits = nil
	for _, u := range x.p.Ulimits {
		x.conf.Limits = append(x.conf.Limits, limit{u.Name, u.Soft, u.Hard})
	}
	if c.r.runtime != "" {
		x.conf.OCI, err = x.runtimeConfig()
	}
	x.showGroups()
	return err
}

// run starts the process and waits for its end. When the process has started, run sends nil
// to started. If the process fails to start, run sends the error.
//
// When the thread that started the first process ends, the kernel kills the first process and
// with it all other processes. run therefore locks its goroutine to the thread. A thread that
// has joined other namespaces is never unlocked, so it ends with its goroutine.
func (x *process) run(started chan<- error) {
	defer x.c.all.Done()
	defer close(x.ended)
	runtime.LockOSThread()
	if !x.conf.Join {
		defer runtime.UnlockOSThread()
	}
	if x.err = x.startInit(); x.err != nil {
		if x.c.ctx.Err() != nil {
			x.err = context.Cause(x.c.ctx)
		}
		started <- x.err
		return
	}
	started <- nil
	err := x.cmd.Wait()
	if x.term != nil {
		x.term.finish()
	}
	if x.c.ctx.Err() != nil {
		x.err = context.Cause(x.c.ctx)
		return
	}
	code, err := exitCode(err)
	if err == nil {
		err = x.runtimeError(code)
	}
	if err == nil {
		err = x.exit(code)
	}
	x.err = err
}

// startInit starts the init process, which becomes the process of the step. It returns
// nil when the program of the step runs, and otherwise the reason why it does not.
func (x *process) startInit() error {
	confR, confW, err := os.Pipe()
	if err != nil {
		return err
	}
	defer confR.Close()
	errorR, errorW, err := os.Pipe()
	if err != nil {
		return errors.Join(err, confW.Close())
	}
	defer errorR.Close()
	err = x.command(confR, errorW)
	if err == nil {
		err = x.stdio()
	}
	if err == nil {
		err = x.c.groups.Start(x.cmd, x.conf.Insecure)
	}
	if err != nil {
		if x.cmd != nil && x.cmd.Process != nil {
			_ = x.cmd.Process.Kill()
			_ = x.cmd.Wait()
		}
		if x.term != nil {
			x.term.discard()
		}
		return errors.Join(fmt.Errorf("start a process in namespaces: %w", err), confW.Close(), errorW.Close())
	}
	errorW.Close()
	err = x.register()
	var sendErr error
	if err == nil {
		sendErr = x.conf.send(confW)
	}
	sendErr = errors.Join(sendErr, confW.Close())
	if x.term != nil {
		sendErr = errors.Join(sendErr, x.term.receive())
	}
	text, readErr := io.ReadAll(errorR) // ends when the program is executed or fails
	text = x.c.takeReports(text)
	err = errors.Join(err, x.c.ctx.Err())
	switch {
	case err != nil: // the process was canceled, or did not get its configuration
	case len(text) > 0:
		err = errors.New(string(text))
	default:
		err = errors.Join(sendErr, readErr)
	}
	if err == nil && x.conf.OCI != nil && x.c.shared {
		err = x.awaitRuntime()
	}
	if err == nil {
		x.copyInput()
		return nil
	}
	_ = x.cmd.Process.Kill()
	_ = x.cmd.Wait()
	if x.term != nil {
		x.term.finish()
	}
	return err
}

// register registers the first process with the guard, connects its network, and opens its
// namespaces for later processes. It must be called while the process waits for its configuration. This order has
// two effects: the guard can already kill the process when the program of the step starts,
// and the process cannot end before its namespaces are opened.
func (x *process) register() error {
	if x.conf.Join {
		return nil
	}
	if err := x.c.r.guard.watch(x.cmd.Process); err != nil {
		return err
	}
	if x.c.link != "" {
		stop, err := x.c.link.connect(x.cmd.Process.Pid)
		if err != nil {
			return err
		}
		x.c.stop = append(x.c.stop, stop)
	}
	return x.c.openSpaces(x.cmd.Process.Pid)
}

// command sets x.cmd to the command that starts the init process of x. If x joins a
// container, command moves this thread to the namespaces of the container, except for
// the mount namespace. The init process itself joins the mount namespace later, so the
// path of its program leads to a file of the host.
func (x *process) command(config, errorPipe *os.File) error {
	program, err := x.c.r.program.open()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(x.c.ctx, procfd.Path(programFile))
	cmd.Args = []string{initName}
	cmd.Env = []string{}
	cmd.ExtraFiles = []*os.File{config, errorPipe, program}
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	x.cmd = cmd
	if x.conf.Join {
		last := len(x.c.spaces) - 1
		cmd.ExtraFiles = append(cmd.ExtraFiles, x.c.spaces[last])
		return joinSpaces(x.c.spaces[:last])
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS
	if x.conf.OCI != nil {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNS | syscall.CLONE_NEWPID // the runtime creates the others
	} else if x.conf.Loopback {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWNET
	}
	return nil
}

// stdio connects the standard streams of the process. Without input, standard input is
// an empty pipe. Package os/exec would pass the host's /dev/null instead, whose mode
// and owner the process could change.
func (x *process) stdio() (err error) {
	if x.conf.Terminal {
		x.term, err = newTerminal(x.cmd, x.p)
		return err
	}
	x.cmd.Stdout, x.cmd.Stderr = orDiscard(x.p.Stdout), orDiscard(x.p.Stderr)
	if !x.conf.Loopback && x.c.r.runtime == "" && lacksPorts() {
		x.ports = &portWatch{}
		x.cmd.Stdout, x.cmd.Stderr = x.ports.stream(x.cmd.Stdout), x.ports.stream(x.cmd.Stderr)
	}
	x.input, err = x.cmd.StdinPipe()
	if err == nil && x.p.Stdin == nil {
		err = x.input.Close()
	}
	return err
}

// orDiscard returns w, or a writer that discards all data if w is nil.
func orDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// copyInput starts copying Stdin to the process in the background. It must be called
// after the process has started, so that a process that fails to start reads no input.
// The copy ends at the end of Stdin, or at the first read after the process has ended.
// Nothing waits for the end of the copy, because a read may block forever.
func (x *process) copyInput() {
	to := x.input
	if x.term != nil {
		to = x.term.master
	}
	if x.p.Stdin == nil {
		return
	}
	go func() {
		_, _ = io.Copy(to, x.p.Stdin) // the process may end before its input
		if x.term == nil {
			to.Close()
		}
	}()
}

// Wait implements [runner.Running].
func (x *process) Wait() error {
	<-x.ended
	return x.err
}

// Signal implements [runner.Running].
func (x *process) Signal(sig syscall.Signal) error {
	if x.conf.OCI != nil && x.conf.Join && sig == syscall.SIGKILL {
		return x.killJoined()
	}
	if err := x.cmd.Process.Signal(sig); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Resize implements [runner.Running].
func (x *process) Resize(rows, cols uint16) error {
	if x.term == nil || x.hasEnded() {
		return nil
	}
	return x.term.resize(rows, cols)
}

// exitCode converts err, the result of [exec.Cmd.Wait], to the exit code of the process. If a
// signal ended the process, the code is 128 plus the signal number. If err contains no exit
// status, exitCode returns err.
func exitCode(err error) (int, error) {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return 0, err // it may be nil
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return exit.ExitCode(), nil
}
