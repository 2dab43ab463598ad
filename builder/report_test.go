package builder

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/pb"
)

// TestReportPath checks that errors and warnings have the path of the Dockerfile that the
// user gave, so that a terminal can open it.
func TestReportPath(t *testing.T) {
	for _, tc := range []struct {
		name string // name of the Dockerfile in the working directory
		file string // value of -f
		want string
	}{
		{"sub/my.Dockerfile", "sub/my.Dockerfile", "sub/my.Dockerfile:2:5: "},
		{"sub/my.Dockerfile", "./sub/../sub/my.Dockerfile", "./sub/../sub/my.Dockerfile:2:5: "},
		{"ctx/Dockerfile", "", "ctx/Dockerfile:2:5: "},
		{"ctx/dockerfile", "", "ctx/dockerfile:2:5: "},
	} {
		o := options(t, "")
		t.Chdir(t.TempDir())
		for _, dir := range []string{"ctx", "sub"} {
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		const text = "FROM scratch\nRUN --typo=x y\n"
		if err := os.WriteFile(filepath.FromSlash(tc.name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		o.Context, o.File = "ctx", tc.file
		var b strings.Builder
		if err := Report(&b, Run(t.Context(), o), false); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(b.String(), tc.want) {
			t.Errorf("-f %q: the error starts with %q, want %q", tc.file, b.String(), tc.want)
		}
		b.Reset()
		warning := client.VertexWarning{
			Short:      []byte("text"),
			SourceInfo: &pb.SourceInfo{Filename: filepath.Base(filepath.FromSlash(o.file())), Data: []byte(text)},
			Range:      []*pb.Range{{Start: &pb.Position{Line: 2}, End: &pb.Position{Line: 2}}},
		}
		if err := o.ReportWarnings(&b, []client.VertexWarning{warning}, false); err != nil {
			t.Fatal(err)
		}
		if want := strings.Replace(tc.want, ":5: ", ":1: ", 1); !strings.HasPrefix(b.String(), want) {
			t.Errorf("-f %q: the warning starts with %q, want %q", tc.file, b.String(), want)
		}
	}
}
