package answers

import (
	"encoding/json"
	"strings"
	"testing"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/google/go-cmp/cmp"
)

// TestCompare checks the text of the differences between the plan of testPlan and a changed copy.
func TestCompare(t *testing.T) {
	rekey := func(p *Plan, from string) { // as if the step with this text had changed
		found := false
		for _, s := range p.Stages {
			for _, x := range s.Steps {
				if found = found || x.Text == from; found && x.Text != "RUN other" {
					x.Key += " changed"
				}
			}
		}
	}
	for _, tc := range []struct {
		about  string
		change func(was, is *Plan)
		want   string
	}{
		{"nothing", func(*Plan, *Plan) {}, "no difference in 6 steps\n"},
		{"a variable", func(was, is *Plan) {
			was.Stages[0].Steps[1].Env, is.Stages[0].Steps[1].Env = []string{"A=1", "B=2"}, []string{"A=2", "C=3"}
			rekey(is, "RUN one")
		}, `a 2  ~ RUN one            Dockerfile:2  changed: A is now "2", was "1", C is set to "3", B is no longer set
a 3  > RUN two            Dockerfile:3  rebuilt: a 2
b 2  > COPY --from=a / /  Dockerfile:2  rebuilt: a 3
b 3  > RUN last           Dockerfile:3  rebuilt: b 2
4 of 6 steps rebuild
`},
		{"the base", func(was, is *Plan) {
			was.Sources[0].Resolved, is.Sources[0].Resolved = "x@sha256:1", "x@sha256:2"
			rekey(is, "FROM x")
		}, `a 1  ~ FROM x             Dockerfile:1  changed: the image is now "x@sha256:2", was "x@sha256:1"
a 2  > RUN one            Dockerfile:2  rebuilt: a 1
a 3  > RUN two            Dockerfile:3  rebuilt: a 2
b 2  > COPY --from=a / /  Dockerfile:2  rebuilt: a 3
b 3  > RUN last           Dockerfile:3  rebuilt: b 2
5 of 6 steps rebuild
`},
		{"files", func(was, is *Plan) {
			was.Stages[1].Steps[0].Content, is.Stages[1].Steps[0].Content = "1", "2"
		}, `b 1  ~ RUN other          Dockerfile:1  changed: the files that it reads
b 2  > COPY --from=a / /  Dockerfile:2  rebuilt: b 1
b 3  > RUN last           Dockerfile:3  rebuilt: b 2
3 of 6 steps rebuild
`},
		{"files that are unknown", func(was, is *Plan) {
			for _, p := range []*Plan{was, is} {
				p.Sources = append(p.Sources, &Source{ID: "i1", Kind: SourceContext})
				p.Stages[1].Steps[0].Reads = []*Read{{From: "i1", Paths: []string{"."}}}
			}
		}, "b 1  ? RUN other  Dockerfile:1  rebuilt if its files differ\nno difference in 6 steps\n"},
		{"a new step and one that is gone", func(_, is *Plan) {
			is.Stages[1].Steps[0].Text = "RUN another"
			is.Stages[1].Steps[1].Key += " changed"
			is.Stages[1].Steps[2].Key += " changed"
		}, `b 1  - RUN other          Dockerfile:1  gone
b 1  + RUN another        Dockerfile:1  new
b 2  > COPY --from=a / /  Dockerfile:2  rebuilt: b 1
b 3  > RUN last           Dockerfile:3  rebuilt: b 2
3 of 6 steps rebuild
`},
		{"a stage that is not needed any more", func(was, is *Plan) {
			is.Stages[0].Reachable = false
			is.Stages[1].Steps = is.Stages[1].Steps[:1]
			was.Stages[1].Steps = was.Stages[1].Steps[:1]
		}, `a 1  - FROM x   Dockerfile:1  gone
a 2  - RUN one  Dockerfile:2  gone
a 3  - RUN two  Dockerfile:3  gone
0 of 1 step rebuilds
`},
		{"the config", func(was, is *Plan) {
			was.Stages[1].Config = &dockerspec.DockerOCIImageConfig{ImageConfig: ocispecs.ImageConfig{Cmd: []string{"a"}, User: "u"}}
			is.Stages[1].Config = &dockerspec.DockerOCIImageConfig{ImageConfig: ocispecs.ImageConfig{Cmd: []string{"b"}}}
		}, "config  ~ Cmd is now [\"b\"], was [\"a\"]\nconfig  ~ User is now unset, was \"u\"\n0 of 6 steps rebuild\n"},
	} {
		was, is := testPlan(), testPlan()
		tc.change(was, is)
		d := Compare(was, is)
		var got strings.Builder
		if err := d.WriteText(&got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.about, diff)
		}
		if same := strings.HasSuffix(tc.want, "no difference in 6 steps\n"); d.Differs() == same {
			t.Errorf("%s: Differs() is %t", tc.about, d.Differs())
		}
	}
}

// TestPair checks that steps are paired by a longest common subsequence of their texts.
func TestPair(t *testing.T) {
	steps := func(texts string) (list []*Step) {
		for word := range strings.FieldsSeq(texts) {
			list = append(list, &Step{Kind: StepRun, Text: word})
		}
		return list
	}
	for _, tc := range []struct{ old, now, want string }{
		{"", "", ""},
		{"a b c", "a b c", "a b c"},
		{"a b c", "a c", "a -b c"},
		{"a c", "a b c", "a +b c"},
		{"a b c d", "x b d y", "-a +x b -c d +y"},
		{"a a b", "a b a", "a -a b +a"},
		{"a b", "", "-a -b"},
	} {
		var got []string
		for _, p := range pair(steps(tc.old), steps(tc.now)) {
			switch {
			case p.is == nil:
				got = append(got, "-"+p.was.Text)
			case p.was == nil:
				got = append(got, "+"+p.is.Text)
			default:
				got = append(got, p.is.Text)
			}
		}
		if text := strings.Join(got, " "); text != tc.want {
			t.Errorf("%q and %q: got %q, want %q", tc.old, tc.now, text, tc.want)
		}
	}
}

// TestJSON checks that a plan survives its JSON, except for what only this process knows.
func TestJSON(t *testing.T) {
	p := testPlan()
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	again := &Plan{}
	if err := json.Unmarshal(data, again); err != nil {
		t.Fatal(err)
	}
	if d := Compare(p, again); d.Differs() {
		t.Errorf("differs: %+v", d)
	}
}
