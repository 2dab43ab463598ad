package chroot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"slipway/solver/tree"
)

// These are the descriptors of the supervisor and of the init process.
const (
	ordersFile = 3 // orders, or the configuration of the init process
	statusFile = 4 // the status, or the reason why the process could not be started
)

// Main runs the supervisor or the init process of a step if this program was started as one of
// them, and then exits. Otherwise it returns. A main function must call it first.
func Main() {
	if len(os.Args) != 1 {
		return
	}
	switch os.Args[0] {
	case supervisorName:
		supervise()
	case initName:
		fmt.Fprint(os.NewFile(statusFile, "failure"), runInit())
		os.Exit(1)
	}
}

// supervise is the main function of the supervisor. It follows the orders of the builder.
func supervise() {
	var w watch
	var st starter
	err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	unix.CloseOnExec(ordersFile)
	unix.CloseOnExec(statusFile)
	d := json.NewDecoder(os.NewFile(ordersFile, "orders"))
	for err == nil {
		var o order
		if err = d.Decode(&o); err != nil {
			break
		}
		switch {
		case o.Exit:
			os.Exit(0)
		case o.Kill:
			st.forbid()
			killAll()
		case o.Init != nil:
			w.open(o.Init.Caches)
			go st.runStep(o.Init)
		default:
			w.work = o.Work
			for i := range o.Locks {
				unix.CloseOnExec(statusFile + 1 + i)
			}
		}
	}
	// The builder has ended.
	st.forbid()
	killAll()
	w.clean()
	os.Exit(1)
}

// watch is what the supervisor cleans up if the builder ends.
type watch struct {
	work   string
	caches []*cacheMount
	dirs   []*os.File // that contain the caches
}

// open opens the directories in the root that contain the caches. The process cannot redirect
// them afterwards.
func (w *watch) open(caches []*cacheMount) {
	for _, c := range caches {
		if f, err := os.OpenFile(c.Dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err == nil {
			w.caches, w.dirs = append(w.caches, c), append(w.dirs, f)
		}
	}
}

// clean moves the caches back to the host and removes the directory of the step. If the process
// was not started, the record lists the caches. After an error, the directory remains, so that
// the next build can move the caches.
func (w *watch) clean() {
	if w.work == "" {
		return
	}
	for i, c := range w.caches {
		_ = c.restore(w.dirs[i]) // fails if the builder has moved the cache, or the process has removed it
	}
	if len(w.caches) == 0 && restoreRecord(filepath.Join(w.work, recordName)) != nil {
		return
	}
	_ = tree.RemoveAll(w.work)
}

// starter starts the process of a step, unless that was forbidden. Safe for concurrent use.
type starter struct {
	mu        sync.Mutex
	forbidden bool
}

// forbid forbids to start the process.
func (s *starter) forbid() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forbidden = true
}

// start starts a command, unless that was forbidden.
func (s *starter) start(cmd *exec.Cmd) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forbidden {
		return errors.New("the step was canceled")
	}
	return cmd.Start()
}

// runStep starts the process of the step, waits for its end, kills its descendants, and sends
// the status to the builder.
func (s *starter) runStep(c *initConfig) {
	runtime.LockOSThread() // the process dies with this thread
	code, err := s.run(c)
	killAll()
	st := status{Code: code}
	if err != nil {
		st.Error = err.Error()
	}
	_ = json.NewEncoder(os.NewFile(statusFile, "status")).Encode(st) // fails if the builder has ended
	select {}
}

// run starts the process of the step and returns its exit code. If a signal ended it, the
// code is 128 plus the signal number.
func (s *starter) run(c *initConfig) (int, error) {
	data, err := json.Marshal(c)
	if err != nil {
		return 0, err
	}
	confR, confW, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	failureR, failureW, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args, cmd.Env = []string{initName}, []string{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{confR, failureW}
	err = s.start(cmd)
	// The builder waits until no process has its output open.
	_ = errors.Join(confR.Close(), failureW.Close(), os.Stdin.Close(), os.Stdout.Close(), os.Stderr.Close())
	if err != nil {
		return 0, err
	}
	_, err = confW.Write(data)
	_ = errors.Join(err, confW.Close()) // if it fails, the process has ended
	text, err := io.ReadAll(failureR)   // ends when the program is executed or fails
	waited := cmd.Wait()
	switch {
	case err != nil:
		return 0, err
	case len(text) > 0:
		return 0, errors.New(string(text))
	}
	var exit *exec.ExitError
	if !errors.As(waited, &exit) {
		return 0, waited
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return exit.ExitCode(), nil
}

// killAll kills all descendants of this process. A process whose parent has ended becomes a
// child of this one, so killAll repeats until none is left. The kernel kills all processes of a
// group at once, so that processes that start others without end cannot outrun killAll.
func killAll() {
	for {
		pids := descendants(os.Getpid())
		if len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			if group, err := unix.Getpgid(pid); err == nil && group != unix.Getpgrp() {
				_ = unix.Kill(-group, unix.SIGKILL)
			}
		}
		kill(pids)
		for {
			pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
			if pid <= 0 && !errors.Is(err, unix.EINTR) {
				break
			}
		}
	}
}

// kill kills processes, and then waits a moment. It stops all of them first, because a stopped
// process starts no others.
func kill(pids []int) {
	for _, pid := range pids {
		_ = unix.Kill(pid, unix.SIGSTOP)
	}
	for _, pid := range pids {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	time.Sleep(time.Millisecond)
}

// killInside kills all processes whose root is the directory dir or is below it. It is for
// processes whose supervisor was killed, which are descendants of no process of the builder.
func killInside(dir string) {
	for {
		pids := inside(dir)
		if len(pids) == 0 {
			return
		}
		kill(pids)
	}
}

// inside returns the process IDs of all processes whose root is the directory dir or is below it,
// even if the directory was removed.
func inside(dir string) []int {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	var list []int
	for _, pid := range processes() {
		root, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/root") // fails for zombies
		if err == nil && strings.HasPrefix(root+"/", dir+"/") {
			list = append(list, pid)
		}
	}
	return list
}

// descendants returns the process IDs of all descendants of the process with the ID root.
func descendants(root int) []int {
	children := map[int][]int{}
	for _, pid := range processes() {
		if parent, ok := parentOf(pid); ok {
			children[parent] = append(children[parent], pid)
		}
	}
	list := children[root]
	for i := 0; i < len(list); i++ {
		list = append(list, children[list[i]]...)
	}
	return list
}

// processes returns the process IDs of all processes that /proc shows.
func processes() []int {
	entries, _ := os.ReadDir("/proc") // without /proc, no process is found
	var list []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			list = append(list, pid)
		}
	}
	return list
}

// parentOf returns the process ID of the parent of a process. If the process does not exist, ok
// is false.
func parentOf(pid int) (parent int, ok bool) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false
	}
	_, rest, _ := bytes.Cut(data[bytes.LastIndexByte(data, ')')+1:], []byte(" "))
	fields := bytes.Fields(rest) // state, parent
	if len(fields) < 2 {
		return 0, false
	}
	parent, err = strconv.Atoi(string(fields[1]))
	return parent, err == nil
}
