// Command crosscheck type-checks packages and their tests as they compile for other platforms,
// and prints the errors:
//
//	go run ./integration/crosscheck linux/arm64,windows/amd64 ./cmd/...
//
// It reads all dependencies from source and ignores the bodies of their functions. go vet with
// GOOS takes ten times as long, because it compiles the dependencies for each platform first.
package main

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/tools/go/packages"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: go run ./integration/crosscheck OS/ARCH[,OS/ARCH]... PACKAGE...")
		os.Exit(2)
	}
	root, err := os.Getwd()
	if err != nil {
		fmt.Fprintln(os.Stderr, "crosscheck:", err)
		os.Exit(1)
	}
	found := false
	for platform := range strings.SplitSeq(os.Args[1], ",") {
		n, err := check(ctx, os.Stdout, root, platform, os.Args[2:])
		if err != nil {
			fmt.Fprintf(os.Stderr, "crosscheck: %s: %v\n", platform, err)
			os.Exit(1)
		}
		found = found || n > 0
	}
	if found {
		os.Exit(1)
	}
}

// check type-checks packages of the module in the directory root, as they compile for a
// platform such as linux/arm64. It writes the errors to w, and returns their number.
func check(ctx context.Context, w io.Writer, root, platform string, patterns []string) (int, error) {
	goos, goarch, ok := strings.Cut(platform, "/")
	if !ok {
		return 0, errors.New("the platform is not of the form OS/ARCH")
	}
	const mode = packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports |
		packages.NeedDeps | packages.NeedModule | packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesSizes
	list, err := packages.Load(&packages.Config{
		Context: ctx, Dir: root, Mode: mode, Tests: true, ParseFile: sourceParser{root + string(os.PathSeparator)}.parse,
		Env: append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0"),
	}, patterns...)
	if err != nil {
		return 0, err
	}
	reported := map[string]bool{} // a package and its variant for tests have the same errors
	for _, p := range list {
		if strings.HasSuffix(p.ID, ".test") {
			continue // a generated program; its functions were removed, too
		}
		for _, e := range p.Errors {
			if text := fmt.Sprintf("%s: %v\n", platform, e); !reported[text] {
				reported[text] = true
				fmt.Fprint(w, text)
			}
		}
	}
	if len(list) == 0 {
		return 0, errors.New("no package matches")
	}
	return len(reported), nil
}

// sourceParser parses Go files for the type checker. It parses the bodies of functions only in
// files of the module, because the bodies in dependencies do not affect the types.
type sourceParser struct {
	root string // directory whose files are parsed completely, with a slash at the end
}

// parse parses a file. It removes the bodies of functions from files outside of p.root.
func (p sourceParser) parse(set *token.FileSet, name string, src []byte) (*ast.File, error) {
	f, err := parser.ParseFile(set, name, src, parser.SkipObjectResolution|parser.ParseComments)
	if f == nil || strings.HasPrefix(name, p.root) {
		return f, err
	}
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			fn.Body = nil
		}
	}
	return f, err
}
