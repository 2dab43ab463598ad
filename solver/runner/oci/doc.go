// Package oci creates configurations of steps for an OCI runtime (runc or crun), as
// BuildKit does, and reads errors from the runtime's log.
//
// The package starts no processes. The runner in package namespace starts the runtime
// if it is configured with a [Runtime]. The init process of a step has its own mount
// and PID namespaces. It mounts the file systems of the step below a tmpfs, writes the
// [Spec] next to them and executes the runtime. Compared with a separate runner for OCI
// runtimes, this design has several advantages:
//
//   - It uses the layers, upper directories, users, terminals and sockets of the
//     built-in runner, so both give the same results.
//   - Nothing is mounted in the namespace of the host, and the state of the runtime is
//     in the tmpfs. Both disappear with the runtime, even after SIGKILL.
//   - The runtime is the first process of its PID namespace. When it ends, the kernel
//     kills the step, so the guard does not need to know about containers.
//
// Only the control group of a killed step remains. The guard or a later runner removes
// it.
package oci
