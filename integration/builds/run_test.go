package builds

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"slipway/integration/rig"
)

// TestOutcomes checks that two outcomes agree if the images and steps are equal, or if both
// builds fail in the same step.
func TestOutcomes(t *testing.T) {
	failed := func(text string, steps ...string) *outcome { return &outcome{err: errors.New(text), failed: steps} }
	const image = "layer 0\nfile 0644 a\n"
	for _, tc := range []struct {
		name      string
		want, got *outcome
		differ    bool
	}{
		{"equal", &outcome{image: image, ran: []string{"RUN a"}}, &outcome{image: image, ran: []string{"RUN a"}}, false},
		{"another image", &outcome{image: image}, &outcome{image: image + "file 0644 b\n"}, true},
		{"another step ran", &outcome{image: image, ran: []string{"RUN a"}}, &outcome{image: image}, true},
		{"only one fails", failed("x", "RUN a"), &outcome{image: image}, true},
		{"only the other fails", &outcome{image: image}, failed("x", "RUN a"), true},
		{"the same step fails", failed("x", "RUN a", "RUN b"), failed("y", "RUN b"), false},
		{"another step fails", failed("x", "RUN a"), failed("y", "RUN b"), true},
		{"our error names the step", failed("x", "COPY a"), failed("error: COPY a: not found"), false},
		{"an image is missing", failed("x", "[internal] load metadata for busybox:1"), failed("busybox:1: not found"), false},
		{"no step is known", failed("x"), failed("y", "RUN a"), false},
	} {
		if diff := tc.want.difference(tc.got); (diff != "") != tc.differ {
			t.Errorf("%s: difference %q", tc.name, diff)
		}
	}
}

// TestIsRefusal checks which failed builds count as refused.
func TestIsRefusal(t *testing.T) {
	refusal := errors.New("RUN x: cannot do that (use --runner namespace, or accept it)")
	for _, tc := range []struct {
		o    outcome
		want bool
	}{
		{outcome{err: refusal, failed: []string{"RUN x"}}, true},
		{outcome{err: refusal}, false}, // the error has no location
		{outcome{err: errors.New("exit code: 1"), failed: []string{"RUN x"}}, false},
		{outcome{}, false},
	} {
		if got := tc.o.isRefusal(); got != tc.want {
			t.Errorf("%v: %t, want %t", tc.o.err, got, tc.want)
		}
	}
}

// TestWithoutRan checks that withoutRan removes only the executed steps from a difference.
func TestWithoutRan(t *testing.T) {
	const image = "-layer 1: file a\n+layer 1: file b\n"
	for diff, want := range map[string]string{
		image + "-ran: [\"RUN a\"]\n+ran: []\n": image,
		"-ran: []\n+ran: [\"RUN a\"]\n":         "",
		image:                                   image,
	} {
		if got := withoutRan(diff); got != want {
			t.Errorf("of %q remains %q, want %q", diff, got, want)
		}
	}
}

// TestSteps checks that completed RUN steps count as executed unless they were cached, and
// that steps with an error count as failed unless they were canceled.
func TestSteps(t *testing.T) {
	now := time.Now()
	o := &outcome{}
	o.steps(&rig.Result{Vertices: []*client.Vertex{
		{Name: "[2/2] RUN b", Completed: &now},
		{Name: "[1/2] RUN a", Completed: &now},
		{Name: "[1/2] RUN cached", Completed: &now, Cached: true},
		{Name: "[1/2] RUN waiting"},
		{Name: "[1/2] COPY a", Completed: &now},
		{Name: "[1/2] RUN failed", Completed: &now, Error: "exit code: 1", Digest: "failed"},
		{Name: "[1/2] RUN canceled", Completed: &now, Error: "context canceled"},
	}, Logs: map[digest.Digest][]byte{"failed": []byte("E: no\r\nspace\n"), "other": []byte("x\n")}})
	if want := "    E: no\n    space\n"; o.output != want {
		t.Errorf("output %q, want %q", o.output, want)
	}
	if got := o.String(); got != "ran [\"[1/2] RUN a\" \"[2/2] RUN b\"], failed [\"[1/2] RUN failed\"], error <nil>\n" {
		t.Errorf("outcome %s", got)
	}
}

// TestTruncations checks that truncations returns a Dockerfile that ends after the instruction
// of each given step, including an instruction with a heredoc.
func TestTruncations(t *testing.T) {
	const dockerfile = "FROM a\nRUN x\nRUN y\nCOPY b /\n"
	got := truncations(dockerfile, []string{"[s0 2/4] RUN x", "[s0 4/4] COPY b /"}, []string{"[3/4] RUN y", "[s0 2/4] RUN x", "[internal] load metadata for a"})
	if want := []string{"FROM a\nRUN x\n", "FROM a\nRUN x\nRUN y\n"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	got = truncations("FROM a\nRUN <<EOF\nx\ny\nEOF\nRUN z\n", []string{"[2/3] RUN <<EOF (x...)"})
	if want := []string{"FROM a\nRUN <<EOF\nx\ny\nEOF\n"}; !slices.Equal(got, want) {
		t.Errorf("with a heredoc: got %q, want %q", got, want)
	}
}
