//go:build linux

package main

import "slices"

// exception describes privileges that some runners give to a step although buildkitd does not,
// and the reason for accepting this. If no runner gives such a privilege any longer, the
// command fails until the exception is removed.
type exception struct {
	columns []string
	names   []string // names of privileges, as for outcomes.matching
	reason  string   // footnote below the table
}

// exceptions returns all accepted privileges that buildkitd does not give to a step, in the
// order of the table's footnotes.
func exceptions() []exception {
	namespace := []string{"root", "rootless", "rootless, one id"}
	chroot := []string{"chroot"}
	oci := []string{"oci", "oci rootless", "oci, one id"}
	return []exception{
		{
			slices.Concat(namespace[1:], oci[1:]),
			rootAndUser("host-nodes/"),
			"A user without privileges on the host cannot create device nodes, so steps see those of the host, as with runc. They can change the times of these nodes, but not mode and owner.",
		},
		{
			namespace,
			slices.Concat(namesFor("root/64bit/%s", newSyscalls()...), namesFor("root/32bit/%s", newSyscalls()...)),
			"System calls that Docker's profile allows, but that are unknown to libseccomp in Debian 12, and therefore to runc there: `statmount`, `listmount`, `mseal`, `setxattrat`, `getxattrat`, `listxattrat`, `removexattrat`.",
		},
		{
			namespace,
			[]string{"exe/run", "exe/chmod"},
			"`RUN [\"/proc/self/exe\"]` runs a read-only copy of the builder's program in memory, with the privileges of the step. With runc, it runs nothing.",
		},
		{
			chroot,
			slices.Concat(
				rootAndUser("keys/"), rootAndUser("io_uring/"), rootAndUser("perf/"), rootAndUser("userfaultfd/"), rootAndUser("machine/quotactl"),
				[]string{"root/64bit/", "root/personality/", "root/families/", "none/families/"},
			),
			"The chroot runner has no filter of system calls. Docker's profile applies if the container has it; pods of Kubernetes have none by default.",
		},
		{
			chroot,
			slices.Concat(rootAndUser("writable/"), rootAndUser("mount-flags/"), []string{"none/writable/", "over/"}),
			"`/proc`, `/sys`, `/dev` and mounts are directories of the root, with copies of files. A step can change only the copies.",
		},
		{
			chroot,
			[]string{"none/services/"},
			"Only with `--unisolated network`. Otherwise, a step with `--network=none` is an error.",
		},
		{
			chroot,
			[]string{"secret/while-running"},
			"A secret is a file in the state directory while its step runs.",
		},
		{
			chroot,
			[]string{"script/pid"},
			"Processes have the IDs that they have in the container.",
		},
	}
}

// newSyscalls returns the numbers of the system calls that Linux 6.8 to 6.13 added. The x86-64
// and the i386 ABI use the same numbers.
func newSyscalls() []string { return []string{"457", "458", "462", "463", "464", "465", "466"} }
