package frontend_test

import (
	"strings"
	"testing"

	"slipway/dialect"
	"slipway/frontend"
	"slipway/instructions"
	"slipway/internal/corpus"
	"slipway/internal/golden"
	"slipway/parser"
	"slipway/source"
)

// FuzzEject checks that a printed Dockerfile parses as a plain file, and that printing finds no
// internal error: eject itself compares the operations of both files.
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
		f.Add(string(c.Dockerfile()))
	}
	f.Fuzz(func(t *testing.T, dockerfile string) {
		c := &golden.Case{
			Name: "ext/fuzz", Title: "fuzz", Worker: []string{"linux/amd64"}, Opts: map[string]string{"requestid": "frontend.eject"},
			Files: []golden.File{{Name: "Dockerfile", Data: []byte(dockerfile)}, {Name: "f", Data: []byte("RUN included\n")}},
		}
		r, err := corpus.Run(t.Context(), frontend.Build, c, "", 0)
		if err != nil {
			t.Fatal(err)
		}
		if r.Err != nil {
			if text := r.Err.Error(); strings.Contains(text, "internal error") || strings.Contains(text, "panic") {
				t.Fatalf("%q: %s", dockerfile, text)
			}
			return
		}
		if string(r.Metadata["result.statuscode"]) != "0" {
			return
		}
		text := r.Metadata["result.txt"]
		file, list := parser.Parse(source.NewFile("ejected", text))
		if list.Err() != nil {
			t.Fatalf("%q becomes %q: %v", dockerfile, text, list)
		}
		if g, d := dialect.Parse(file); g != nil || d != nil {
			t.Fatalf("%q becomes %q, which has a gate", dockerfile, text)
		}
		if _, list := instructions.Parse(file); list.Err() != nil {
			t.Fatalf("%q becomes %q: %v", dockerfile, text, list)
		}
	})
}
