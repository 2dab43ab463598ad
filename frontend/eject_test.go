package frontend_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"slipway/dialect"
	"slipway/frontend"
	"slipway/instructions"
	"slipway/internal/corpus"
	"slipway/internal/golden"
	"slipway/parser"
	"slipway/source"
)

// firstIncluded returns the first file of a case that its Dockerfile may include.
func firstIncluded(c *golden.Case) string {
	for _, f := range c.Files {
		if f.Name != c.DockerfileName() && !strings.Contains(f.Name, "/") {
			return string(f.Data)
		}
	}
	return "RUN included\n"
}

// FuzzEject ejects a Dockerfile that may include the file f, with the build argument A. It checks
// that the printed Dockerfile parses as a plain file, and that eject finds no internal error:
// eject itself compares the operations of both files.
func FuzzEject(f *testing.F) {
	root, err := golden.Root()
	if err != nil {
		f.Fatal(err)
	}
	cases, err := golden.LoadExtensions(root)
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range cases {
		f.Add(string(c.Dockerfile()), firstIncluded(c), c.Opts["build-arg:A"])
	}
	f.Add("# slipway=1.0\n\nFROM alpine\nRUN echo \x80\n", "", "") // no build can encode this
	f.Add("# slipway=1.0\n\nFROM alpine\nADD --if-exists $F /\n", "", "")
	for _, arg := range []string{"\r4", "a\nb", "a\u00a0b\vc"} { // values with white space
		f.Add("# slipway=1.0\nFROM alpine\nARG A U=${A^}", "", arg)
	}
	f.Fuzz(func(t *testing.T, dockerfile, included, arg string) {
		c := &golden.Case{
			Name: "ext/fuzz", Title: "fuzz", Worker: []string{"linux/amd64"}, Opts: map[string]string{"requestid": "frontend.eject"},
			Files: []golden.File{
				{Name: "Dockerfile", Data: []byte(dockerfile)},
				{Name: "f", Data: []byte(included)},
				{Name: "go", Data: []byte("ARG V=1\nFROM alpine:$V AS b\nARG V\nRUN other $V\nFROM b\nCOPY --from=0 /a /\n")},
			},
		}
		if arg != "" && utf8.ValidString(arg) { // a request cannot contain other arguments
			c.Opts["build-arg:A"] = arg
		}
		r, err := corpus.Run(t.Context(), frontend.Build, c, "", 0)
		if err != nil {
			t.Fatal(err)
		}
		if r.Err != nil {
			if text := r.Err.Error(); strings.HasPrefix(text, "internal error") || strings.HasPrefix(text, "panic") {
				t.Fatalf("%q, f = %q, A = %q: %s", dockerfile, included, arg, text)
			}
			return
		}
		if string(r.Metadata["result.statuscode"]) != "0" {
			return
		}
		text := r.Metadata["result.txt"]
		file, list := parser.Parse(source.NewFile("ejected", text))
		if list.Err() != nil {
			t.Fatalf("%q, f = %q, A = %q becomes %q: %v", dockerfile, included, arg, text, list)
		}
		if g, d := dialect.Parse(file); g != nil || d != nil {
			t.Fatalf("%q becomes %q, which has a gate", dockerfile, text)
		}
		if _, list := instructions.Parse(file); list.Err() != nil {
			t.Fatalf("%q, f = %q, A = %q becomes %q: %v", dockerfile, included, arg, text, list)
		}
	})
}
