package chroot

import (
	"bytes"
	"os"

	"golang.org/x/sys/unix"
)

// InContainer reports whether this process certainly runs in a container: in a PID namespace of
// its own, with a root file system that container engines make. A false result is harmless: the
// user must then request the runner.
func InContainer() bool {
	var here machine
	here.pidNamespace, _ = os.Readlink("/proc/self/ns/pid") // "" if /proc is not mounted
	here.environ, _ = os.ReadFile("/proc/1/environ")
	for _, name := range markerFiles() {
		if _, err := os.Lstat(name); err == nil {
			here.marked = true
		}
	}
	here.kubernetes = os.Getenv("KUBERNETES_SERVICE_HOST") != ""
	var st unix.Statfs_t
	here.overlay = unix.Statfs("/", &st) == nil && uint32(st.Type) == unix.OVERLAYFS_SUPER_MAGIC
	return here.isContainer()
}

// machine describes the machine or container in which a process runs.
type machine struct {
	pidNamespace string // link of /proc/self/ns/pid
	environ      []byte // environment of the first process; empty if it cannot be read
	marked       bool   // one of markerFiles exists
	kubernetes   bool   // the variables that Kubernetes sets in pods are set
	overlay      bool   // the root file system is an overlay
}

// initialPIDs is the link of the PID namespace of the machine. The number is a constant of the
// kernel, PROC_PID_INIT_INO.
const initialPIDs = "pid:[4026531836]"

// markerFiles returns the files that Docker and podman create in containers. Virtual machines
// that were made from an image of a container may have them, too.
func markerFiles() []string { return []string{"/.dockerenv", "/run/.containerenv"} }

// isContainer implements [InContainer]. A PID namespace alone does not suffice, because programs
// such as unshare create one on the root file system of the machine. The files alone do not
// suffice either.
func (m *machine) isContainer() bool {
	if m.pidNamespace == "" || m.pidNamespace == initialPIDs {
		return false
	}
	return m.marked || m.kubernetes || m.overlay || bytes.HasPrefix(m.environ, []byte("container=")) || bytes.Contains(m.environ, []byte("\x00container="))
}
