package builds

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// dockerfile generates the one to three stages of the case's Dockerfile.
func (g *generator) dockerfile() {
	for n := range 1 + g.r.IntN(3) {
		name := fmt.Sprintf("s%d", n)
		base := g.words("busybox busybox busybox busybox alpine scratch localhost:5000/base/links:1 localhost:5000/base/links:1 localhost:5000/base/odd:1 localhost:5000/base/odd:1 localhost:5000/base/bare:1 localhost:5000/base/configured:1")
		if n > 0 && g.chance(40) {
			base = fmt.Sprintf("s%d", g.r.IntN(n))
		}
		s := &Stage{Name: name, From: instruction("FROM", base, "AS", name)}
		g.c.Stages = append(g.c.Stages, s)
		g.cwd = "/"
		if base[0] != 's' || base == "scratch" {
			s.Instructions = append(s.Instructions, g.stamp())
			g.bases, g.stagePaths = append(g.bases, base), append(g.stagePaths, append(basePaths(base), "/."+g.mark))
			s.Instructions = append(s.Instructions, g.setUp()...)
		} else {
			of := int(base[1] - '0')
			g.bases, g.stagePaths = append(g.bases, g.bases[of]), append(g.stagePaths, slices.Clone(g.stagePaths[of]))
		}
		for range 1 + g.r.IntN(6) {
			i := g.instruction()
			if p := strings.TrimSuffix(i.Dest, "/"); strings.HasPrefix(p, "/") && !strings.Contains(p, "..") {
				g.recordPaths(p)
			}
			s.Instructions = append(s.Instructions, i)
		}
	}
}

func instruction(word string, args ...string) *Instruction {
	i := &Instruction{Word: word, Sep: " "}
	for _, a := range args {
		i.Args = append(i.Args, Arg{Text: a})
	}
	return i
}

// stamp returns a COPY instruction that creates a file with a content unique to the case. Later
// steps of the case therefore cannot use cached results of another case.
func (g *generator) stamp() *Instruction {
	return &Instruction{Word: "COPY", Args: []Arg{{Text: "<<stamp", Body: g.mark + "\n"}}, Dest: "/." + g.mark, Sep: " "}
}

// basePaths returns the paths and patterns with which instructions copy files from a base image,
// such as paths of links and of files with unusual metadata.
func basePaths(base string) []string {
	switch {
	case base == "scratch":
		return nil
	case strings.HasSuffix(base, "bare:1"):
		return []string{"/bin/sh"}
	case strings.HasSuffix(base, "links:1"):
		return strings.Fields("/etc/passwd /data /data/* /data/file /data/hard /work /work/ /abs /chain /nothing /tofile /var/run /lib")
	case strings.HasSuffix(base, "odd:1"):
		return strings.Fields("/etc /sticky /setgid /setgid/* /none /opaque /d /d/ /attrs /kind /closed /dev/odd /a*")
	}
	return strings.Fields("/etc/passwd /etc /etc/* /tmp /bin/sh /home")
}

// setUp returns instructions that create files for later instructions of the stage. Without
// them, most stages would fail.
func (g *generator) setUp() []*Instruction {
	var list []*Instruction
	if strings.HasSuffix(g.base(), "configured:1") && !g.chance(8) {
		list = append(list, instruction("USER", "0"), instruction("SHELL", `["/bin/sh",`, `"-c"]`))
	}
	if g.base() == "scratch" || g.chance(35) {
		return list
	}
	g.recordPaths("/w", "/w/a", "/w/b", "/w/d", "/w/d/e", "/x", "/w/*", "/w/d/", "/w/?")
	return append(list, instruction("RUN", "mkdir -p /w/d/e /x;", "echo "+g.content()+" > /w/a;", "echo "+g.content()+" > /w/b;", g.command()+";",
		g.pick("ln /w/a /w/d/e/h", "ln -s a /w/l", "chmod 750 /w/d", "chown 7:8 /w/b", "ln -s /w/d /w/l; touch /w/d/e/f", "touch -d '2001-02-03 04:05:06' /w/d/e /w/a"), "|| true"))
}

// recordPaths adds paths to the known paths of the current stage, from which later COPY
// instructions choose sources.
func (g *generator) recordPaths(paths ...string) {
	g.stagePaths[len(g.stagePaths)-1] = append(g.stagePaths[len(g.stagePaths)-1], paths...)
}

// base returns the base image of the current stage.
func (g *generator) base() string { return g.bases[len(g.bases)-1] }

// instruction generates a random instruction for the current stage, most often RUN or COPY.
func (g *generator) instruction() (i *Instruction) {
	run := 38
	if g.base() == "scratch" {
		run = 1 // a RUN without a shell always fails
	}
	g.weighted([]choice{
		{30, func() { i = g.copy() }},
		{9, func() { i = g.add() }},
		{run, func() { i = g.run() }},
		{8, func() {
			g.cwd = g.destination()
			i = instruction("WORKDIR", g.cwd)
		}},
		{3, func() { i = instruction("USER", g.words("root 0 7:8 nobody www-data 1000 root:7 0:0 daemon:mail")) }},
		{4, func() { i = instruction("ENV", g.words("A=1 B=x$A HOME=/h A=2 PATH=$PATH:/w D=/x")) }},
		{3, func() { i = instruction("ARG", g.words("A A=arg V=/v B")) }},
		{5, func() { i = g.copyText() }},
		{3, func() {
			i = instruction(g.pick("LABEL a=b", "CMD true", `ENTRYPOINT ["/bin/sh"]`, "EXPOSE 80", "VOLUME /x", "STOPSIGNAL 9", "HEALTHCHECK NONE", `SHELL ["/bin/sh", "-ec"]`, "MAINTAINER m"))
		}},
	})
	return i
}

// destination returns a random destination path for a COPY or ADD, or a directory for
// WORKDIR.
func (g *generator) destination() string {
	own := ""
	switch {
	case strings.HasSuffix(g.base(), "links:1"):
		own = " /abs/ /work/ /work/ /chain/ /nothing/ /above/ /var/run/ /lib/ /data/real/ /abs/n /work/n/"
		own += g.optional(25, " /nothing /work /tofile /loop/ /data/file /data/hard /abs")
	case strings.HasSuffix(g.base(), "odd:1"):
		own = " /sticky/ /setgid/ /closed/ /none/ /opaque/ /setgid/n/ /d/gone"
		own += g.optional(25, " /kind /d /pipe /attrs /dev/odd /opaque/old")
	case strings.HasSuffix(g.base(), "bare:1"):
		own = " /dev/ /proc/ /tmp/ /etc/ /sys/"
	}
	return g.words("/ ./ /x/ /x/ /x/ /d/ d/ /new/deep/ /new/deep/ /etc/ /tmp/ /w/ /w/ /w/n/ /w/d/ /y/ /y/z/" + g.optional(30, " . /x /d /new/deep /new/f /x/a /x/d /w /w/l /w/l/ d l /l /l/ /x/../y/ $D/ /w/b") + own)
}

// copyFlags returns random flags that COPY and ADD share.
func (g *generator) copyFlags() []string {
	var list []string
	if g.chance(15) {
		list = append(list, "--chown="+g.words("7:8 7 0 0:5 1000:1000"))
		if g.base() != "scratch" && !strings.HasSuffix(g.base(), "bare:1") && g.chance(40) {
			return []string{"--chown=" + g.words("root nobody:mail daemon www-data:0")}
		}
	}
	if g.chance(15) {
		list = append(list, "--chmod="+g.words("600 755 4711 0 1777 u+x go-rwx a=rX u=rwX,go=rX g+s 644"))
	}
	if g.chance(18) {
		list = append(list, "--link", "--exclude=."+g.mark) // a linked copy ignores the stamp of its stage, so an exclude makes it unique
	}
	if g.chance(12) {
		list = append(list, "--exclude="+g.words("*.md **/b d a d/* **/a !a ** *.txt **/e .hid"))
	}
	return list
}

// sources returns random sources for a COPY or ADD. Most are paths of files in the context, or
// patterns that match such files.
func (g *generator) sources() []string {
	var list []string
	for range 1 + g.r.IntN(3)*g.r.IntN(2) {
		p := g.pick(g.paths...)
		if strings.ContainsAny(p, "[*") {
			p = g.pick("*", strings.NewReplacer("[", "[[]", "*", `\*`).Replace(p))
		}
		list = append(list, g.pick(p, p, p, p, p, p, p, "*", ".", "./"+p, "/"+p, "d/../"+p, path.Dir(p), path.Dir(p)+"/*", path.Join(path.Dir(p), "?*"), p[:max(0, len(p)-1)]+"?"))
		if g.chance(3) {
			list[len(list)-1] = g.pick("missing*", "missing", p+"/", "*/", "[a-c]", "*.*", "?", "**/a", "..")
		}
	}
	return list
}

// stageSources returns random sources for a COPY --from the stage with the given number. Most
// of them exist in the stage.
func (g *generator) stageSources(stage int) []string {
	list := []string{g.pick(g.stagePaths[stage]...)}
	if g.chance(20) {
		list = append(list, g.pick(g.stagePaths[stage]...))
	}
	if g.chance(7) {
		list = append(list, g.words("/x /w /w/l /w/l/ /x/a w d /tmp /data /missing* / . /w/[a-d]"))
	}
	return list
}

// copy generates a COPY instruction. It copies random files from the context, an earlier
// stage or an image.
func (g *generator) copy() *Instruction {
	i := &Instruction{Word: "COPY", Flags: g.copyFlags(), Dest: g.destination(), Sep: " "}
	var sources []string
	switch {
	case len(g.c.Stages) > 1 && g.chance(45):
		from := g.r.IntN(len(g.c.Stages) - 1)
		i.Flags = append(i.Flags, "--from="+g.c.Stages[from].Name)
		sources = g.stageSources(from)
	case g.chance(6):
		image := "localhost:5000/base/" + g.pick("links:1", "odd:1")
		i.Flags = append(i.Flags, "--from="+image)
		sources = []string{g.pick(basePaths(image)...)}
	default:
		sources = g.sources()
	}
	if g.chance(10) {
		i.Flags = append(i.Flags, "--parents")
		if g.chance(30) {
			sources[0] = g.pick("d/./e", "./d/", "*/*", "**/a", "d/e/./*", "./*/./*", "x/./a", "**", "w/./d", "./w/d/./e")
		}
	}
	g.setSources(i, sources)
	return i
}

// setSources adds sources to the arguments of the COPY or ADD instruction i. If the sources
// require it, setSources selects the JSON form and adds a slash to the destination.
func (g *generator) setSources(i *Instruction, sources []string) {
	for _, s := range sources {
		i.JSON = i.JSON || strings.Contains(s, " ")
		i.Args = append(i.Args, Arg{Text: s})
	}
	if len(sources) > 1 && !strings.HasSuffix(i.Dest, "/") && !g.chance(10) {
		i.Dest += "/"
	}
}

// copyText generates a COPY instruction whose sources are heredocs.
func (g *generator) copyText() *Instruction {
	i := &Instruction{Word: g.pick("COPY", "ADD"), Flags: g.copyFlags(), Dest: g.destination(), Sep: " "}
	for n := range 1 + g.r.IntN(2) {
		i.Args = append(i.Args, Arg{Text: fmt.Sprintf("<<t%d", n), Body: g.content() + " $A\n"})
	}
	if len(i.Args) > 1 && !strings.HasSuffix(i.Dest, "/") {
		i.Dest += "/"
	}
	return i
}

// add generates an ADD instruction with random flags and sources, usually an archive.
func (g *generator) add() *Instruction {
	i := &Instruction{Word: "ADD", Flags: g.copyFlags(), Dest: g.destination(), Sep: " "}
	sources := g.sources()
	if a := g.existing("archive"); a != "" && g.chance(80) {
		sources = []string{a}
		if g.chance(15) {
			sources = append(sources, "*.tar")
		}
	}
	if g.chance(8) {
		i.Flags = append(i.Flags, "--unpack="+g.words("true false"))
	}
	g.setSources(i, sources)
	return i
}
