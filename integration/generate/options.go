package generate

import (
	"fmt"
	"strings"
)

// capabilities contains LLB capabilities that frontends query and that a builder may lack.
var capabilities = []string{
	"source.image.resolvemode", "source.local.followpaths", "source.local.excludepatterns", "source.local.sharedkeyhint", "source.local.differ",
	"source.git.keepgitdir", "source.git.checksum", "source.git.subdir", "source.http.checksum", "exec.meta.ulimit", "exec.meta.cdi", "exec.meta.cgroup.parent",
	"exec.meta.linux.resources", "exec.mount.bind.readwrite-nooutput", "exec.mount.tmpfs.size", "exec.mount.secret", "exec.mount.ssh", "exec.secretenv",
	"exec.meta.network", "exec.meta.security", "file.base", "file.copy.includeexcludepatterns", "file.copy.requiredpaths", "file.copy.modestring",
	"meta.ignorecache", "meta.description", "mergeop", "exec.meta.setsdefaultpath", "exec.mount.cache.sharing", "platform", "constraints",
	"exec.meta.proxyenv", "source.git.skipsubmodules", "source.git.fetchbycommit", "exec.mount.selector",
}

func (g *generator) platform() string {
	switch g.IntN(12) {
	case 0, 1, 2:
		return "linux/amd64"
	case 3, 4, 5:
		return "linux/arm64"
	case 6, 7:
		return "windows/amd64"
	case 8:
		return "linux/amd64,linux/arm64"
	case 9:
		return g.pick("linux/arm/v7", "linux/amd64,windows/amd64", "windows(10.0.17763.1)/amd64", "linux/arm64/v8,linux/arm64", "linux/s390x", "freebsd/amd64")
	}
	return ""
}

// options adds frontend options that fit the generated Dockerfile.
func (g *generator) options() {
	for range g.IntN(4) {
		g.buildArg()
	}
	if len(g.stages) > 0 && g.chance(6) {
		g.opts["target"] = g.pick(g.pick(g.stages...), strings.ToUpper(g.stages[0]))
	}
	if g.chanceOfError(20) {
		g.opts["target"] = g.pick("base", "build", "DEV", "tools", "stage-0")
	}
	if g.chance(12) {
		g.opts["label:"+g.pick("a", "vendor", "x.y")] = g.pick("1", "", "$A", "a b")
	}
	if g.chance(12) {
		g.opts["no-cache"] = g.pick("", "base", "build,DEV", "stage-0", "x")
	}
	if g.chance(5) {
		g.context()
	}
	for g.chance(4) {
		g.limit()
	}
	if g.chance(12) {
		g.files["context/.dockerignore"] = g.pick("*\n!a\n", "# c\n\n**/x\n", "Dockerfile\n", "a\n!a/b\n", "") + g.invalidText(2, "!\n", "[\n")
	}
}

func (g *generator) buildArg() {
	switch g.IntN(8) {
	case 0:
		g.opts["build-arg:"+g.pick("TARGETPLATFORM", "TARGETOS", "TARGETARCH", "BUILDPLATFORM", "TARGETSTAGE", "PATH")] = g.pick("linux/arm64", "linux", "x", "", "windows/amd64")
	case 1:
		g.opts["build-arg:"+g.pick("HTTP_PROXY", "https_proxy", "NO_PROXY", "No_Proxy", "ALL_PROXY", "ftp_proxy")] = g.pick("http://proxy", "")
	case 2:
		if g.chance(2) {
			g.opts["build-arg:SOURCE_DATE_EPOCH"] = g.pick("0", "1700000000", "", "-1", "007") + g.invalidText(8, "x", "99999999999999999999")
		} else {
			g.opts["build-arg:"+g.pick("BUILDKIT_CACHE_MOUNT_NS", "BUILDKIT_SANDBOX_HOSTNAME", "BUILDKIT_MULTI_PLATFORM", "BUILDKIT_GIT_ADVICE", "BUILDKIT_CONTEXT_KEEP_GIT_DIR", "BUILDKIT_SBOM_SCAN_STAGE")] = g.pick("1", "true", "false", "") + g.invalidText(8, "ns", "host")
		}
	case 3:
		g.opts["build-arg:BASE"] = g.pick("alpine", "scratch", "busybox:1", "base", "") + g.invalidText(12, ":", "/X")
	default:
		g.opts["build-arg:"+g.pick("A", "B", "C", "FOO", "foo", "UNSET")] = g.pick("1", "one two", "", "/dir", "$B", `a"b`, "linux/arm64", "80", "é", "a,b")
	}
}

// context adds a named context to the build. The context replaces a stage or an image, or has a
// name of its own.
func (g *generator) context() {
	name := g.pick("ctx", "files", "base", "alpine", "busybox", "tools", "build", "golang:latest", "alpine:3", "example.com/rich", "nginx")
	name += g.optionalText(5, "::%s", g.pick("linux/amd64", "linux/arm64", "windows/amd64"))
	value := g.pick("docker-image://busybox", "docker-image:golang", "docker-image://scratch", "docker-image://example.com/onbuild", "docker-image://example.com/rich", "docker-image://mcr.microsoft.com/windows/nanoserver",
		"local:dir", "local:dir", "local:dir", "oci-layout://store@sha256:0123456789012345678901234567890123456789012345678901234567890123", "https://host/r.git#main:sub",
		"https://example.com/f.tar", "git://host/r", "docker-image://example.com/onbuild-deps", "docker-image://example.com/nopath", "docker-image://example.com/own", "docker-image://example.com/nolayers")
	if g.chanceOfError(4) {
		value = g.pick("nosuch", "x:y", "local:missing", "docker-image://nosuch", "docker-image://UPPER", "oci-layout://store", "input:none", "target:x", "", "git@host:x", "https://host/r.git?x=y", "docker-image://example.com/onbuild-bad", "docker-image://example.com/badconfig")
	}
	g.opts["context:"+name] = value
	g.files["context.dir/a"] = "a\n"
	if g.chance(4) {
		g.files["context.dir/.dockerignore"] = g.pick("*\n!a\n", "b\n", "!\n")
	}
	if g.chance(6) {
		g.opts["sharedkey:localdir:"+name] = "key"
	}
}

// limit sets a random frontend option that applies to all steps of the build, such as
// hostname or memory. If the build may contain errors, the value may be invalid.
func (g *generator) limit() {
	type option struct{ key, value, bad string }
	list := []option{
		{"hostname", "host", ""},
		{"add-hosts", "a=1.2.3.4,B=::1", "a"},
		{"shm-size", "1000000", "x"},
		{"ulimit", "nofile=1:2,nproc=5", "nosuch=1"},
		{"cgroup-parent", "group", ""},
		{"memory", "1000000", "-5"},
		{"memswap", "-1", "-2"},
		{"cpushares", "5", "-1"},
		{"cpuquota", "7", "x"},
		{"cpusetcpus", "0-2,5", "3-1"},
		{"force-network-mode", g.pick("none", "host", "sandbox"), "x"},
		{"image-resolve-mode", g.pick("default", "pull", "local"), "x"},
		{"multi-platform", g.pick("true", "1", ""), "x"},
		{"cache-imports", `[{"Type":"registry","Attrs":{"ref":"x/y"}}]`, "["},
		{"cache-from", "a/b,c/d", ""},
		{"frontend.caps", "moby.buildkit.frontend.contexts", "nosuch"},
		{"local-sessionid:context", "other", "none"}, // without a session id, local sources get random names
		{"attest:provenance", "mode=max", `"`},
	}
	o := list[g.IntN(len(list))]
	g.opts[o.key] = o.value
	if g.chanceOfError(4) {
		g.opts[o.key] = o.bad
	}
}

// recase returns the instruction s. Sometimes it changes the case of the keyword, the first word
// of s.
func (g *generator) recase(s string) string {
	if !g.chance(12) {
		return s
	}
	for i := range s {
		if s[i] < 'A' || s[i] > 'Z' {
			word := s[:i]
			return fmt.Sprint(g.pick(lower(word), title(word), mixCase(word)), s[i:])
		}
	}
	return s
}
