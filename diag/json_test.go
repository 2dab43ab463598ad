package diag

import (
	"bytes"
	"strings"
	"testing"

	"slipway/source"
)

// TestJSON checks the JSON form of diagnostics, and that JSON returns errors from the
// writer.
func TestJSON(t *testing.T) {
	f := source.NewFile("Dockerfile", []byte(sample))
	list := List{
		{Message: "nowhere <&> \xff"},
		Errorf(at(f, "--form", 0), "unknown flag: --form").In(at(f, "COPY --form=build /a /b\r\n", 0)),
		{
			Severity: Warning, Code: "Rule", Message: "a warning", Range: at(f, "build", 1),
			Detail: "why", URL: "https://example.com/rule",
			Related: []Related{{Range: at(f, "build", 0), Message: "the stage"}, {}},
			Fixes:   []Fix{{Title: "mend", Safe: true, Edits: []Edit{{at(f, "build", 1), "base"}}}, {Title: "leave"}},
		},
	}
	var b bytes.Buffer
	if err := JSON(&b, list); err != nil {
		t.Fatal(err)
	}
	golden(t, "list.json", b.Bytes())
	b.Reset()
	wide := source.NewFile("f", []byte("RUN äöü x\n"))
	if err := JSON(&b, List{Errorf(at(wide, "x", 0), "bytes")}); err != nil || !strings.Contains(b.String(), `"column": 12,`) {
		t.Errorf("column after two-byte characters: %s, %v, want 12", b.String(), err)
	}
	b.Reset()
	if err := JSON(&b, nil); err != nil || b.String() != "[]\n" {
		t.Errorf("empty list: %q, %v", b.String(), err)
	}
	if err := JSON(failingWriter{}, list); err == nil {
		t.Error("JSON does not return the error of the writer")
	}
}
