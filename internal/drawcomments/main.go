// Command drawcomments prints randomly drawn doc comments without their code, so that a reader
// can grade their clarity:
//
//	go run ./internal/drawcomments -n 120 -seed 1 [-where] [DIRECTORY…]
//
// Without directories it draws from the whole repository. The same seed draws the same
// comments from the same files.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// comment is the doc comment of a package or of a top-level declaration.
type comment struct {
	pos  token.Position
	text string
}

func main() {
	n := flag.Int("n", 120, "number of comments")
	seed := flag.Uint64("seed", 1, "seed of the random numbers")
	where := flag.Bool("where", false, "print the file and line of each comment instead of its directory")
	flag.Parse()
	dirs := flag.Args()
	if len(dirs) == 0 {
		dirs = []string{"."}
	}
	if err := draw(os.Stdout, dirs, *n, *seed, *where); err != nil {
		fmt.Fprintln(os.Stderr, "drawcomments:", err)
		os.Exit(1)
	}
}

// draw writes n random comments from the files below dirs to w, each with its directory. If
// where is true, it writes the file and line instead of the directory.
func draw(w io.Writer, dirs []string, n int, seed uint64, where bool) error {
	var all []comment
	for _, dir := range dirs {
		list, err := collect(dir)
		if err != nil {
			return err
		}
		all = append(all, list...)
	}
	slices.SortFunc(all, func(a, b comment) int {
		return cmp.Or(cmp.Compare(a.pos.Filename, b.pos.Filename), cmp.Compare(a.pos.Offset, b.pos.Offset))
	})
	all = slices.Compact(all)
	r := rand.New(rand.NewPCG(seed, 0))
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for i, c := range all[:min(n, len(all))] {
		at := filepath.Dir(c.pos.Filename)
		if where {
			at = fmt.Sprintf("%s:%d", c.pos.Filename, c.pos.Line)
		}
		if _, err := fmt.Fprintf(w, "%d. [%s]\n%s\n\n", i+1, at, c.text); err != nil {
			return err
		}
	}
	return nil
}

// collect returns the doc comments in the Go files below dir. It skips hidden directories and
// testdata.
func collect(dir string) ([]comment, error) {
	var list []comment
	files := token.NewFileSet()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != dir && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(name) != ".go":
			return nil
		}
		f, err := parser.ParseFile(files, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, doc := range docs(f) {
			if text := strings.TrimSpace(doc.Text()); text != "" {
				list = append(list, comment{pos: files.Position(doc.Pos()), text: text})
			}
		}
		return nil
	})
	return list, err
}

// docs returns the doc comments of the package, functions, types, constants and variables in a
// file. The result contains a nil element for each declaration without a comment.
func docs(f *ast.File) []*ast.CommentGroup {
	list := []*ast.CommentGroup{f.Doc}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			list = append(list, d.Doc)
		case *ast.GenDecl:
			list = append(list, d.Doc)
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					list = append(list, s.Doc)
				case *ast.ValueSpec:
					list = append(list, s.Doc)
				}
			}
		}
	}
	return list
}
