package oci

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
)

// Runtime is the path of a program that runs containers: runc or crun.
type Runtime string

// Find returns the first runtime in PATH: runc, or else crun.
func Find() (Runtime, error) {
	for _, name := range []string{"runc", "crun"} {
		if file, err := exec.LookPath(name); err == nil {
			file, err = filepath.Abs(file)
			return Runtime(file), err
		}
	}
	return "", errors.New("runner oci: neither runc nor crun is in PATH (install one of them, or use --runner namespace)")
}

// Name returns the name of the program.
func (r Runtime) Name() string { return filepath.Base(string(r)) }

// Files are the paths of a container's files for its runtime.
type Files struct {
	Bundle string // directory with config.json
	State  string // private directory of the runtime
	Log    string
	PID    string // written when the process has started
	// Process is the configuration of a process that joins the container. If it is "",
	// the first process is run.
	Process string
}

// id is the name of the container. Each container has its own state directory.
const id = "step"

// Args returns the command line that runs a process.
func (r Runtime) Args(f *Files, userNamespace bool) []string {
	args := []string{string(r), "--root", f.State, "--log", f.Log, "--log-format", "json"}
	if userNamespace && r.Name() == "crun" {
		args = append(args, "--cgroup-manager", "disabled") // runc detects this by itself
	}
	if f.Process != "" {
		return append(args, "exec", "--process", f.Process, "--pid-file", f.PID, id)
	}
	args = append(args, "run", "--bundle", f.Bundle, "--pid-file", f.PID)
	if r.Name() != "crun" {
		args = append(args, "--keep") // keep its control group, to detect OOM kills
	}
	return append(args, id)
}

// Failure returns the error in the log of a runtime that failed to run a process. If
// the process ran, it returns nil.
func Failure(log []byte) error {
	for line := range bytes.Lines(log) {
		var entry struct{ Level, Msg string }
		if json.Unmarshal(line, &entry) != nil || entry.Level != "error" && entry.Level != "fatal" {
			continue
		}
		return errors.New(plain(entry.Msg))
	}
	return nil
}

// plain removes prefixes from an error of a runtime that only report the failure
// itself. They occur in different orders.
func plain(message string) string {
	message = strings.TrimSpace(message)
	for again := true; again; {
		again = false
		for _, prefix := range []string{"runc run failed: ", "exec failed: ", "unable to start container process: ", "error during container init: "} {
			if rest, ok := strings.CutPrefix(message, prefix); ok {
				message, again = rest, true
			}
		}
	}
	return message
}
