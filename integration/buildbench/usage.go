package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// usage is the duration and the peak memory of a build.
type usage struct {
	time   time.Duration
	memory int64 // peak memory in bytes of the process that used most memory
	growth int64 // growth of a daemon's memory in bytes; 0 for builders without a daemon
}

// measuredName is the value of os.Args[0] by which this program recognizes that it runs as the
// intermediate process of measureProgram.
const measuredName = "buildbench-measured"

// measureProgram runs a program in dir and returns its resource usage. The program gets its own
// mount namespace, so its mounts disappear when it exits.
//
// An intermediate process starts the program, because the kernel includes the memory of the
// starting process in the program's peak memory. The calling process contains a registry and
// would distort the result.
func measureProgram(ctx context.Context, dir string, env []string, args ...string) (usage, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return usage{}, err
	}
	defer r.Close()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Args[0] = measuredName
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, append(os.Environ(), env...), &out, &out
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	err = cmd.Run()
	w.Close()
	if err != nil {
		return usage{}, fmt.Errorf("%q: %w\n%s", args, err, out.Bytes())
	}
	var u struct{ Nanoseconds, Bytes int64 }
	if err := json.NewDecoder(r).Decode(&u); err != nil {
		return usage{}, err
	}
	return usage{time: time.Duration(u.Nanoseconds), memory: u.Bytes}, nil
}

// runMeasured implements the intermediate process of measureProgram: it runs the program in its
// arguments, writes the usage to file descriptor 3 and exits. In any other process, runMeasured
// only returns.
func runMeasured() {
	if os.Args[0] != measuredName {
		return
	}
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	if err == nil {
		ru, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		if !ok {
			err = errors.New("the system does not report resource usage")
		} else {
			err = json.NewEncoder(os.NewFile(3, "usage")).Encode(struct{ Nanoseconds, Bytes int64 }{took.Nanoseconds(), ru.Maxrss * 1024})
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
