package frontendimage

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"slipway/integration/programimage"
	"slipway/integration/toolbox"
)

func TestGroupOf(t *testing.T) {
	for symbol, want := range map[string]string{
		"slipway/plan.(*evaluator).run":                      "slipway",
		"github.com/moby/buildkit/solver/pb.init.0":          "github.com/moby/buildkit",
		"gopkg%2ein/yaml%2ev3.x":                             "gopkg.in/yaml.v3",
		"google.golang.org/grpc.(*ClientConn).Invoke":        "google.golang.org/grpc",
		"crypto/internal/fips140/sha3.keccakF1600.abi0":      "std crypto/internal",
		"slices.SortFunc[go.shape.[]github.com/a/b.C]":       "std slices",
		"type:.eq.github.com/moby/buildkit/client/llb.State": "github.com/moby/buildkit",
		"go:func.*":                        "linker: func",
		"go:itab.*os.File,io.Writer":       "linker: itab",
		"runtime.mheap_":                   "std runtime",
		"vendor/golang.org/x/net/idna.tab": "std vendor/golang.org",
	} {
		if got := groupOf(symbol); got != want {
			t.Errorf("%s is %s, want %s", symbol, got, want)
		}
	}
}

// TestDeadCode checks that the frontend program contains no template packages. Templates call
// methods by name, so the linker would keep every method, and the program would grow by a
// third.
func TestDeadCode(t *testing.T) {
	root, err := toolbox.Root()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", slices.Concat([]string{"list", "-deps"}, programimage.BuildFlags(), []string{"./" + PackagePath})...)
	cmd.Dir, cmd.Stderr = root, t.Output()
	deps, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range strings.Lines(string(deps)) {
		switch pkg = strings.TrimSpace(pkg); pkg {
		case "text/template", "html/template", "plugin":
			t.Errorf("the program contains %s", pkg)
		}
	}
}
