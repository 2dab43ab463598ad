package lsp

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"slipway/lint"
	"slipway/parser"
)

// maxItems is the maximum number of names that an answer offers.
const maxItems = 200

// completer collects what may stand at a position.
type completer struct {
	snap   *snapshot
	names  *index
	offset int
	start  int      // the offset of the logical line
	words  []string // the words of the logical line before the cursor, without ONBUILD
	word   string   // the word at the cursor, up to the cursor
	list   completionList
}

// completion returns what may stand at a position.
func (s *server) completion(ctx context.Context, snap *snapshot, p positionParams) (any, error) {
	c := &completer{snap: snap, names: snap.names(ctx), offset: snap.mapper.offset(p.Position)}
	c.list.Items = []completionItem{}
	if h, expands := c.heredoc(); h {
		if expands {
			c.word = lastWord(string(snap.file.Bytes[:c.offset]))
			c.start = c.offset
			c.variables(false)
		}
		return c.list, nil
	}
	if c.line() {
		c.complete()
	} else {
		c.pragma(ctx)
	}
	return c.list, nil
}

// heredoc reports whether the cursor is in a heredoc, and whether a builder expands variables
// there.
func (c *completer) heredoc() (in, expands bool) {
	i, h := heredocAt(c.names.file, c.offset)
	return h != nil, h != nil && h.Expand && lowerKeyword(i) != "run"
}

// heredocAt returns the heredoc that contains an offset, with its instruction, or nil.
func heredocAt(f *lint.File, offset int) (*parser.Instruction, *parser.Heredoc) {
	if f.Syntax == nil {
		return nil, nil
	}
	for _, in := range f.Syntax.Instructions() {
		for i := range in.Heredocs {
			if h := &in.Heredocs[i]; h.Body.Start <= offset && offset < h.End.End {
				return in, h
			}
		}
	}
	return nil, nil
}

// line splits the logical line before the cursor. It returns false if the cursor is in a comment.
func (c *completer) line() bool {
	text, escape := c.snap.file.Bytes[:c.offset], `\`
	if syntax := c.names.file.Syntax; syntax != nil {
		escape = string(syntax.Escape)
	}
	lines := strings.Split(strings.TrimPrefix(string(text), "\ufeff"), "\n")
	last := len(lines) - 1
	if strings.HasPrefix(strings.TrimSpace(lines[last]), "#") {
		return false
	}
	joined := lines[last]
	c.start = c.offset - len(joined)
	length := 0 // of the lines above that were read
	for i := last - 1; i >= 0; i-- {
		length += len(lines[i]) + 1
		trimmed := strings.TrimSpace(lines[i])
		if strings.HasPrefix(trimmed, "#") {
			continue
		}
		before, ok := strings.CutSuffix(trimmed, escape)
		if !ok {
			break
		}
		joined = before + " " + joined
		c.start = c.offset - len(lines[last]) - length
	}
	c.word = lastWord(joined)
	c.words = strings.Fields(strings.TrimSuffix(joined, c.word))
	for len(c.words) > 0 && strings.EqualFold(c.words[0], "onbuild") {
		c.words = c.words[1:]
	}
	return true
}

// lastWord returns the text after the last white space.
func lastWord(s string) string { return s[strings.LastIndexAny(s, " \t\n\r")+1:] }

// complete offers what may stand at the cursor.
func (c *completer) complete() {
	if len(c.words) == 0 {
		c.keywords()
		return
	}
	keyword := strings.ToUpper(c.words[0])
	switch keyword {
	case "SHELL", "MAINTAINER":
		return
	}
	if c.variables(keyword == "FROM") {
		return
	}
	args := 0
	for _, w := range c.words[1:] {
		if args > 0 || !strings.HasPrefix(w, "--") {
			args++
		}
	}
	if args == 0 && strings.HasPrefix(c.word, "-") {
		c.flag(keyword)
		return
	}
	c.argument(keyword, args)
}

// argument offers the arguments of an instruction. args is the number of arguments before the
// cursor.
func (c *completer) argument(keyword string, args int) {
	switch keyword {
	case "FROM":
		switch {
		case args == 0:
			c.stages(c.word, true)
		case args == 1:
			c.add(c.word, completesKeyword, entry{c.cased("AS"), "the name of the stage follows"})
		}
	case "COPY", "ADD":
		if !slices.ContainsFunc(c.words, func(w string) bool { return strings.HasPrefix(w, "--from") }) {
			c.paths(strings.TrimLeft(c.word, `["`))
		}
	case "INCLUDE":
		c.includes()
	case "UNSET":
		if args == 0 {
			for _, part := range unsetParts() {
				c.add(c.word, completesKeyword, entry{name: c.cased(part)})
			}
		}
	case "HEALTHCHECK":
		if args == 0 {
			c.add(c.word, completesKeyword, entry{c.cased("CMD"), "the command of the test follows"}, entry{c.cased("NONE"), "no test"})
		}
	case "STOPSIGNAL":
		for _, name := range []string{"SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGWINCH"} {
			c.add(c.word, completesValue, entry{name: name})
		}
	}
}

// add offers names that replace the text typed before the cursor.
func (c *completer) add(typed string, kind int, entries ...entry) {
	for _, e := range entries {
		if len(c.list.Items) == maxItems {
			c.list.IsIncomplete = true
			return
		}
		item := completionItem{Label: e.name, Kind: kind, SortText: fmt.Sprintf("%04d", len(c.list.Items))}
		item.TextEdit = textEdit{Range: c.snap.spanRange(span{c.offset - len(typed), c.offset}), NewText: e.name}
		if e.text != "" {
			m := markdown(e.text)
			item.Documentation = &m
		}
		c.list.Items = append(c.list.Items, item)
	}
}

// cased returns a keyword in the case of the file.
func (c *completer) cased(keyword string) string {
	syntax := c.names.file.Syntax
	if syntax == nil {
		return keyword
	}
	if list := syntax.Instructions(); len(list) > 0 && list[0].Keyword.String() == lowerKeyword(list[0]) {
		return strings.ToLower(keyword)
	}
	return keyword
}

// keywords offers the instructions that are allowed at the cursor.
func (c *completer) keywords() {
	onbuild := strings.Contains(strings.ToLower(string(c.snap.file.Bytes[c.start:c.offset-len(c.word)])), "onbuild")
	for _, k := range append(keywords(), c.names.extensions()...) {
		switch {
		case c.stage() == nil && !slices.Contains([]string{"FROM", "ARG", "LET", "INCLUDE"}, k.name):
		case onbuild && slices.Contains([]string{"FROM", "ONBUILD", "MAINTAINER", "LET", "INCLUDE", "UNSET"}, k.name):
		default:
			c.add(c.word, completesKeyword, entry{c.cased(k.name), k.text})
		}
	}
}

// stage returns the stage of the logical line, or nil above the first FROM.
func (c *completer) stage() *lint.Stage {
	var found *lint.Stage
	for _, st := range c.names.file.Stages {
		if !st.Orphan && !st.Foreign && st.Syntax.From.In.Rng.Start < c.start {
			found = st
		}
	}
	return found
}

// stages offers the stages before the one of the cursor. If from is set, the cursor is in a FROM,
// which may use the stage above it, an image or scratch.
func (c *completer) stages(typed string, from bool) {
	current := c.stage()
	var images []entry
	for _, st := range c.names.file.Stages {
		if st.Orphan || !st.Foreign && st.Syntax.From.In.Rng.Start >= c.start || st == current && !from {
			continue
		}
		base := st.Syntax.From.Base.Value
		if name := st.Syntax.Name; name != "" {
			if !from {
				name = st.Syntax.From.Name.Value // only FROM compares the case
			}
			c.add(typed, completesModule, entry{name, "stage FROM " + code(base)})
		}
		image := entry{base, "image that the file uses"}
		if st.Base == nil && base != "scratch" && !strings.Contains(base, "$") && !slices.Contains(images, image) {
			images = append(images, image)
		}
	}
	if from {
		c.add(typed, completesValue, entry{"scratch", "the empty image"})
	}
	c.add(typed, completesValue, images...)
}

// flag offers flags and their values.
func (c *completer) flag(keyword string) {
	name, value, ok := strings.Cut(strings.TrimLeft(c.word, "-"), "=")
	if !ok {
		for _, f := range c.names.flags(keyword) {
			repeats := f.name == "mount=" || f.name == "exclude=" || f.name == "device="
			given := func(w string) bool { return strings.HasPrefix(w+"=", "--"+strings.TrimSuffix(f.name, "=")+"=") }
			if repeats || !slices.ContainsFunc(c.words, given) {
				c.add(c.word, completesProperty, entry{"--" + f.name, f.text})
			}
		}
		return
	}
	values := func(list ...string) {
		for _, v := range list {
			c.add(value, completesValue, entry{name: v})
		}
	}
	switch keyword + " " + name {
	case "COPY from":
		c.stages(value, false)
	case "FROM platform":
		values("$BUILDPLATFORM", "$TARGETPLATFORM", "linux/amd64", "linux/arm64")
	case "RUN network":
		values("default", "none", "host")
	case "RUN security":
		values("sandbox", "insecure")
	case "RUN mount":
		c.mount(value)
	}
}

// mount offers the keys and values of --mount, whose value up to the cursor is given.
func (c *completer) mount(value string) {
	fields := strings.Split(value, ",")
	last := fields[len(fields)-1]
	given := map[string]string{}
	for _, f := range fields[:len(fields)-1] {
		key, value, _ := strings.Cut(f, "=")
		given[key] = value
	}
	key, typed, ok := strings.Cut(last, "=")
	if !ok {
		if _, has := given["type"]; !has {
			c.add(last, completesProperty, entry{"type=", "the type of the mount; without it, bind"})
		}
		for _, k := range mountKeys(given["type"]) {
			if _, has := given[strings.TrimSuffix(k.name, "=")]; !has {
				c.add(last, completesProperty, k)
			}
		}
		return
	}
	switch key {
	case "type":
		c.add(typed, completesValue,
			entry{"bind", "files of the build context, a stage or an image"}, entry{"cache", "a directory that stays between builds"},
			entry{"tmpfs", "an empty directory in memory"}, entry{"secret", "a secret of the build"}, entry{"ssh", "an agent with SSH keys"})
	case "from":
		c.stages(typed, false)
	case "sharing":
		c.add(typed, completesValue, entry{"shared", "builds use it at the same time"}, entry{"private", "each build has its own"}, entry{"locked", "builds wait for each other"})
	case "source", "src":
		if _, has := given["from"]; !has && (given["type"] == "" || given["type"] == "bind") {
			c.paths(typed)
		}
	}
}

// paths offers the files of the build context in the directory that is typed.
func (c *completer) paths(typed string) {
	listing := c.snap.rules.Options.Listing
	files, ok := listing.Files()
	if !ok {
		return
	}
	slash := strings.LastIndexByte(typed, '/') + 1
	dir := path.Join(".", strings.TrimLeft(path.Clean("/"+typed[:slash]), "/"))
	for _, name := range listing.Names(dir) {
		switch {
		case !strings.HasPrefix(name, typed[slash:]):
		case files[path.Join(dir, name)]&fs.ModeDir != 0:
			c.add(typed[slash:], completesFolder, entry{name: name + "/"})
		default:
			c.add(typed[slash:], completesFile, entry{name: name})
		}
	}
}
