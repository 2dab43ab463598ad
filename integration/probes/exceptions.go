//go:build linux

package main

import "slices"

// exception is a privilege that a runner gives and buildkitd does not, with the reason
// why that is accepted. An exception that is not needed is an error.
type exception struct {
	columns []string
	names   []string // of privileges; see outcomes.of
	why     string   // footnote of the table
}

// exceptions lists all exceptions.
func exceptions() []exception {
	namespace := []string{"root", "rootless", "rootless, one id"}
	oci := []string{"oci", "oci rootless", "oci, one id"}
	return []exception{
		{
			slices.Concat(namespace[1:], oci[1:]),
			both("host-nodes/"),
			"Who has no privileges on the host cannot make device nodes, so the host's are shown, as runc does for such users. Their mode and owner cannot be changed, but their times can.",
		},
		{
			namespace,
			slices.Concat(each("root/64bit/%s", recent()...), each("root/32bit/%s", recent()...)),
			"System calls that Docker's profile allows, but that the libseccomp of Debian 12, and so runc there, does not know: `statmount`, `listmount`, `mseal`, `setxattrat`, `getxattrat`, `listxattrat`, `removexattrat`.",
		},
		{
			namespace,
			[]string{"exe/run", "exe/chmod"},
			"`RUN [\"/proc/self/exe\"]` runs a copy of the builder's program in memory that cannot be written to, with the privileges of the step. runc runs nothing.",
		},
	}
}

// recent lists the numbers of system calls of Linux 6.8 to 6.13, in both ABIs.
func recent() []string { return []string{"457", "458", "462", "463", "464", "465", "466"} }
