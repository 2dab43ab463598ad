package lsp

import "strings"

// entry is a keyword or a flag with its description.
type entry struct{ name, text string }

// keywords returns the instructions with their descriptions.
func keywords() []entry {
	return []entry{
		{"ADD", "**ADD** *source… destination* copies files, downloads URLs, clones git repositories and unpacks archives into the image."},
		{"ARG", "**ARG** *name[=default]…* declares build arguments. They are variables up to the end of the stage, and are no part of the image's environment."},
		{"CMD", "**CMD** *command* sets the default command of containers, or the default arguments of the ENTRYPOINT. Only the last CMD of a stage counts."},
		{"COPY", "**COPY** *source… destination* copies files from the build context or, with `--from`, from a stage, an image or a named context."},
		{"ENTRYPOINT", "**ENTRYPOINT** *command* sets the program that containers run. Arguments of `docker run` follow the exec form; the shell form ignores them."},
		{"ENV", "**ENV** *name=value…* sets environment variables for later instructions and for containers."},
		{"EXPOSE", "**EXPOSE** *port[/protocol]…* documents the ports on which containers listen. It publishes none of them."},
		{"FROM", "**FROM** *image [AS name]* starts a stage with an image, an earlier stage or `scratch` as its base."},
		{"HEALTHCHECK", "**HEALTHCHECK** *[flags]* CMD *command* tests regularly whether a container works. `HEALTHCHECK NONE` removes the test of the base."},
		{"LABEL", "**LABEL** *key=value…* adds metadata to the image."},
		{"MAINTAINER", "**MAINTAINER** *text* sets the author of the image. It is deprecated: use `LABEL org.opencontainers.image.authors=…`."},
		{"ONBUILD", "**ONBUILD** *instruction* stores an instruction, which runs in builds that start FROM this image."},
		{"RUN", "**RUN** *command* executes a command and adds the changed files to the image."},
		{"SHELL", "**SHELL** *[\"program\", \"argument\"…]* sets the shell for later RUN, CMD and ENTRYPOINT in the shell form."},
		{"STOPSIGNAL", "**STOPSIGNAL** *signal* sets the signal that asks containers to stop, such as `SIGTERM`."},
		{"USER", "**USER** *name[:group]* sets the user for later RUN and for containers. A number needs no entry in `/etc/passwd`."},
		{"VOLUME", "**VOLUME** *path…* declares directories whose content containers keep outside of the image."},
		{"WORKDIR", "**WORKDIR** *path* sets the working directory, and creates it. A relative path starts at the current one."},
	}
}

// keywordText returns the description of an instruction, or "".
func keywordText(keyword string) string {
	for _, k := range keywords() {
		if k.name == keyword {
			return k.text
		}
	}
	return ""
}

// referenceURL returns the address of the reference of an instruction.
func referenceURL(keyword string) string {
	return "https://docs.docker.com/reference/dockerfile/#" + strings.ToLower(keyword)
}

// flags returns the flags of an instruction. The names of flags that need a value end with =.
func flags(keyword string) []entry {
	chown := entry{"chown=", "the owner of the copied files: `USER[:GROUP]`, names or numbers"}
	chmod := entry{"chmod=", "the mode of the copied files, octal or symbolic"}
	link := entry{"link", "copy into a layer of its own, which stays valid if the layers below change"}
	exclude := entry{"exclude=", "a pattern of files that are not copied; may be repeated"}
	switch keyword {
	case "ADD":
		return []entry{
			chown, chmod, link, exclude,
			{"checksum=", "the digest of the downloaded file, or the commit of the repository"},
			{"keep-git-dir=", "whether to keep the directory `.git` of a repository"},
			{"unpack=", "whether to unpack archives"},
		}
	case "COPY":
		return []entry{{"from=", "the stage, image or named context to copy from"}, chown, chmod, link, exclude, {"parents", "keep the directories of the sources"}}
	case "FROM":
		return []entry{{"platform=", "the platform of the image, such as `linux/arm64` or `$BUILDPLATFORM`"}}
	case "HEALTHCHECK":
		return []entry{
			{"interval=", "the time between two tests"},
			{"timeout=", "the time after which a test has failed"},
			{"start-period=", "the time after the start in which failures do not count"},
			{"start-interval=", "the time between two tests in the start period"},
			{"retries=", "the number of failures after which the container is unhealthy"},
		}
	case "RUN":
		return []entry{
			{"mount=", "files that are only there while the command runs: `type=bind`, `cache`, `tmpfs`, `secret` or `ssh`"},
			{"network=", "the network of the command: `default`, `none` or `host`"},
			{"security=", "the privileges of the command: `sandbox` or `insecure`"},
			{"device=", "the CDI device that the command may use"},
		}
	}
	return nil
}

// flagText returns the description of a flag, or "".
func flagText(keyword, name string) string {
	for _, f := range flags(keyword) {
		if strings.TrimSuffix(f.name, "=") == name {
			return f.text
		}
	}
	return ""
}

// mountKeys returns the keys of --mount with a type.
func mountKeys(kind string) []entry {
	target := entry{"target=", "the path in the container"}
	from := entry{"from=", "the stage, image or named context that has the files"}
	source := entry{"source=", "the path in the mounted files"}
	id := entry{"id=", "the name of the mount"}
	owner := []entry{{"mode=", "the mode of the file or directory"}, {"uid=", "the user that owns it"}, {"gid=", "the group that owns it"}}
	switch kind {
	case "", "bind":
		return []entry{target, source, from, {"readwrite", "let the command write; the changes are discarded"}}
	case "cache":
		return append([]entry{target, id, {"sharing=", "whether builds use it at the same time: `shared`, `private` or `locked`"}, from, source, {"readonly", "do not let the command write"}}, owner...)
	case "tmpfs":
		return []entry{target, {"size=", "the maximum number of bytes"}}
	case "secret":
		return append([]entry{id, target, {"env=", "the variable that holds the secret"}, {"required", "fail if the build has no such secret"}}, owner...)
	case "ssh":
		return append([]entry{id, target, {"required", "fail if the build has no such agent"}}, owner...)
	}
	return nil
}
