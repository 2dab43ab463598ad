package instructions

import (
	"os"
	"strings"
	"testing"
)

// TestManual checks that the manual has a page for each instruction, and on it, for each flag, a
// section with an example.
func TestManual(t *testing.T) {
	flags := map[string][]flagSpec{"add": addFlags, "copy": copyFlags, "from": fromFlags, "healthcheck": healthcheckFlags, "run": runFlags}
	for _, k := range keywords {
		file := "../docs/reference/dockerfile/" + k.name + ".md"
		page, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
			continue
		}
		if !strings.Contains(string(page), "```dockerfile") {
			t.Errorf("%s has no example", file)
		}
		for _, f := range flags[k.name] {
			_, section, ok := strings.Cut(string(page), "\n## --"+f.name+"\n")
			section, _, _ = strings.Cut(section, "\n## ")
			if !ok || !strings.Contains(section, strings.ToUpper(k.name)) || strings.Count(section, "--"+f.name) == 0 {
				t.Errorf("%s: no example of --%s in a section of its own", file, f.name)
			}
		}
		delete(flags, k.name)
	}
	if len(flags) > 0 {
		t.Errorf("unknown instructions: %v", flags)
	}
}
