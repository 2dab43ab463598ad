package chroot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"

	"slipway/solver/runner"
)

// supervisorName is the value of os.Args[0] with which this program runs as a supervisor.
const supervisorName = "slipway-chroot"

// order is a message from the builder to the supervisor. When the pipe ends without the order
// Exit, the builder has ended, and the supervisor removes the files of the step.
type order struct {
	Work  string      `json:",omitempty"` // first order: the directory of the step
	Locks int         `json:",omitempty"` // with Work: number of locked files that the supervisor inherits
	Init  *initConfig `json:",omitempty"` // start the process
	Kill  bool        `json:",omitempty"` // kill the process
	Exit  bool        `json:",omitempty"` // exit; the process has ended
}

// status is the message from the supervisor to the builder after all processes have ended.
type status struct {
	Error string // the reason why the process could not be started
	Code  int    // its exit code
}

// supervisor is the builder's side of the process that starts the process of a step. That
// process exists until close, so that it can remove the files of the step until then.
type supervisor struct {
	p      *runner.Process
	cmd    *exec.Cmd
	work   string     // directory of the step
	mu     sync.Mutex // protects orders
	orders *json.Encoder
	pipe   io.WriteCloser // end of the orders
	status *os.File
	input  io.WriteCloser
	output []*os.File     // pipes with the output of the process
	copied sync.WaitGroup // copies the output
}

// startSupervisor starts the supervisor of p, which removes the directory work if the builder
// ends. Until the supervisor has ended, the files in locks stay locked.
func startSupervisor(p *runner.Process, work string, locks []*os.File) (*supervisor, error) {
	var theirs, ours [4]*os.File // orders, status, output and errors
	for i := range theirs {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(theirs[:], ours[:])
			return nil, err
		}
		if theirs[i], ours[i] = w, r; i == 0 {
			theirs[i], ours[i] = r, w
		}
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args, cmd.Env, cmd.Dir = []string{supervisorName}, []string{}, "/"
	cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = slices.Concat(theirs[:2], locks), theirs[2], theirs[3]
	// Signals from the terminal are intended for the builder.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	s := &supervisor{p: p, cmd: cmd, work: work, orders: json.NewEncoder(ours[0]), pipe: ours[0], status: ours[1], output: ours[2:]}
	var err error
	if s.input, err = cmd.StdinPipe(); err == nil {
		err = cmd.Start()
	}
	closeAll(theirs[:])
	if err != nil {
		closeAll(ours[:])
		return nil, fmt.Errorf("supervisor: %w", err)
	}
	var mu sync.Mutex
	for i, to := range []io.Writer{p.Stdout, p.Stderr} {
		s.copied.Go(func() { _, _ = io.Copy(lockedWriter{&mu, orDiscard(to)}, s.output[i]) })
	}
	if err := s.send(order{Work: work, Locks: len(locks)}); err != nil {
		return nil, errors.Join(fmt.Errorf("supervisor: %w", err), s.close())
	}
	return s, nil
}

// lockedWriter writes to w while it holds mu, because standard output and standard error may be
// the same writer.
type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

// Write implements [io.Writer].
func (l lockedWriter) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(data)
}

// closeAll closes the files in lists, except for those that are nil.
func closeAll(lists ...[]*os.File) {
	for _, list := range lists {
		for _, f := range list {
			if f != nil {
				f.Close()
			}
		}
	}
}

// orDiscard returns w, or a writer that discards all data if w is nil.
func orDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// run starts the process and waits until it and all its descendants have ended. If ctx ends,
// they are killed.
func (s *supervisor) run(ctx context.Context, c initConfig) error {
	if err := s.send(order{Init: &c}); err != nil {
		return fmt.Errorf("supervisor: %w", err)
	}
	defer context.AfterFunc(ctx, s.kill)()
	go func() {
		defer s.input.Close()
		if s.p.Stdin != nil {
			_, _ = io.Copy(s.input, s.p.Stdin) // the process may end before its input
		}
	}()
	var st status
	if err := json.NewDecoder(s.status).Decode(&st); err != nil {
		killInside(s.work) // before the builder reads the root, which a process could redirect to other files
		return errors.New("the supervisor of the step was killed (a step without a process namespace can kill every process of the container)")
	}
	s.copied.Wait()
	if st.Error != "" {
		return errors.New(st.Error)
	}
	return s.p.Exit(st.Code)
}

// send sends an order to the supervisor.
func (s *supervisor) send(o order) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.orders.Encode(o)
}

// kill makes the supervisor kill all processes of the step.
func (s *supervisor) kill() {
	_ = s.send(order{Kill: true}) // fails if it was killed
}

// close ends the supervisor and releases its files. The process must have ended.
func (s *supervisor) close() error {
	if s.send(order{Exit: true}) != nil { // it was killed
		_ = s.cmd.Process.Kill()
	}
	_ = s.cmd.Wait() // its exit code has no meaning
	closeAll(s.output, []*os.File{s.status})
	s.copied.Wait()
	_ = s.input.Close() // closed already if the process was started
	return s.pipe.Close()
}
