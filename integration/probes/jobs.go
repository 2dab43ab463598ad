//go:build linux

package main

import (
	"fmt"
	"regexp"
	"strings"
)

// job is a build whose steps attempt forbidden operations. For each attempt, a step prints the
// outcome and the name of the privilege, which has the form LABEL/ID.
type job struct {
	name       string
	dockerfile string
	// refusal matches the errors with which a builder rejects the whole job. If the error of the
	// job matches, all attempts count as failed. Any other error stops the run. If refusal is
	// nil, the job must succeed.
	refusal *regexp.Regexp
	// kill makes the driver kill the builder as soon as a step prints that it is ready.
	kill bool
	// race makes other builds mount filesystems in a cache mount while the job changes it.
	race bool
}

// jobs returns all builds that run probes, in the order in which they run.
func jobs() []job {
	unknownUser := regexp.MustCompile(`(?i)user .*(daemon|canary)|no users? |unknown user|unable to find|passwd`)
	list := []job{
		{name: "base", dockerfile: baseSteps()},
		{name: "user", dockerfile: userSteps, refusal: regexp.MustCompile(`run as 1000:1000: the user namespace has no user but root`)},
		{name: "nodes", dockerfile: "FROM probe:{column}-nodes\n" + `RUN ["/probe","image","device","image","{loop}"]` + "\n"},
		{name: "nodes-mount", dockerfile: "FROM probe:{column}-base\n" + `RUN --mount=type=bind,from=probe:{column}-nodes,source=/nodes,target=/nodes ["/probe","image-mount","device","image","{loop}"]` + "\n"},
		{name: "insecure", dockerfile: "FROM probe:{column}-base\n" + `RUN --security=insecure ["/probe","insecure","run"]` + "\n", refusal: regexp.MustCompile(`security.insecure`)},
		{name: "network", dockerfile: "FROM probe:{column}-base\n" + `RUN --network=host ["/probe","network-host","run"]` + "\n", refusal: regexp.MustCompile(`network.host`)},
		{name: "agent", dockerfile: "FROM probe:{column}-base\n" + `RUN --mount=type=ssh ["/probe","agent","agent"]` + "\n"},
		{name: "exe", dockerfile: exeSteps, refusal: regexp.MustCompile(`(?i)no such file|not found|permission denied|exit code|cannot execute`)},
		{name: "overlay", dockerfile: "FROM probe:{column}-overlay\n" + `RUN ["/probe","overlay/trusted","hidden","/trusted/a"]` + "\n" + `RUN ["/probe","overlay/user","hidden","/user/a"]` + "\n"},
		{name: "links", dockerfile: linkSteps, refusal: regexp.MustCompile(`outside|symlink|symbolic link|not a directory`)},
		{name: "etc-host", dockerfile: "FROM probe:{column}-etc-host\n" + `RUN ["/probe","etc-host","exists","/etc/canary"]` + "\n"},
		{name: "users", refusal: unknownUser, dockerfile: "FROM probe:{column}-base\nUSER daemon\n" + `RUN ["/probe","users/none","run"]` + "\n"},
		{name: "users-link", refusal: unknownUser, dockerfile: "FROM probe:{column}-etc-host\nUSER canary\n" + `RUN ["/probe","users/link","run"]` + "\n"},
		{name: "secret", dockerfile: "FROM probe:{column}-base\n" + `RUN --mount=type=secret,id=s ["/probe","secret","wait"]` + "\n", kill: true},
		{name: "race", dockerfile: "FROM probe:{column}-base\n" + `RUN --mount=type=cache,id=race,target=/c ["/probe","race","race","/c","{host}"]` + "\n", race: true},
		{name: "script", dockerfile: scriptSteps},
		{name: "script-pid", refusal: regexp.MustCompile(`no process IDs for \$\$`), dockerfile: "FROM probe:{column}-base\n" +
			`RUN test $$ -lt 300 || echo "+ script/pid"; echo "! script script"` + "\n"},
	}
	for _, n := range []int{3, 4, 5, 6, 7, 8, leakedFD} {
		list = append(list, job{
			name: fmt.Sprintf("fd-%d", n), refusal: regexp.MustCompile(`(?i)no such file|not a directory|outside|invalid|chdir|working directory`),
			dockerfile: fmt.Sprintf("FROM probe:{column}-base\nWORKDIR /proc/self/fd/%d\nRUN [\"/probe\",\"fd/%d\",\"dir\"]\n", n, n),
		})
	}
	for _, at := range []string{"proc", "proc/sys", "proc/1", "sys", "sys/fs/cgroup", "sys/firmware", "dev"} {
		name := "over/" + at
		list = append(list, job{
			name: "over-" + strings.ReplaceAll(at, "/", "-"), refusal: regexp.MustCompile(`/(proc|sys|dev)`),
			dockerfile: "FROM probe:{column}-base\nRUN --mount=type=tmpfs,target=/" + at + ` ["/probe","` + name + `","run"]` + "\n" +
				"RUN --mount=type=tmpfs,target=/" + at + ` ["/probe","` + name + `","files"]` + "\n",
		})
	}
	for _, dir := range systemDirs() {
		for _, kind := range []string{"link", "host", "file"} {
			name := dir + "-" + kind
			list = append(list, job{
				name: name, refusal: regexp.MustCompile(`(?i)directory|link|mount`),
				dockerfile: "FROM probe:{column}-" + name + "\n" + `RUN ["/probe","linked/` + name + `","files"]` + "\n" + processStep("linked/"+name, ""),
			})
		}
	}
	return list
}

// processStep returns a RUN instruction whose step prints the privileges that a process has at
// its start.
func processStep(label, flags string) string {
	return `RUN ` + flags + `["/probe","` + label + `","process","{dev}","{namespaces}"]` + "\n"
}

func baseSteps() string {
	var b strings.Builder
	b.WriteString("FROM probe:{column}-base\n")
	b.WriteString(processStep("root", "--mount=type=cache,target=/run/cache --mount=type=bind,from=probe:{column}-base,target=/run/bind "+
		"--mount=type=bind,from=probe:{column}-base,target=/run/rw,rw --mount=type=tmpfs,target=/run/tmpfs --mount=type=secret,id=s "))
	for _, args := range []string{`"calls"`, `"attempts","{mnt}"`, `"files"`, `"sockets","{abstract}","{port}"`, `"climb","{host}/canary"`, `"exists","{shm}","{host}/canary"`} {
		b.WriteString(`RUN ["/probe","root",` + args + "]\n")
	}
	b.WriteString(`RUN --network=none ["/probe","none","sockets","{abstract}","{port}"]` + "\n" + `RUN --network=none ["/probe","none","files"]` + "\n")
	for _, at := range []struct{ flags, label, dir string }{
		{"", "root", "/tmp"},
		{"", "shm", "/dev/shm"},
		{"", "dev", "/dev"},
		{"--mount=type=cache,target=/m ", "cache", "/m"},
		{"--mount=type=tmpfs,target=/m ", "tmpfs", "/m"},
		{"--mount=type=bind,from=probe:{column}-base,target=/m,rw ", "bind", "/m"},
	} {
		b.WriteString(`RUN ` + at.flags + `["/probe","devices/` + at.label + `","device","` + at.dir + `","{loop}"]` + "\n")
	}
	return b.String()
}

const userSteps = `FROM probe:{column}-base
USER 1000:1000
RUN ["/probe","user","process","{dev}","{namespaces}"]
RUN ["/probe","user","attempts","{mnt}"]
RUN ["/probe","user","files"]
RUN ["/probe","user","climb","{host}/canary"]
RUN ["/setuid-probe","user","euid"]
`

// exeSteps is a Dockerfile that makes the builder execute its own program through
// /proc/self/exe. The builder's program then runs docker, which in this image is a link to the
// probe. The probe finds the builder's program as /proc/1/exe.
const exeSteps = `FROM probe:{column}-exe
RUN ["/proc/self/exe","--version"]
RUN ["/probe","exe","run"]
RUN ["/proc/self/exe","build","--runner","portable","--state","/tmp/state","--load","-t","x","/context"]
`

const linkSteps = `FROM probe:{column}-links
WORKDIR /link/dir
RUN --mount=type=tmpfs,target=/link/tmpfs --mount=type=cache,target=/link/cache --mount=type=secret,id=s,target=/link/secret ["/probe","links","exists","/link/canary"]
`

// scriptSteps is a Dockerfile whose steps consist of shell commands only, so that the portable
// runner can interpret them.
const scriptSteps = `FROM probe:{column}-base
RUN <<EOF
test -e {host}/canary && echo "+ script/see"
cat {host}/canary 2>/dev/null && echo "+ script/read"
for f in {host}/*; do test -f "$f" && echo "+ script/list"; done
mkdir -p {host} && echo x > {host}/new && test -e {host}/canary && echo "+ script/write"
ln -s {host}/canary /tmp/link && cat /tmp/link 2>/dev/null && echo "+ script/link"
cd /../../../.. && test -e {host}/canary && echo "+ script/up"
test -n "$SLIPWAY_PROBE_PLANTED$AWS_SECRET_ACCESS_KEY$SSH_AUTH_SOCK" && echo "+ script/environment"
test "$(echo ~daemon)" = "~daemon" || echo "+ script/users"
echo "! script script"
EOF
`
