//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
)

// row is a row of the printed table of privileges. It describes one kind of privilege that RUN
// steps may have.
type row struct {
	text  string
	names []string // names of privileges, as for outcomes.matching
	// excludePlain ignores privileges that the reference builder gives even to a plain step,
	// because the attempt is to gain further privileges.
	excludePlain bool
	script       bool   // set if a shell can make the attempts
	job          string // job that makes the attempts; the cell of a column that does not run it is empty
	strict       bool   // set if no runner may give the privilege, even if the reference does
}

// rows returns all rows of the printed table of privileges, in order.
func rows() []row {
	return slices.Concat(processRows(), callRows(), fileRows(), imageRows(), hostRows())
}

// namesFor returns one privilege name for each label. It replaces %s in a format, such as
// "devices/%s/open/", with the label.
func namesFor(format string, labels ...string) []string {
	var out []string
	for _, l := range labels {
		out = append(out, fmt.Sprintf(format, l))
	}
	return out
}

// rootAndUser returns two privilege names: root/ID for RUN steps with user root, and user/ID for
// RUN steps with an ordinary user. ID is the parameter id.
func rootAndUser(id string) []string { return namesFor("%s/"+id, "root", "user") }

// processRows returns the rows of the privilege table about privileges that each process in a
// step has from its start.
func processRows() []row {
	return []row{
		{text: "capabilities of root", names: []string{"root/capabilities/"}},
		{text: "capabilities of other users", names: []string{"user/capabilities/"}},
		{text: "root by setuid programs", names: []string{"user/setuid"}},
		{text: "supplementary groups", names: rootAndUser("groups/")},
		{text: "files that the builder or its caller left open", names: rootAndUser("inherited-files/")},
		{text: "environment of the caller", names: rootAndUser("environment/")},
		{text: "terminal of the caller: read, write, type", names: rootAndUser("terminal/")},
		{text: "signals to the process group or session of the caller", names: rootAndUser("signals/")},
		{text: "raised limits, priorities, protection from the OOM killer", names: rootAndUser("limits/")},
		{text: "namespaces of the host", names: rootAndUser("host-namespaces/")},
	}
}

// callRows returns the rows of the privilege table about system calls.
func callRows() []row {
	return []row{
		{text: "new namespaces: `unshare`, `clone`, `clone3`, in both ABIs", names: rootAndUser("namespaces/")},
		{text: "`mount`, remount, `umount`, `fsopen`", names: rootAndUser("mounts/")},
		{text: "keyrings of its own: `keyctl`, `add_key`", names: rootAndUser("keys/")},
		{text: "keys of the caller's session", names: rootAndUser("caller-keys/")},
		{text: "`io_uring`", names: rootAndUser("io_uring/")},
		{text: "`bpf`", names: rootAndUser("bpf/")},
		{text: "`perf_event_open`", names: rootAndUser("perf/")},
		{text: "`userfaultfd`", names: rootAndUser("userfaultfd/")},
		{text: "host name, clock, reboot, swap, modules, kernel log, quotas, I/O ports, file handles", names: rootAndUser("machine/")},
		{text: "system calls, all of x86-64", names: []string{"root/64bit/"}},
		{text: "system calls, all of i386", names: []string{"root/32bit/"}},
		{text: "system calls, all of x32", names: []string{"root/x32/"}},
		{text: "personalities", names: []string{"root/personality/"}},
		{text: "sockets: families and types", names: []string{"root/families/", "none/families/"}},
		{text: "services of the host: loopback, abstract sockets", names: []string{"root/services/"}},
		{text: "the same with `--network=none`", names: []string{"none/services/"}},
	}
}

// fileRows returns the rows of the privilege table about access to files and devices.
func fileRows() []row {
	return []row{
		{text: "reading of `/proc`, `/sys/firmware`, powercap", names: rootAndUser("readable/")},
		{text: "writing of `/proc`, `/sys`, control groups", names: append(rootAndUser("writable/"), "none/writable/")},
		{text: "new control groups", names: rootAndUser("control-groups/")},
		{text: "nodes of `/dev`", names: rootAndUser("nodes/")},
		{text: "nodes of `/dev` are the host's own", names: rootAndUser("host-nodes/")},
		{text: "mode and owner of the host's nodes of `/dev`", names: append(rootAndUser("host-node-modes/"), rootAndUser("host-node-owners/")...)},
		{text: "device nodes: `mknod`", names: namesFor("devices/%s/mknod/", "root", "shm", "dev", "cache", "tmpfs", "bind")},
		{text: "devices opened in the root file system, `/dev`, `/dev/shm`", names: namesFor("devices/%s/open/", "root", "dev", "shm")},
		{text: "devices opened in a cache mount", names: []string{"devices/cache/open/"}},
		{text: "devices opened in a tmpfs or bind mount", names: namesFor("devices/%s/open/", "tmpfs", "bind")},
		{text: "devices of an image opened", names: []string{"image/open/", "image-mount/open/"}},
		{text: "mounts that allow devices, setuid, programs, writing", names: rootAndUser("mount-flags/")},
	}
}

// imageRows returns the rows of the privilege table about privileges gained through hostile
// images, links and mounts.
func imageRows() []row {
	return []row{
		{text: "files of the host by `chroot`, `..`, `/proc/1/root`, `/dev/shm`", names: append(rootAndUser("climb/"), "root/exists/")},
		{text: "users of the host", names: []string{"users/"}},
		{text: "more by an image whose `/proc` is a link or a file", names: []string{"linked/proc-"}, excludePlain: true},
		{text: "more by an image whose `/sys` is a link or a file", names: []string{"linked/sys-"}, excludePlain: true},
		{text: "more by an image whose `/dev` is a link or a file", names: []string{"linked/dev-"}, excludePlain: true},
		{text: "files made on the host by links at `/proc`, `/sys`, `/dev`, `/etc`", names: namesFor("host-directory/%s", "proc-", "sys-", "dev-", "etc-"), strict: true},
		{text: "files made on the host by links at targets of mounts and WORKDIR", names: []string{"host-directory/links", "links/"}, strict: true},
		{text: "files made on the host by a race in a shared cache (not tried with runc 1.1, which loses it now and then)", names: []string{"host-directory/race"}, job: "race", strict: true},
		{text: "mounts over `/proc`", names: []string{"over/proc/run", "over/proc/1/run", "over/proc/sys/run"}},
		{text: "mounts over `/sys`, `/dev`", names: []string{"over/sys/run", "over/sys/fs/cgroup/run", "over/sys/firmware/run", "over/dev/run"}},
		{text: "more of `/proc` and `/sys` by mounts over them", names: []string{"over/"}, excludePlain: true},
		{text: "directories of the host by `WORKDIR /proc/self/fd/N`", names: []string{"fd/"}},
	}
}

// hostRows returns the rows of the privilege table about access to resources of the builder
// and its caller.
func hostRows() []row {
	return []row{
		{text: "the builder's program executed as `/proc/self/exe`", names: []string{"exe/run", "exe/chmod"}},
		{text: "the builder's program changed", names: []string{"exe/mode", "host-directory/exe"}},
		{text: "SSH agent: more than list and sign", names: agentTypes()},
		{text: "secrets on disk while a step runs", names: []string{"secret/while-running"}},
		{text: "secrets on disk after kill -9", names: []string{"secret/after-kill"}},
		{text: "overlay attributes of an image act", names: []string{"overlay/"}},
		{text: "`--security=insecure` without `--allow`", names: []string{"insecure/"}},
		{text: "`--network=host` without `--allow`", names: []string{"network-host/"}},
		{text: "shell scripts: files, users, environment, processes of the host", names: []string{"script/", "host-directory/script"}, script: true},
	}
}

// agentTypes returns the privilege names for sending each type of message to an SSH agent,
// except the types for listing keys (11) and signing (13).
func agentTypes() []string {
	var out []string
	for n := range 256 {
		if n != 11 && n != 13 {
			out = append(out, fmt.Sprintf("agent/arrived/%d", n))
		}
	}
	return out
}

// privileges returns the privileges in o that the row r of the table counts. The parameter o
// contains the outcomes with one builder, and reference the outcomes with buildkitd. If
// r.excludePlain is set, the result omits privileges that buildkitd gives even to a step without
// hostile images, links or mounts.
func (r row) privileges(o, reference *outcomes) []string {
	list := o.matching(r.names)
	if !r.excludePlain {
		return list
	}
	return slices.DeleteFunc(list, func(id string) bool { return inPlainStep(id, reference) })
}

// inPlainStep reports whether buildkitd gives the privilege named id even to a step without
// hostile images, links or mounts. The parameter reference contains the outcomes with buildkitd.
func inPlainStep(id string, reference *outcomes) bool {
	for _, kind := range []string{
		"readable/", "writable/", "control-groups/", "capabilities/", "environment/", "nodes/", "host-namespaces/", "mount-flags/", "groups/", "run",
	} {
		if _, rest, ok := strings.Cut(id, "/"+kind); ok && (kind == "run" || reference.granted["root/"+kind+rest]) {
			return true
		}
	}
	return false
}
