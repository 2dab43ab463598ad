// Package namespace runs processes in Linux namespaces of their own, over an
// overlay of the trees that they see.
//
// It keeps the process of a step from the files and processes of the host, takes
// the privileges that builds do not need, and sees what the process changed in
// the upper directory of the overlay. It is for building what one trusts and for
// testing frontends. It is no boundary against hostile code.
//
// As in other builders, a step has the usual capabilities of containers, the system
// calls of Docker's default profile in every ABI of the machine, and only the devices
// that every program expects; /proc and /sys hide what tells of the host. Each mount point
// is opened below the root of the step before something is mounted there, so no other
// process can lead it elsewhere. Devices that a step makes cannot be opened, except with all
// privileges. Secrets are in memory that only the step sees. A step has a
// session and a session keyring of its own: it has no terminal unless it asks for one,
// and cannot signal the builder's process group. Files that the builder inherited are
// closed before anything of the step is looked at. The program that starts the step
// is a view of this one that cannot be changed, and other processes cannot look into
// it. Setuid programs and file capabilities work, as images that have sudo need them, but
// give no more than the usual capabilities. There is no control group: what limits
// the builder limits its steps. The process itself is the first one of its PID
// namespace, so when it ends, the kernel kills all processes that it has started. One
// guard process per [Runner] kills the steps when the builder ends, even by SIGKILL.
//
// Where the kernel cannot write an overlay, as on another overlay, a process runs in a
// copy of its trees; see [Runner.Copies].
//
// A runner of [NewOCI] leaves all that to an OCI runtime, runc or crun, which gets the
// same trees. Package oci says how.
//
// The process starts as this program again: [Main] has to be called first in its
// main function, and in TestMain of tests that use the runner. Someone who is not
// root becomes root in a user namespace with [Enter].
package namespace
