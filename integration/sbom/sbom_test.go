package sbom

import (
	"runtime"
	"slices"
	"testing"

	"slipway/integration/checkout"
	"slipway/integration/toolbox"
)

// TestModules lists the modules of the frontend. It checks that each has licence texts, also
// packages that the standard library and a module contain, such as golang.org/x/crypto.
func TestModules(t *testing.T) {
	root, err := toolbox.Root()
	if err != nil {
		t.Fatal(err)
	}
	src, err := checkout.OpenUnreleased(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	b, err := New(t.Context(), src, Program{
		Document: "x", Content: []byte("not a program"), Package: "./cmd/dockerfile-frontend", Env: checkout.PlatformEnv("linux", runtime.GOARCH),
	})
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, m := range b.Modules {
		paths = append(paths, m.Path)
		if len(m.Texts) == 0 || m.Version == "" {
			t.Errorf("%s: version %q, %d licence texts", m.Path, m.Version, len(m.Texts))
		}
	}
	for _, want := range []string{"std", "github.com/moby/buildkit", "golang.org/x/crypto"} {
		if !slices.Contains(paths, want) {
			t.Errorf("modules %q, want %s", paths, want)
		}
	}
	if b.Main.Path != "slipway" || !slices.Contains(b.Main.Imports, "github.com/moby/buildkit") {
		t.Errorf("main module %s imports %q", b.Main.Path, b.Main.Imports)
	}
}
