package builds

import (
	"fmt"
	"strings"
)

// run generates a RUN instruction with one to five random commands, and sometimes with
// mounts.
func (g *generator) run() *Instruction {
	i := &Instruction{Word: "RUN", Sep: "; ", Heredoc: g.chance(15)}
	if g.chance(4) {
		i.Sep = " && "
	}
	var commands []string
	if g.chance(30) {
		commands = g.mounts(i)
	}
	for range 1 + g.r.IntN(5) {
		commands = append(commands, g.command())
	}
	if i.Sep == "; " || i.Heredoc {
		commands = append(commands, "true") // the step succeeds even if a command fails
	}
	for _, c := range commands {
		i.Args = append(i.Args, Arg{Text: c})
	}
	return i
}

// file returns a random path for use in a shell command.
func (g *generator) file() string {
	own := ""
	switch {
	case strings.HasSuffix(g.base(), "links:1"):
		own = " /abs/q /work/q /work /data/file /data/hard /data/real /tofile /var/run/q /nothing"
	case strings.HasSuffix(g.base(), "odd:1"):
		own = " /sticky /setgid /setgid/suid /closed /none/f /kind /opaque /opaque/new /d/kept /attrs /d"
	}
	return g.words("/w /w/a /w/a /w/b /w/b /w/c /w/d /w/d /w/d/e /w/d/e/f /w/l /w/l/q /x /x/a /x/d /d /l /r r r/s /etc/c /tmp/t /new/deep /new/f ." + own)
}

// command generates a random shell command that creates, changes, removes or lists files.
func (g *generator) command() string {
	p, q := g.file(), g.file()
	return g.pick(
		"mkdir -p "+p, "mkdir -p /w/d/e "+p, "mkdir -m "+g.mode()+" "+p, "mkdir -p /w /x",
		"echo "+g.content()+" > "+p, "echo "+g.content()+" > "+p, "echo more >> "+p, "printf '' > "+p, "printf x > "+p,
		"rm -rf "+p, "rm -rf "+p, "rm -f "+p, "rmdir "+p, "rm -rf "+p+" && mkdir -p "+p, "rm -rf "+p+" && echo "+g.content()+" > "+p,
		"mv "+p+" "+q, "mv "+p+" "+q, "mv "+p+" /w/tmp && mv /w/tmp "+p, "cp -a "+p+" "+q, "cp "+p+" "+q, "cp -r "+p+"/. "+q,
		"ln "+p+" "+q, "ln -f "+p+" "+q, "ln "+p+" "+q+" && echo more >> "+q, "ln -s "+q+" "+p, "ln -sfn "+g.words("a d ../x /w /etc nowhere")+" "+p,
		"chmod "+g.mode()+" "+p, "chmod -R go-w "+p, "chmod u+s,g+s "+p, "chown "+g.words("7:8 1000 0:0 nobody :5")+" "+p, "chown -h 7:8 "+p, "chown -R 3:4 "+p,
		"touch -d '"+g.shellTime()+"' "+p, "touch -d '"+g.shellTime()+"' "+p+" "+q, "touch -h -d '"+g.shellTime()+"' "+p, "touch "+p, "touch -r "+p+" "+q,
		"mkfifo /w/pipe", "mkfifo -m 600 /x/pipe; chown 7:8 /x/pipe", "mknod "+p+" c 1 3", "mknod "+p+" b 7 0", "truncate -s "+g.words("0 5 70000")+" "+p,
		"cat "+p+" >> "+q, "sed -i s/c/C/ "+p, "cd "+p, "umask "+g.words("077 002 0"),
		"for i in 1 2 3; do echo $i > "+p+"$i; done", "find "+p+" -type f -exec chmod a+r {} +",
		"tar cf - -C "+otherDir(p, q)+" . | tar xf - -C "+q, "stat -c '%n %F %a %u:%g' "+p+" "+q+" > /stat", "[ -f "+p+" ] && stat -c %h "+p+" > /links",
		"ls -1A "+p+" > /list", "readlink -f "+p+" > /real", "test -e "+p+" && echo yes > /is",
		g.pick("env | grep -v -e ^OTEL -e ^TRACE | sort > /env", "id > /id", "pwd > /pwd", "umask > /umask", "echo $A-$B > /vars", "grep Cap /proc/self/status > /caps", "echo me:x:7:8::/me:/bin/sh >> /etc/passwd", "ulimit -n > /limit", "ls -1 /dev | grep -v otel > /devs", "ls -1A / > /top"),
	)
}

// otherDir returns a directory for a shell command that reads this directory and writes the
// file with the path other. The result is dir, unless other is below dir. In this case, the
// command would read its own output, which is random, and the result is /bin.
func otherDir(dir, other string) string {
	if dir == "." || strings.HasPrefix(other+"/", dir+"/") {
		return "/bin"
	}
	return dir
}

func (g *generator) shellTime() string {
	return g.pick("2001-02-03 04:05:06", "1999-12-31 23:59:59", "2015-06-07 08:09:10", "1970-01-01 00:00:00")
}

// mounts adds random mounts to instruction i. It returns commands that use these mounts.
func (g *generator) mounts(i *Instruction) (commands []string) {
	for n := range 1 + g.r.IntN(5)/4 {
		at := g.pick(fmt.Sprintf("/m%d", n), fmt.Sprintf("/m%d", n), "/w/m", "/x/m/n", "/etc/m", "/w/d", "m")
		switch g.words("bind bind bind cache cache tmpfs secret") {
		case "bind":
			commands = append(commands, g.bind(i, at)...)
		case "cache":
			commands = append(commands, g.cache(i, at)...)
		case "tmpfs":
			i.Flags = append(i.Flags, "--mount=type=tmpfs,target="+at+g.optional(20, ",size=1m"))
			commands = append(commands, "echo x > "+at+"/gone", "ls -1A "+at+" > /tmpfs")
		case "secret":
			commands = append(commands, g.secret(i, at)...)
		}
	}
	return commands
}

func (g *generator) bind(i *Instruction, at string) []string {
	flag, source := "--mount=type=bind,target="+at, ""
	switch {
	case len(g.c.Stages) > 1 && g.chance(50):
		flag += ",from=" + g.c.Stages[g.r.IntN(len(g.c.Stages)-1)].Name
		source = g.words("/w /x /w/d /etc /w/a /d / /etc/passwd")
	case g.chance(8):
		flag += ",from=localhost:5000/base/links:1"
		source = g.words("/data /work /abs /data/file")
	default:
		source = g.pick(g.paths...)
		if g.chance(50) {
			source = g.pick(g.dirs...)
		}
		if strings.ContainsAny(source, `", *[`) {
			source = ""
		}
	}
	if source != "" {
		flag += ",source=" + source
	}
	i.Flags = append(i.Flags, flag+g.optional(35, ",rw"))
	return []string{
		g.pick("ls -1A "+at+" > /seen", "find "+at+" -type f | sort | xargs -r cat > /seen", "cp -a "+at+" /w/copied", "cp -a "+at+"/. "+g.file(), "[ -f "+at+" ] && cat "+at+" > /seen", "stat -c '%F %a %u:%g' "+at+" > /seen"),
		g.pick("true", "touch "+at+"/z", "rm -rf "+at+"/a", "chmod 700 "+at, "echo x > "+at+"/n/z", "mv "+at+"/a "+at+"/zz"),
	}
}

func (g *generator) cache(i *Instruction, at string) []string {
	stage := g.c.Stages[len(g.c.Stages)-1].Name
	flag := "--mount=type=cache,target=" + at
	flag += ",id=" + g.mark + stage + g.words("p q")
	flag += g.optional(40, ",sharing="+g.words("shared private locked"))
	flag += g.optional(15, ",mode="+g.words("0700 1777 0750")) + g.optional(15, ",uid=7") + g.optional(10, ",gid=8")
	if len(g.c.Stages) > 1 && g.chance(15) {
		flag += ",from=" + g.c.Stages[g.r.IntN(len(g.c.Stages)-1)].Name + ",source=" + g.words("/w /x /etc")
	}
	i.Flags = append(i.Flags, flag+g.optional(8, ",ro"))
	return []string{
		"echo x >> " + at + "/log", "wc -l < " + at + "/log > /lines",
		g.pick("true", "stat -c '%a %u:%g' "+at+" > /seen", "ls -1A "+at+" > /seen", "mkdir -p "+at+"/d", "ln -s /etc "+at+"/l"),
	}
}

func (g *generator) secret(i *Instruction, at string) []string {
	flag := "--mount=type=secret,id=" + g.words("s s s other")
	if g.chance(40) {
		flag += ",env=A"
		i.Flags = append(i.Flags, flag)
		return []string{"echo $A > /seen"}
	}
	flag += g.optional(60, ",target="+at) + g.optional(20, ",mode=0444") + g.optional(20, ",uid=7") + g.optional(5, ",required=true")
	i.Flags = append(i.Flags, flag)
	return []string{"cat " + at + " /run/secrets/s > /seen 2> /dev/null", "stat -c '%F %a %u:%g' " + at + " > /of 2> /dev/null"}
}
