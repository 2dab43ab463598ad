package frontend

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/gateway/client"

	"slipway/dialect"
	"slipway/internal/fakegateway"
	"slipway/internal/golden"
	"slipway/parser"
	"slipway/source"
)

// requestCounter is a builder that counts requests. A file or directory that only extensions
// read makes it panic.
type requestCounter struct {
	*barrier
	locals map[string]int // solves of local sources by the name of the source
}

func (c *requestCounter) Solve(ctx context.Context, req client.SolveRequest) (*client.Result, error) {
	if req.Definition != nil {
		for _, dt := range req.Definition.Def {
			for _, name := range []string{"dockerfile", "context"} {
				if strings.Contains(string(dt), "local://"+name) && !req.Evaluate {
					c.mu.Lock()
					c.locals[name]++
					c.mu.Unlock()
				}
			}
		}
	}
	return c.barrier.Solve(ctx, req)
}

// FuzzPlain checks that a build of a file without a gate reads no file but the Dockerfile and
// the ignore files, and each of them once. Code for extensions would read more: INCLUDE the
// included files and their directories, and LET --file the file with variables.
func FuzzPlain(f *testing.F) {
	root, err := golden.Root()
	if err != nil {
		f.Fatal(err)
	}
	cases, err := golden.LoadExtensions(root)
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range cases {
		f.Add(strings.Replace(string(c.Dockerfile()), "slipway", "plain", 1))
	}
	for i, c := range golden.Cases(f) {
		if text := string(c.Dockerfile()); len(c.Opts) == 0 && i%8 == 0 && len(text) < 2048 {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, _ := parser.Parse(source.NewFile("Dockerfile", []byte(text)))
		if file == nil {
			return
		}
		if g, d := dialect.Parse(file); g != nil || d != nil {
			return
		}
		if strings.Contains(text, "SOURCE_DATE_EPOCH") { // its value may be a stage whose files are read
			return
		}
		c := &requestCounter{barrier: newBarrier(fakegateway.New(text, nil)), locals: map[string]int{}}
		c.Files["f"], c.Files["vars"] = "RUN included\n", "A=1\n"
		_, _ = Build(t.Context(), c) // whether it builds does not matter
		for name, n := range c.requests {
			if strings.Contains(name, "://") || strings.HasPrefix(name, "stat ") {
				continue // about an image or another remote source
			}
			if n != 1 || !slices.Contains([]string{"Dockerfile", "Dockerfile.dockerignore", ".dockerignore"}, name) {
				t.Errorf("%q: %d requests for %s", text, n, name)
			}
		}
		if c.locals["dockerfile"] > 1 || c.locals["context"] > 2 {
			t.Errorf("%q: solves %v", text, c.locals)
		}
	})
}
