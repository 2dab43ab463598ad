package toolbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPinned checks that the go.mod of each tool's module has a tool directive for the tool.
// The directive pins the version that go build uses.
func TestPinned(t *testing.T) {
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range tools() {
		if tool.test || strings.HasPrefix(tool.pkg, "./") {
			continue // the tool belongs to the module itself
		}
		mod, err := os.ReadFile(filepath.Join(root, "integration", "tools", tool.module, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(mod), "\t"+tool.pkg+"\n") && !strings.Contains(string(mod), "tool "+tool.pkg+"\n") {
			t.Errorf("integration/tools/%s/go.mod does not declare tool %s", tool.module, tool.pkg)
		}
	}
}

// TestBuildKitVersion checks that the buildkitd for tests and the client library of this
// project have the same version.
func TestBuildKitVersion(t *testing.T) {
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	version := func(dir string) string {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		_, after, ok := strings.Cut(string(mod), "github.com/moby/buildkit ")
		if !ok {
			t.Fatalf("%s/go.mod does not require BuildKit", dir)
		}
		return strings.Fields(after)[0]
	}
	ours, tools := version(root), version(filepath.Join(root, "integration", "tools", "buildkit"))
	if ours != tools {
		t.Errorf("go.mod requires BuildKit %s, integration/tools/buildkit/go.mod %s", ours, tools)
	}
}

func TestUnknownTool(t *testing.T) {
	if _, err := Path(t.Context(), os.Stderr, "nonesuch"); err == nil || !strings.Contains(err.Error(), `unknown tool "nonesuch"`) {
		t.Errorf("got error %v", err)
	}
}
