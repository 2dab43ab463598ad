package lsp

import (
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strings"

	"slipway/dialect"
	"slipway/lint"
	"slipway/parser"
	"slipway/source"
)

// gateOf returns the gate of a file, or nil if it is a plain Dockerfile.
func gateOf(f *lint.File) *dialect.Gate {
	if f.Dockerfile == nil { // the file has no instructions yet
		gate, _ := dialect.Parse(&parser.File{Source: f.Source})
		return gate
	}
	return f.Dockerfile.Gate
}

// extensions returns the instructions that the gate of the file allows, with their descriptions.
func (x *index) extensions() []entry {
	gate := gateOf(x.file)
	if gate == nil {
		return nil
	}
	var list []entry
	for _, k := range []entry{
		{"INCLUDE", "**INCLUDE** *[flags] path…* puts the instructions of other files here. Paths start at the directory of this file."},
		{"LET", "**LET** *name=value…* sets variables that build arguments do not change. Above the first FROM, all stages see them."},
		{"UNSET", "**UNSET** *part [pattern…]* removes a part of the image's config, such as `VOLUME /data` or `ENTRYPOINT`, whoever set it."},
	} {
		if f, ok := dialect.Find(k.name, ""); ok && !gate.Level.Less(f.Since) {
			list = append(list, k)
		}
	}
	return list
}

// unsetParts returns the parts of an image's config that UNSET removes.
func unsetParts() []string {
	return []string{"ENV", "LABEL", "EXPOSE", "VOLUME", "CMD", "ENTRYPOINT", "HEALTHCHECK", "SHELL", "STOPSIGNAL", "USER", "WORKDIR", "ONBUILD", "MAINTAINER", "ALL"}
}

// extensionFlag returns the description of a flag that extends the language. The names of flags
// that need a value end with =.
func extensionFlag(keyword, name string) entry {
	switch name {
	case "if":
		return entry{"if=", "leave out the instruction unless the condition holds, such as `$DEBUG`, `!$A` or `'$A == \"x\" || $B in (c, d)'`"}
	case "expand":
		return entry{name, "expand the variables of the build in the JSON form"}
	case "if-exists":
		return entry{name, "skip sources that do not exist"}
	case "no-cache":
		return entry{name, "run the step in each build"}
	case "shell":
		return entry{"shell=", "the shell of this RUN, as a JSON array"}
	case "file":
		return entry{"file=", "a file of the build context with lines `NAME=VALUE`"}
	case "from":
		return entry{"from=", "`context` or a named context: paths start at its root"}
	}
	return entry{name, dialect.Feature{Keyword: strings.ToLower(keyword), Flag: name}.String()}
}

// flags returns the flags of an instruction, with those that the gate of the file allows.
func (x *index) flags(keyword string) []entry {
	list := flags(keyword)
	gate := gateOf(x.file)
	if gate == nil {
		return list
	}
	for _, name := range dialect.Flags(keyword) {
		if f, ok := dialect.Find(keyword, name); ok && !gate.Level.Less(f.Since) {
			list = append(list, extensionFlag(keyword, name))
		}
	}
	return list
}

// keywordHelp returns the description of an instruction of the file, or "".
func (x *index) keywordHelp(keyword string) string {
	if text := keywordText(keyword); text != "" {
		return text + "\n\n" + referenceURL(keyword)
	}
	for _, k := range x.extensions() {
		if k.name == keyword {
			return k.text
		}
	}
	return ""
}

// flagHelp returns the description of a flag of an instruction of the file, or "".
func (x *index) flagHelp(keyword, name string) string {
	if text := flagText(keyword, name); text != "" {
		return text + "\n\n" + referenceURL(keyword)
	}
	for _, f := range x.flags(keyword) {
		if strings.TrimSuffix(f.name, "=") == name {
			return f.text
		}
	}
	return ""
}

// includes offers the files that an INCLUDE at the cursor can name.
func (c *completer) includes() {
	dir := c.snap.rules.Options.Dir
	if dir == nil || gateOf(c.names.file) == nil || slices.ContainsFunc(c.words, func(w string) bool { return strings.HasPrefix(w, "--from") }) {
		return
	}
	slash := strings.LastIndexByte(c.word, '/') + 1
	entries, err := fs.ReadDir(dir, path.Clean("./"+c.word[:slash]))
	if err != nil {
		return // the directory does not exist
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case !strings.HasPrefix(name, c.word[slash:]), name == path.Base(c.snap.file.Name):
		case e.IsDir():
			c.add(c.word[slash:], completesFolder, entry{name: name + "/"})
		default:
			c.add(c.word[slash:], completesFile, entry{name: name})
		}
	}
}

// includedAt returns the start of the file that an INCLUDE names at an offset. If no such file was read, the
// range is zero.
func (x *index) includedAt(offset int) source.Range {
	if x.file.Syntax == nil {
		return source.Range{}
	}
	for _, in := range x.file.Syntax.Instructions() {
		words, ok := in.Args.(*parser.Words)
		if !ok || lowerKeyword(in) != "include" {
			continue
		}
		for _, w := range words.Words {
			if r := w.Text.Range(); r.Start > offset || offset > r.End {
				continue
			}
			name := path.Join(path.Dir(x.file.Source.Name), w.Value)
			for _, f := range x.file.Included {
				if f.Source.Name == name {
					return source.Range{File: f.Source}
				}
			}
		}
	}
	return source.Range{}
}

// location returns the location of a range, which may be in an included file. The URI is "" if the
// path of this file is not known.
func (s *snapshot) location(r source.Range) location {
	switch {
	case s.loads.Contains(r):
		return location{s.uri, s.mapper.textRange(r)}
	case !path.IsAbs(r.File.Name):
		return location{}
	}
	uri := url.URL{Scheme: "file", Path: r.File.Name}
	return location{uri.String(), newMapper(r.File.Bytes, s.mapper.encoding).textRange(r)}
}

// includes reports whether the snapshot contains the instructions of a file with the given path.
func (s *snapshot) includes(name string) bool {
	return slices.ContainsFunc(s.load(s.live).Included, func(f *parser.File) bool { return f.Source.Name == name })
}
