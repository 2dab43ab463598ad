package oci

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
)

// Runtime is the absolute path of an OCI runtime: runc or crun.
type Runtime string

// Find returns runc from PATH or, if it is not installed, crun.
func Find() (Runtime, error) {
	for _, name := range []string{"runc", "crun"} {
		if file, err := exec.LookPath(name); err == nil {
			file, err = filepath.Abs(file)
			return Runtime(file), err
		}
	}
	return "", errors.New("runner oci: neither runc nor crun is in PATH (install one of them, or use --runner namespace)")
}

// Name returns the file name of the runtime's program: runc or crun.
func (r Runtime) Name() string { return filepath.Base(string(r)) }

// Files contains the paths of the files through which the runtime of a container gets
// its configuration and reports results.
type Files struct {
	Bundle string // OCI bundle: a directory with config.json
	State  string // directory in which the runtime stores the state of the container
	Log    string
	PID    string // the runtime writes the PID of the process to it when it has started
	// Process is the configuration of a further process of the container. If it is "",
	// the runtime creates the container and runs its first process.
	Process string
}

// id is the container ID for the runtime. All containers may have the same ID, because
// each has its own state directory.
const id = "step"

// Args returns the command line with which the runtime runs a process. If f.Process is
// "", the process is the first one of a new container. Otherwise it is a further
// process, and f.Process is the path of its configuration. The global options depend on
// userNamespace, which reports whether the runtime is in a user namespace.
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

// Failure returns the first error in the JSON log of a runtime, without the prefixes
// that every failure has. If the log contains no error, the runtime has started the
// process, and Failure returns nil.
func Failure(log []byte) error {
	for line := range bytes.Lines(log) {
		var entry struct{ Level, Msg string }
		if json.Unmarshal(line, &entry) != nil || entry.Level != "error" && entry.Level != "fatal" {
			continue
		}
		return errors.New(trimPrefixes(entry.Msg))
	}
	return nil
}

// trimPrefixes removes prefixes such as "runc run failed: " from an error message of a
// runtime, in any order. Such prefixes only report that something failed, not what.
func trimPrefixes(message string) string {
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
