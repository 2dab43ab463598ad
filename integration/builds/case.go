package builds

import (
	"fmt"
	"slices"
	"strings"
)

// A Case is a generated test case: the input of a first build, and the changes before each
// further build.
type Case struct {
	Title   string
	Headers []string // header lines for the first build, for example "attr: target=x"
	Files   []*File
	Ignore  []string // lines of the .dockerignore file
	Stages  []*Stage
	Changes []*Change // changes before each further build
}

// A File is a generated entry of the build context: a file, directory, link, named pipe,
// socket or archive.
type File struct {
	Kind    string   // file, dir, link, hard, fifo, socket or archive
	Path    string   // path relative to the context
	Content string   // content of a file, target of a link, or lines of an archive
	Mode    string   // octal digits; "" for the default
	Time    string   // modification time in RFC 3339; "" for the default
	Size    int      // size of a file in bytes; 0 for the size of Content
	Xattrs  []string // "name value" pairs
}

// A Stage is a build stage: a FROM and the instructions that follow it.
type Stage struct {
	Name         string
	From         *Instruction
	Instructions []*Instruction
}

// An Instruction is one instruction of a generated Dockerfile, in parts that can be changed
// or removed separately.
type Instruction struct {
	Word    string // keyword: COPY, RUN, …
	Flags   []string
	Args    []Arg
	Dest    string // last argument of a COPY or ADD; "" otherwise
	Sep     string // separator between arguments
	Heredoc bool   // set if each argument is a line of a heredoc
	JSON    bool   // set if the arguments are a JSON array
}

// An Arg is one argument of a generated instruction, with its heredoc body if it starts a
// heredoc.
type Arg struct {
	Text string
	Body string // body of the heredoc that Text starts; "" if Text starts no heredoc
}

// A Change contains the modifications of headers, files and instructions before the second or
// third build of a case.
type Change struct {
	Headers []string // header lines without the prefix "again: "
	Files   []*File  // added or replaced regular files
	Edits   []Edit
}

// An Edit replaces instruction Old with New. If Old is nil, New is appended to the last stage.
// If New is nil, Old is removed.
type Edit struct{ Old, New *Instruction }

// Text returns the case in the format of package buildcase.
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
			fmt.Fprintf(&b, "%s: %s\n", buildName(i), h)
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
			section(&b, "Dockerfile."+buildName(i), text)
		}
		for _, f := range ch.Files {
			section(&b, buildName(i)+"/"+f.Path, f.Content)
		}
	}
	return []byte(b.String())
}

// buildName returns the name of the build after change i: again, again2, …
func buildName(i int) string {
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

// headers returns the header lines that create the context file f. The second result contains
// the header lines that set the time of the file. These lines must follow the headers of all
// files, because creating other files could change the time.
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

// dockerfile returns the Dockerfile for a build. Build 0 is the first one, and build n follows
// change n-1.
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

// isStamp reports whether i is the instruction that creates the stamp file. The content of
// this file is unique to the case, so that different cases share no cached stages.
func (i *Instruction) isStamp() bool { return strings.HasPrefix(i.Dest, "/.c") }

// String returns the instruction in Dockerfile syntax, with its heredocs and a final newline.
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
