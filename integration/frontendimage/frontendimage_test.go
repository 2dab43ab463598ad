package frontendimage

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"slipway/integration/programimage"
	"slipway/integration/toolbox"
)

// TestDockerfile checks that the Dockerfile in the root of the repository specifies the same
// image config as this package.
func TestDockerfile(t *testing.T) {
	root, err := toolbox.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	tree, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	stages, _, err := instructions.Parse(tree.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	final := stages[len(stages)-1]
	if final.BaseName != "scratch" {
		t.Errorf("the last stage starts from %s, want scratch", final.BaseName)
	}
	labels := map[string]string{}
	var entrypoint, copied []string
	for _, c := range final.Commands {
		switch c := c.(type) {
		case *instructions.LabelCommand:
			for _, l := range c.Labels {
				labels[l.Key] = strings.Trim(l.Value, `"`)
			}
		case *instructions.EntrypointCommand:
			entrypoint = c.CmdLine
			if c.PrependShell {
				t.Error("ENTRYPOINT is in shell form; there is no shell")
			}
		case *instructions.CopyCommand:
			copied = append(copied, c.DestPath)
		default:
			t.Errorf("the last stage has an instruction that package frontendimage does not support: %s", c.Name())
		}
	}
	if diff := cmp.Diff(Labels(), labels); diff != "" {
		t.Errorf("labels (-labels.go +Dockerfile):\n%s", diff)
	}
	if diff := cmp.Diff([]string{BinaryPath}, entrypoint); diff != "" {
		t.Errorf("entrypoint (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{BinaryPath}, copied); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	flags := strings.Join(slices.Concat(programimage.BuildFlags(), BuildFlags()), " ")
	flags = strings.Replace(flags, "-s -w", `"-s -w"`, 1)
	if want := "go build " + flags + " -o /out/dockerfile-frontend ./" + PackagePath; !strings.Contains(string(text), want) {
		t.Errorf("the Dockerfile does not run: %s", want)
	}
}
