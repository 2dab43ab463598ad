// Package oci describes steps to an OCI runtime (runc or crun) as BuildKit does,
// and reads what the runtime answers.
//
// The package starts nothing. The runner of package namespace does, when it has a
// [Runtime]: its init process, in a mount and a PID namespace of its own, mounts
// what the step sees below a tmpfs, writes the [Spec] next to it and becomes the
// runtime. That needs less than a runner of its own would:
//
//   - It uses the layers, upper directories, users, terminals and sockets of the
//     built-in runner, so both give the same results.
//   - Nothing is mounted in the namespace of the host, and the state of the runtime is
//     in the tmpfs. Both disappear with the runtime, even after SIGKILL.
//   - The runtime is the first process of its PID namespace. When it ends, the kernel
//     kills the step, so the guard needs to know nothing of containers.
//
// What remains of a step that was killed is its control group: see [NewGroup].
package oci
