// Package namespace runs processes in their own Linux namespaces, on an overlay of
// their trees. The changes of a process are read from the upper directory of the
// overlay.
//
// SECURITY.md describes what a step can reach, and compares it with BuildKit. In short:
//
//   - A step has the default capabilities of containers, the system calls of Docker's
//     default profile in every ABI of the machine, and the standard devices. Setuid
//     programs and file capabilities work within these capabilities, because images
//     with sudo need them. Parts of /proc and /sys are hidden or read-only.
//   - A control group filters the devices that a step creates, as with runc. If the
//     builder cannot create control groups, these devices cannot be opened at all.
//     Insecure steps may open all devices. Package cgroup describes the groups and
//     their limits.
//   - Each mount point is opened below the root of the step and mounted by descriptor,
//     so that no other process can redirect a mount. Secrets are in memory that only
//     the step sees.
//   - A step has its own session and session keyring. It has no terminal unless it
//     requests one, and cannot signal the builder's process group. Files that the
//     builder inherited are closed before any path of the step is resolved.
//   - The program that starts the step is a read-only view of this one. Other processes
//     cannot inspect it.
//   - The process is the first one of its PID namespace. When it ends, the kernel kills
//     all its descendants. One guard process per [Runner] kills the steps when the
//     builder ends, even by SIGKILL.
//
// An insecure step is one with all privileges of the builder (RUN --security=insecure).
//
// If the kernel cannot write an overlay in the state directory, for example on another overlay,
// layers are in a temporary directory, see [Runner.Scratch]. Without one, a process runs in a
// copy of its trees, see [Runner.Copies].
//
// A runner from [NewOCI] lets an OCI runtime, runc or crun, start the processes. It
// uses the same trees and mounts. See package oci.
//
// A process starts by executing this program again: its main function must call [Main]
// first, and so must TestMain in tests that use the runner. A user other than root
// becomes root in a user namespace with [Enter].
package namespace
