package dockerfile2llb_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/tools/txtar"

	"slipway/diag"
	"slipway/dockerfile2llb"
	"slipway/instructions"
	"slipway/internal/golden"
	"slipway/parser"
	"slipway/source"
)

// errorsFile is an archive with a Dockerfile for each kind of error. The file after a
// Dockerfile is the error as users see it: file, line, column, text and caret.
const errorsFile = "testdata/errors.txtar"

// TestErrors checks the error for every Dockerfile in the archive. UPDATE=1 rewrites the
// expected errors.
func TestErrors(t *testing.T) {
	a, err := txtar.ParseFile(errorsFile)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(a.Files); i += 2 {
		in, want := a.Files[i], &a.Files[i+1]
		if want.Name != in.Name+"/error" {
			t.Fatalf("%s is followed by %s", in.Name, want.Name)
		}
		got := describeError(in.Data)
		seen[got] = true
		if os.Getenv("UPDATE") != "" {
			want.Data = []byte(got)
		}
		if diff := cmp.Diff(string(want.Data), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in.Name, diff)
		}
	}
	if len(seen) < 120 {
		t.Errorf("%d kinds of errors, want at least 120", len(seen))
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(errorsFile, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// describeError returns the first error for a Dockerfile in the form that users see.
func describeError(text []byte) string {
	err := convertText(text)
	if err == nil {
		return "no error\n"
	}
	var l diag.List
	if errors.As(err, &l) {
		err = l[0]
	}
	d, ok := errors.AsType[*diag.Diagnostic](err)
	if !ok {
		return "no place: " + err.Error() + "\n"
	}
	var b bytes.Buffer
	if err := diag.Text(&b, diag.List{d}, diag.TextOptions{}); err != nil {
		return err.Error()
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// convertText converts a Dockerfile and encodes the result. It returns the error from
// either step.
func convertText(text []byte) error {
	f, diags := parser.Parse(source.NewFile("Dockerfile", text))
	if err := diags.Err(); err != nil {
		return err
	}
	d, diags := instructions.Parse(f)
	if err := diags.Err(); err != nil {
		return err
	}
	opt := dockerfile2llb.Options{Inputs: inputs{golden.DefaultImages()}}
	opt.Plan.Platform = &ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	_, err := dockerfile2llb.Convert(context.Background(), d, opt)
	return err
}
