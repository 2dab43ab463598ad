package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// TestCoverage checks that each instruction, and each flag that a local build can use, occurs
// in a case of testdata/image.
func TestCoverage(t *testing.T) {
	files, err := filepath.Glob("testdata/image/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(caseFiles(t)); n < 120 {
		t.Errorf("the solver builds %d cases, want 120 or more", n)
	}
	var text strings.Builder
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range txtar.Parse(data).Files {
			if f.Name == "Dockerfile" {
				text.WriteString("\n" + string(f.Data))
			}
		}
	}
	for _, want := range []string{
		"\nADD ", "\nARG ", "\nCMD ", "\nCOPY ", "\nENTRYPOINT ", "\nENV ", "\nEXPOSE ", "\nFROM ", "\nHEALTHCHECK ", "\nLABEL ",
		"\nMAINTAINER ", "\nONBUILD ", "\nRUN ", "\nSHELL ", "\nSTOPSIGNAL ", "\nUSER ", "\nVOLUME ", "\nWORKDIR ",
		"RUN --mount=type=bind", "RUN --mount=type=cache", "RUN --mount=type=tmpfs", "RUN --mount=type=secret", "RUN --mount=type=ssh",
		"RUN --network=none", "RUN --network=host", "RUN --network=default", "RUN --security=insecure", "RUN --security=sandbox",
		"sharing=private", "sharing=locked", "env=", "required", "size=", "uid=", "mode=", "from=seed", ",ro", ",rw",
		"COPY --chown=", "COPY --chmod=", "COPY --link", "COPY --exclude=", "COPY --parents", "COPY --from=0", "COPY --from=first", "COPY --from=busybox",
		"ADD --chown=", "ADD --link", "ADD --exclude=", "ADD --unpack=", "FROM --platform=$BUILDPLATFORM", " AS ",
		"RUN <<EOF", "RUN <<-", "COPY <<EOF", "COPY <<'EOF'", "ADD <<EOF",
		"HEALTHCHECK NONE", "--interval=", "--timeout=", "--start-period=", "--start-interval=", "--retries=",
		"\n# escape=`",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no case uses %q", strings.TrimSpace(want))
		}
	}
}
