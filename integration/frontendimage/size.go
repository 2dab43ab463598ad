package frontendimage

import (
	"bytes"
	"cmp"
	"debug/elf"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
)

// shownGroups is the maximum number of modules and standard library directories that WriteSizes
// prints individually.
const shownGroups = 30

// WriteSizes prints the size of a program by section, and the size of the code and data of each
// module and each top-level directory of Go's standard library. The program needs a symbol
// table.
func WriteSizes(w io.Writer, program []byte) error {
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(bytes uint64, what string) { fmt.Fprintf(tw, "%d\t  %s\n", bytes, what) }
	for _, s := range f.Sections {
		if note, ok := sections()[s.Name]; ok {
			line(s.Size, s.Name+": "+note)
		}
	}
	sizes, err := groupSizes(f)
	if err != nil {
		return err
	}
	fmt.Fprintln(tw)
	names := slices.SortedFunc(maps.Keys(sizes), func(a, b string) int {
		return cmp.Or(cmp.Compare(sizes[b], sizes[a]), cmp.Compare(a, b))
	})
	rest := uint64(0)
	for i, name := range names {
		if i < shownGroups {
			line(sizes[name], name)
		} else {
			rest += sizes[name]
		}
	}
	line(rest, fmt.Sprintf("%d others", max(0, len(names)-shownGroups)))
	return tw.Flush()
}

// sections returns a description of the content of each ELF section that WriteSizes prints, by
// the name of the section. These sections also exist in a program without a symbol table.
func sections() map[string]string {
	return map[string]string{
		".text":      "machine code",
		".rodata":    "types, strings and tables",
		".gopclntab": "names and lines of functions, for stack traces and the garbage collector",
		".data":      "variables",
		".noptrdata": "variables without pointers",
	}
}

// groupSizes returns the total size in bytes of the symbols in each group, as defined by
// groupOf.
func groupSizes(f *elf.File) (map[string]uint64, error) {
	symbols, err := f.Symbols()
	if err != nil {
		return nil, err
	}
	sizes := map[string]uint64{}
	for _, s := range symbols {
		i := int(s.Section)
		if i <= 0 || i >= len(f.Sections) || f.Sections[i].Type == elf.SHT_NOBITS || f.Sections[i].Name == ".gopclntab" {
			continue
		}
		sizes[groupOf(s.Name)] += s.Size
	}
	return sizes, nil
}

// groupOf returns the group to which WriteSizes adds the size of a symbol: the symbol's module,
// "std DIRECTORY" for Go's standard library, or "linker: KIND" for a symbol that the linker
// creates.
func groupOf(symbol string) string {
	if rest, ok := strings.CutPrefix(symbol, "go:"); ok {
		kind, _, _ := strings.Cut(rest, ".")
		return "linker: " + kind
	}
	symbol = strings.TrimLeft(strings.TrimPrefix(symbol, "type:"), ".*")
	for _, made := range []string{"eq.", "hash.", "namedata."} {
		symbol = strings.TrimLeft(strings.TrimPrefix(symbol, made), "*")
	}
	symbol, _, _ = strings.Cut(symbol, "[") // remove type parameters
	dir, last := "", symbol
	if i := strings.LastIndexByte(symbol, '/'); i >= 0 {
		dir, last = symbol[:i+1], symbol[i+1:]
	}
	last, _, _ = strings.Cut(last, ".")
	path, err := url.PathUnescape(dir + last) // the linker escapes dots in paths as %2e
	if err != nil {
		path = dir + last
	}
	parts := strings.Split(path, "/")
	if !strings.Contains(parts[0], ".") {
		if parts[0] == "slipway" {
			return "slipway"
		}
		return "std " + strings.Join(parts[:min(2, len(parts))], "/")
	}
	return strings.Join(parts[:min(3, len(parts))], "/")
}
