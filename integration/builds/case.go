package builds

import (
	"fmt"
	"slices"
	"strings"
)

// A Case is a generated build with the builds that follow it.
type Case struct {
	Title   string
	Headers []string // of the first build: "attr: target=x"
	Files   []*File
	Ignore  []string // lines of the ignore file
	Stages  []*Stage
	Changes []*Change // before each further build
}

// A File is an entry of the context.
type File struct {
	Kind    string   // file, dir, link, hard, fifo, socket or archive
	Path    string   // below the context
	Content string   // of a file; the target of a link; the lines of an archive
	Mode    string   // octal; "" is the default
	Time    string   // RFC 3339; "" is the default
	Size    int      // of a file, in place of its content's; 0 is that
	Xattrs  []string // name and value
}

// A Stage is one stage of the Dockerfile.
type Stage struct {
	Name         string
	From         *Instruction
	Instructions []*Instruction
}

// An Instruction is one instruction of the Dockerfile.
type Instruction struct {
	Word    string // COPY, RUN, …
	Flags   []string
	Args    []Arg
	Dest    string // last argument, or ""
	Sep     string // between arguments
	Heredoc bool   // whether each argument is a line of a heredoc
	JSON    bool   // whether the arguments are a JSON array
}

// An Arg is an argument of an instruction.
type Arg struct {
	Text string
	Body string // body of the heredoc that Text starts, or ""
}

// A Change is a set of changes before a further build.
type Change struct {
	Headers []string // without "again: "
	Files   []*File  // added or replaced; their kind is file
	Edits   []Edit
}

// An Edit replaces an instruction. If Old is nil, New is appended to the last
// stage. If New is nil, Old is removed.
type Edit struct{ Old, New *Instruction }

// Text returns the case as an archive of package buildcase.
func (c *Case) Text() []byte {
	var b strings.Builder
	fmt.Fprintln(&b, c.Title)
	for _, h := range c.Headers {
		fmt.Fprintln(&b, h)
	}
	var times []string
	for _, f := range c.Files {
		headers, last := f.headers()
		for _, h := range headers {
			fmt.Fprintln(&b, h)
		}
		times = append(times, last...)
	}
	for _, h := range times {
		fmt.Fprintln(&b, h)
	}
	for i, ch := range c.Changes {
		for _, h := range ch.headers() {
			fmt.Fprintf(&b, "%s: %s\n", again(i), h)
		}
	}
	section(&b, "Dockerfile", c.dockerfile(0))
	if len(c.Ignore) > 0 {
		section(&b, "Dockerfile.dockerignore", strings.Join(c.Ignore, "\n"))
	}
	for _, f := range c.Files {
		switch f.Kind {
		case "file":
			section(&b, "context/"+f.Path, f.Content)
		case "archive":
			section(&b, "archive/context/"+f.Path, f.Content)
		}
	}
	for i, ch := range c.Changes {
		if text := c.dockerfile(i + 1); text != c.dockerfile(i) {
			section(&b, "Dockerfile."+again(i), text)
		}
		for _, f := range ch.Files {
			section(&b, again(i)+"/"+f.Path, f.Content)
		}
	}
	return []byte(b.String())
}

// again returns the name of the build after change i.
func again(i int) string {
	if i == 0 {
		return "again"
	}
	return fmt.Sprintf("again%d", i+1)
}

func section(b *strings.Builder, name, text string) {
	fmt.Fprintf(b, "-- %s --\n%s", name, text)
	if text != "" && !strings.HasSuffix(text, "\n") {
		b.WriteByte('\n')
	}
}

// headers returns the header lines of a file, and the header lines that must
// follow those of all files.
func (f *File) headers() (headers, last []string) {
	path := quotePath("context/" + f.Path)
	switch f.Kind {
	case "dir", "fifo":
		headers = append(headers, fmt.Sprintf("%s: %s %s", f.Kind, path, f.Mode))
	case "link":
		headers = append(headers, fmt.Sprintf("link: %s %s", path, f.Content))
	case "hard":
		headers = append(headers, fmt.Sprintf("hard: %s context/%s", path, f.Content))
	case "socket":
		headers = append(headers, "socket: "+path)
	}
	if f.Size > 0 {
		headers = append(headers, fmt.Sprintf("size: %s %d", path, f.Size))
	}
	if f.Mode != "" && f.Kind == "file" {
		headers = append(headers, fmt.Sprintf("mode: %s %s", path, f.Mode))
	}
	for _, x := range f.Xattrs {
		headers = append(headers, fmt.Sprintf("xattr: %s %s", path, x))
	}
	if f.Time != "" {
		last = append(last, fmt.Sprintf("time: %s %s", path, f.Time))
	}
	return headers, last
}

func (ch *Change) headers() []string {
	list := slices.Clone(ch.Headers)
	for _, f := range ch.Files {
		headers, last := f.headers()
		list = append(list, append(headers, last...)...)
	}
	return list
}

func quotePath(path string) string {
	if strings.Contains(path, " ") {
		return fmt.Sprintf("%q", path)
	}
	return path
}

// dockerfile returns the Dockerfile of a build of the case. The first build is 0.
func (c *Case) dockerfile(build int) string {
	replaced, added := map[*Instruction]*Instruction{}, []*Instruction{}
	for _, ch := range c.Changes[:build] {
		for _, e := range ch.Edits {
			if e.Old == nil {
				added = append(added, e.New)
			} else {
				replaced[e.Old] = e.New
			}
		}
	}
	var b strings.Builder
	write := func(i *Instruction) {
		if n, ok := replaced[i]; ok {
			i = n
		}
		if i != nil {
			b.WriteString(i.String())
		}
	}
	for _, s := range c.Stages {
		write(s.From)
		for _, i := range s.Instructions {
			write(i)
		}
	}
	for _, i := range added {
		write(i)
	}
	return b.String()
}

// isStamp reports whether the instruction makes the stage unique to the case.
func (i *Instruction) isStamp() bool { return strings.HasPrefix(i.Dest, "/.c") }

// String returns the instruction with its heredocs and a final newline.
func (i *Instruction) String() string {
	words := append([]string{i.Word}, i.Flags...)
	var texts, bodies []string
	for _, a := range i.Args {
		texts = append(texts, a.Text)
		if a.Body != "" {
			bodies = append(bodies, a.Body+strings.TrimPrefix(a.Text, "<<")+"\n")
		}
	}
	switch {
	case i.Heredoc:
		return strings.Join(words, " ") + " <<EOF\n" + strings.Join(texts, "\n") + "\nEOF\n"
	case i.JSON:
		if i.Dest != "" {
			texts = append(texts, i.Dest)
		}
		for n, t := range texts {
			texts[n] = fmt.Sprintf("%q", t)
		}
		return strings.Join(words, " ") + " [" + strings.Join(texts, ", ") + "]\n"
	}
	words = append(words, strings.Join(texts, i.Sep))
	if i.Dest != "" {
		words = append(words, i.Dest)
	}
	return strings.Join(words, " ") + "\n" + strings.Join(bodies, "")
}
