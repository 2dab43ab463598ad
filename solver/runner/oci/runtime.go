package oci

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
)

// A Runtime is a program that runs containers: the path of runc or crun.
type Runtime string

// Find returns the runtime in PATH: runc, or else crun.
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

// Files are the files of a container that its runtime uses.
type Files struct {
	Bundle string // directory with config.json
	State  string // directory of the runtime's own
	Log    string
	PID    string // written when the process has started
	// Process describes a process that joins the container; "" for the first one.
	Process string
}

// id is the name of the container. No other has the same state directory.
const id = "step"

// Args returns the command that runs a process.
func (r Runtime) Args(f *Files, userNamespace bool) []string {
	args := []string{string(r), "--root", f.State, "--log", f.Log, "--log-format", "json"}
	if userNamespace && r.Name() == "crun" {
		args = append(args, "--cgroup-manager", "disabled") // runc knows by itself that it has none
	}
	if f.Process != "" {
		return append(args, "exec", "--process", f.Process, "--pid-file", f.PID, id)
	}
	args = append(args, "run", "--bundle", f.Bundle, "--pid-file", f.PID)
	if r.Name() != "crun" {
		args = append(args, "--keep") // its control group, to see whether memory was used up
	}
	return append(args, id)
}

// Failure returns the error in the log of a runtime that failed to run a process;
// nil if the process ran.
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

// plain returns a message of a runtime without the words that say only that it
// failed, which follow each other in different orders.
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
