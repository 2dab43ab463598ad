package solver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"

	"slipway/solver/runner"
	"slipway/solver/tree"
)

// printer is a fake runner. Instead of running a process, it calls the function print,
// which may write to the output of the process.
type printer struct {
	recorder
	print func(p *runner.Process) error
}

func (r *printer) Run(ctx context.Context, p *runner.Process) ([]*tree.Node, error) {
	if err := r.print(p); err != nil {
		return nil, err
	}
	return r.recorder.Run(ctx, p)
}

// outputOfStep runs a step whose process calls print, in a job with the given output limit.
// It returns the output that the job sends as events, by stream number. The clock of the job
// shows the time to which the parameter now points.
func outputOfStep(t *testing.T, limit *OutputLimit, now *time.Time, print func(p *runner.Process) error) map[int]string {
	t.Helper()
	s, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	got := map[int]string{}
	failed := error(nil)
	b := New(t.Context(), Options{
		Store: s, Cache: NewMemoryCache(), Sources: emptySources{}, Output: limit,
		Runner: &printer{print: func(p *runner.Process) error {
			failed = print(p)
			return failed
		}},
		Now: func() time.Time { return *now },
		Events: func(e Event) {
			if e.Kind == Output {
				got[e.Stream] += string(e.Data)
			}
		},
	})
	defer b.Wait()
	g, err := Load(marshal(t, &pb.Op{Op: &pb.Op_Exec{Exec: &pb.ExecOp{
		Meta: &pb.Meta{Args: []string{"x"}, Cwd: "/"}, Mounts: []*pb.Mount{{Input: -1, Dest: "/", Output: 0}},
	}}}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Result(g).Snapshot(t.Context()); !errors.Is(err, failed) {
		t.Fatalf("error %v, want %v", err, failed)
	}
	return got
}

// TestOutputLimit checks that output beyond the limits is clipped, with the same text as
// in BuildKit.
func TestOutputLimit(t *testing.T) {
	const kib, mib = 1 << 10, 1 << 20
	clipped := func(limit string) string { return "\n[output clipped, log limit " + limit + " reached]\n" }
	text := strings.Repeat
	type write struct {
		after time.Duration // since the step started
		data  string
	}
	errStep := errors.New("the step failed")
	for name, tc := range map[string]struct {
		limit  *OutputLimit
		writes []write
		err    error
		want   string
	}{
		"as much as the speed permits": {nil, []write{{0, text("a", 100*kib)}, {0, text("b", 100*kib)}}, nil, text("a", 100*kib) + text("b", 100*kib)},
		"one byte more":                {nil, []write{{0, text("a", 200*kib+1)}}, nil, text("a", 200*kib) + clipped("200KiB/s")},
		"clipped once": {
			nil,
			[]write{{0, text("a", 200*kib)}, {0, "b"}, {time.Second, "c"}},
			nil, text("a", 200*kib) + clipped("200KiB/s"),
		},
		"a part of a second counts whole": {nil, []write{{time.Second + 1, text("a", 400*kib)}, {time.Second + 1, "b"}}, nil, text("a", 400*kib) + clipped("200KiB/s")},
		"goes on, and is clipped again": {
			nil,
			[]write{{0, text("a", 200*kib+1)}, {3 * time.Second, "b"}, {3 * time.Second, text("c", 400*kib)}},
			nil, text("a", 200*kib) + clipped("200KiB/s") + "b" + text("c", 400*kib-2) + clipped("200KiB/s"),
		},
		"the size": {nil, []write{{time.Hour, text("a", 2*mib)}, {2 * time.Hour, "b"}}, nil, text("a", 2*mib) + clipped("2MiB")},
		"the end of a step that fails": {
			nil,
			[]write{{time.Hour, text("a", 2*mib)}, {time.Hour, text("b", 200*kib)}, {time.Hour, text("c", 200*kib)}, {time.Hour, text("d", 200*kib)}, {time.Hour, "e"}},
			errStep, text("a", 2*mib) + clipped("2MiB") + text("c", 56*kib-1) + text("d", 200*kib) + "e",
		},
		"a large write of a step that fails": {
			&OutputLimit{0, -1},
			[]write{{0, "a"}, {0, text("b", mib) + "c"}},
			errStep, clipped("0B") + text("b", 256*kib-1) + "c",
		},
		"nothing twice":          {nil, []write{{0, "a"}}, errStep, "a"},
		"limits of a build":      {&OutputLimit{3, 2}, []write{{0, "abc"}, {time.Hour, "d"}}, nil, "ab" + clipped("2B/s")},
		"the size of a build":    {&OutputLimit{3, 100}, []write{{0, "abcd"}}, nil, "abc" + clipped("3B")},
		"no limit":               {&OutputLimit{-1, -1}, []write{{0, text("a", 8*mib)}}, errStep, text("a", 8*mib)},
		"no limit of the speed":  {&OutputLimit{2 * mib, -1}, []write{{0, text("a", 2*mib+1)}}, nil, text("a", 2*mib) + clipped("2MiB")},
		"no limit of the size":   {&OutputLimit{-1, 1536}, []write{{0, text("a", 1537)}}, nil, text("a", 1536) + clipped("1.5KiB/s")},
		"both limits are passed": {&OutputLimit{2, 2}, []write{{0, "abc"}}, nil, "ab" + clipped("2B/s")},
	} {
		for stream := 1; stream <= 2; stream++ {
			now := time.Unix(0, 0)
			got := outputOfStep(t, tc.limit, &now, func(p *runner.Process) error {
				w := p.Stdout
				if stream == 2 {
					w = p.Stderr
				}
				for _, step := range tc.writes {
					now = time.Unix(0, 0).Add(step.after)
					if n, err := fmt.Fprint(w, step.data); n != len(step.data) || err != nil {
						t.Errorf("%s: Write = %d, %v, want %d", name, n, err, len(step.data))
					}
				}
				return tc.err
			})
			if got[stream] != tc.want {
				t.Errorf("%s: got %s, want %s", name, abbreviate(got[stream]), abbreviate(tc.want))
			}
			if other := got[3-stream]; other != "" {
				t.Errorf("%s: the other stream has %s, want no output", name, abbreviate(other))
			}
		}
	}
}

// abbreviate shortens runs of more than nine equal characters in a string: "aaaaaaaaaa"
// becomes " 10×a ". It returns the result in quotes.
func abbreviate(s string) string {
	var b strings.Builder
	for i, n := 0, 0; i < len(s); i += n {
		for n = 1; i+n < len(s) && s[i+n] == s[i]; n++ {
		}
		if n > 9 {
			fmt.Fprintf(&b, " %d×%c ", n, s[i])
		} else {
			b.WriteString(s[i : i+n])
		}
	}
	return fmt.Sprintf("%q", b.String())
}

// TestOutputMemory checks that the memory for the output of a step is limited, regardless of
// how much the step prints.
func TestOutputMemory(t *testing.T) {
	b := New(t.Context(), Options{Now: func() time.Time { return time.Unix(0, 0) }})
	o := b.newOutput(nil, 1)
	line := []byte(strings.Repeat("y\n", 16<<10))
	for range 10_000 {
		if _, err := o.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	if got := cap(o.tail); got > 2*outputTail {
		t.Errorf("the buffer has %d bytes, want at most %d", got, 2*outputTail)
	}
}
