package builds

import (
	"slices"
	"strings"
)

// options sets random frontend options for the first build. If a RUN instruction mounts a
// secret, it also defines the secret.
func (g *generator) options() {
	for _, s := range g.c.Stages {
		for _, i := range s.Instructions {
			if i.Word == "RUN" && strings.Contains(strings.Join(i.Flags, " "), "type=secret") && !slices.Contains(g.c.Headers, "secret: s=hidden") {
				g.c.Headers = append(g.c.Headers, "secret: s=hidden")
			}
		}
	}
	g.c.Headers = append(g.c.Headers, g.attrs(1)...)
}

// attrs returns random header lines that set frontend options. The probability of each line is
// a few percent, multiplied by factor.
func (g *generator) attrs(factor int) []string {
	var list []string
	stage := g.pick(g.stageNames()...)
	for _, a := range []struct {
		percent int
		attr    string
	}{
		{5, "no-cache="},
		{5, "no-cache=" + stage},
		{8, "target=" + stage},
		{10, "build-arg:A=" + g.words("x y")},
		{4, "build-arg:V=/w"},
		{3, "label:l=v"},
		{2, "hostname=box"},
	} {
		if g.chance(a.percent*factor) && !slices.ContainsFunc(list, func(h string) bool {
			return strings.HasPrefix(h, "attr: no-cache") && strings.HasPrefix(a.attr, "no-cache")
		}) {
			list = append(list, "attr: "+a.attr)
		}
	}
	return list
}

func (g *generator) stageNames() []string {
	var names []string
	for _, s := range g.c.Stages {
		names = append(names, s.Name)
	}
	return names
}

// change adds one Change to the case: random modifications of files, instructions and
// options before the next build.
func (g *generator) change() {
	ch := &Change{}
	g.c.Changes = append(g.c.Changes, ch)
	for range 1 + g.r.IntN(4)/3 {
		g.weighted([]choice{
			{18, func() { g.changeFile(ch) }},
			{14, func() { g.changeMetadata(ch) }},
			{8, func() { g.addFile(ch) }},
			{14, func() { g.removeFile(ch) }},
			{30, func() { g.edit(ch) }},
			{10, func() { ch.Headers = append(ch.Headers, g.attrs(3)...) }},
			{6, func() {}},
		})
	}
}

// unmodified returns the path of a random context file. The parameter kinds lists the
// acceptable kinds of the file, such as "file dir". The result is "" if no such file exists,
// or if the case already has a change to files of the context.
func (g *generator) unmodified(kinds string) string {
	var list []string
	for _, f := range g.c.Files {
		touched := slices.ContainsFunc(g.c.Changes, func(ch *Change) bool {
			return slices.ContainsFunc(ch.Headers, func(h string) bool { return strings.Contains(h, "context/") })
		})
		if !touched && slices.Contains(strings.Fields(kinds), f.Kind) {
			list = append(list, f.Path)
		}
	}
	return g.pick(list...)
}

func (g *generator) changeFile(ch *Change) {
	if path := g.unmodified("file"); path != "" {
		f := &File{Kind: "file", Path: path, Content: g.content() + g.optional(30, " and more") + "\n", Time: g.optional(30, g.time())}
		ch.Files = append(ch.Files, f)
	}
}

func (g *generator) changeMetadata(ch *Change) {
	path := g.unmodified("file file dir")
	if path == "" {
		return
	}
	path = quotePath("context/" + path)
	ch.Headers = append(ch.Headers, g.pick("mode: "+path+" "+g.mode(), "time: "+path+" "+g.time(), "time: "+path+" "+g.time(), "xattr: "+path+" user.n v"))
}

func (g *generator) addFile(ch *Change) {
	path := g.pick("new", "n.md", "zz", "new.txt")
	if dir := g.pick(g.dirs...); dir != "" && g.unmodified("dir") != "" {
		path = dir + "/" + path
	}
	ch.Files = append(ch.Files, &File{Kind: "file", Path: path, Content: g.content() + "\n"})
}

func (g *generator) removeFile(ch *Change) {
	path := g.unmodified("file link dir fifo archive")
	if path == "" {
		return
	}
	header := "remove: " + quotePath("context/"+path)
	if g.chance(50) {
		header = "rename: " + quotePath("context/"+path) + " context/" + g.pick("a-new", "zzz", "f2.txt")
	}
	ch.Headers = append(ch.Headers, header)
}

// edit adds one random edit to the change ch: a new, removed or modified instruction.
func (g *generator) edit(ch *Change) {
	if g.chance(20) {
		ch.Edits = append(ch.Edits, Edit{New: g.instruction()})
		return
	}
	s := g.c.Stages[g.r.IntN(len(g.c.Stages))]
	old := s.Instructions[g.r.IntN(len(s.Instructions))]
	switch {
	case old.isStamp():
	case g.chance(20):
		ch.Edits = append(ch.Edits, Edit{Old: old})
	case old.Word == "RUN" && g.chance(70):
		changed := *old
		changed.Args = slices.Clone(old.Args)
		changed.Args[g.r.IntN(len(changed.Args))] = Arg{Text: g.command()}
		ch.Edits = append(ch.Edits, Edit{Old: old, New: &changed})
	case (old.Word == "COPY" || old.Word == "ADD") && g.chance(70):
		changed := *old
		changed.Flags = g.copyFlags()
		for _, f := range old.Flags {
			if strings.HasPrefix(f, "--from") || f == "--parents" {
				changed.Flags = append(changed.Flags, f)
			}
		}
		ch.Edits = append(ch.Edits, Edit{Old: old, New: &changed})
	}
}
