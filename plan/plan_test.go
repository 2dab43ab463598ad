package plan

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/ignore"
	"slipway/instructions"
	"slipway/internal/slowtest"
	"slipway/parser"
	"slipway/source"
)

// imageResolver is a Resolver that returns, for every image, a config for the requested
// platform. An image with nosuch in its name does not exist. An image with onbuild in its
// name has a trigger.
type imageResolver struct{}

func (imageResolver) Image(_ context.Context, ref string, q ImageQuery) (*Resolved, error) {
	if strings.Contains(ref, "nosuch") {
		return nil, fmt.Errorf("%s: not found", ref)
	}
	config := fmt.Sprintf(`{"os":%q,"architecture":%q,"rootfs":{"type":"layers","diff_ids":["sha256:%064d"]},`+
		`"config":{"Env":["BASE=1"],"WorkingDir":"/base","OnBuild":["RUN trigger"]}}`, q.Platform.OS, q.Platform.Architecture, 1)
	if !strings.Contains(ref, "onbuild") {
		config = strings.ReplaceAll(config, `,"OnBuild":["RUN trigger"]`, "")
	}
	return &Resolved{Ref: ref, Config: []byte(config)}, nil
}

func (imageResolver) Context(context.Context, string, *ocispecs.Platform) (NamedContext, error) {
	return nil, nil
}

func (imageResolver) Time(context.Context, TimeSource) (*time.Time, error) { return nil, nil }
func (imageResolver) Ignore(context.Context) (*ignore.Matcher, error)      { return nil, nil }

// build parses and plans a Dockerfile. By default, the target platform is linux/amd64 and
// the images come from imageResolver.
func build(text string, opt Options) (*Plan, error) {
	f, diags := parser.Parse(source.NewFile("Dockerfile", []byte(text)))
	if err := diags.Err(); err != nil {
		return nil, err
	}
	d, diags := instructions.Parse(f)
	if err := diags.Err(); err != nil {
		return nil, err
	}
	if opt.Resolver == nil {
		opt.Resolver = imageResolver{}
	}
	if opt.Platform == nil {
		opt.Platform = &ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	}
	return Build(context.Background(), d, opt)
}

// names returns the progress names of all steps in the reachable stages, such as "[1/4] FROM
// IMAGE".
func names(p *Plan) []string {
	var list []string
	for _, st := range p.Stages {
		if !st.Reachable {
			continue
		}
		if st.BaseStep != nil {
			list = append(list, st.BaseStep.Name)
		}
		for _, v := range st.Visits {
			if v.Step != nil {
				list = append(list, v.Step.Info().Name)
			}
		}
	}
	return list
}

// TestNames checks the names of build steps in the progress output, such as the stage
// name and the step numbers.
func TestNames(t *testing.T) {
	for _, tc := range []struct {
		name, file string
		want       []string
	}{
		{
			"names omit the only stage and unneeded steps",
			"FROM a\nRUN x\nWORKDIR /\nCOPY b c\n",
			[]string{"[1/4] FROM docker.io/library/a:latest", "[2/4] RUN x", "[3/4] COPY b c"},
		},
		{
			"names include stages and count triggers",
			"FROM onbuild AS one\nrun $BASE\nFROM nosuch\nFROM one\nADD d e\n",
			[]string{
				"[one 1/2] FROM docker.io/library/onbuild:latest", "[one 2/3] ONBUILD RUN trigger", "[one 3/3] RUN 1",
				"[stage-2 1/1] ADD d e",
			},
		},
		{
			"names mask secrets and preserve unset variables",
			"FROM scratch\nENV T=x\nRUN --mount=type=secret,id=t,env=T echo $T $U \"$BASE\"\n",
			[]string{`[stage-0 1/1] RUN --mount=type=secret,id=t,env=T echo **** $U "$BASE"`},
		},
	} {
		p, err := build(tc.file, Options{})
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if diff := cmp.Diff(tc.want, names(p)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

// TestConfig checks the image config of a stage that is based on another stage, and the order of
// the variables that it inherits.
func TestConfig(t *testing.T) {
	p, err := build("FROM a AS b\nARG A=1\nENV B=$A BASE=2\nFROM b\nWORKDIR c\nUSER d\nLABEL e=$BASE\n", Options{Labels: map[string]string{"e": "f"}})
	if err != nil {
		t.Fatal(err)
	}
	c := p.Target.Image.Config
	got := []any{c.Env, c.WorkingDir, c.User, c.Labels}
	want := []any{
		[]string{"BASE=2", "PATH=" + unixPath, "B=1"}, "/base/c", "d", map[string]string{"e": "f"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if got := strings.Join(p.Target.Final.Env.Keys(), " "); got != "A BASE PATH B" {
		t.Errorf("variables in the order %q, want %q", got, "A BASE PATH B")
	}
}

// TestErrors checks the message of each planning error, and the source text to which its
// range points.
func TestErrors(t *testing.T) {
	for _, tc := range []struct {
		file, message, at string
		opt               Options
	}{
		{"ARG x=1\n", "dockerfile contains no stages to build", "ARG x=1\n", Options{}},
		{"FROM a AS build\n", `target stage "biuld" could not be found (did you mean build?)`, "", Options{Target: "biuld"}},
		{"FROM nosuch\n", "nosuch: docker.io/library/nosuch:latest: not found", "nosuch", Options{}},
		{"FROM $X\n", "base name ($X) should not be blank", "$X", Options{}},
		{"FROM a\nENV x=\"${y:?no}\"\n", `failed to process "\"${y:?no}\"": y: no`, `${y:?no}"`, Options{}},
		{"FROM a\nCOPY --from=$S x y\n", "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround", "$S", Options{}},
		{"FROM a AS a\nCOPY --from=b x y\nFROM a AS b\nCOPY --from=a x y\nFROM a\n", "circular dependency detected on stage: a", "b", Options{}},
		{"FROM a\nRUN --mount=type=cach,target=/x y\n", `unsupported mount type "cach" (did you mean cache?)`, "type=cach", Options{}},
		{"FROM a\nEXPOSE 80 \\\n 1/ftp\n", `invalid port: "1/ftp": invalid proto: ftp`, "ftp", Options{}},
		{"FROM a\nCOPY --chmod=abc x y\n", "", "abc", Options{}},
	} {
		_, err := build(tc.file, tc.opt)
		d := diagnosticOf(err)
		if d == nil || tc.message != "" && d.Message != tc.message || d.Range.String() != tc.at {
			t.Errorf("%q: %v", tc.file, err)
			if d != nil {
				t.Logf("at %q, want %q", d.Range, tc.at)
			}
		}
	}
}

// TestPaths checks that the plan lists exactly the paths that reachable stages read from
// the context, because the client sends only these paths.
func TestPaths(t *testing.T) {
	p, err := build("FROM a AS b\nCOPY x ./y/ /d/\nFROM a AS unused\nCOPY z /\nFROM b\nADD https://e/f ../g /d/\n", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"g", "x", "y"}, p.Context.Filter()); diff != "" {
		t.Errorf("paths of the context (-want +got):\n%s", diff)
	}
}

// TestEnv checks that a change to one version of an Env does not affect other versions,
// although they share memory.
func TestEnv(t *testing.T) {
	a := NewEnv([]string{"x=1", "y=2"})
	b := a.Set("x", "3")
	c := a.Set("z", "4")
	for _, tc := range []struct {
		env  Env
		want string
	}{{a, "x=1 y=2"}, {b, "y=2 x=3"}, {c, "x=1 y=2 z=4"}, {b.Fork().Set("y", ""), "x=3 y="}, {c.Without("y"), "x=1 z=4"}} {
		var got []string
		tc.env.Each(func(k, v string) { got = append(got, k+"="+v) })
		if s := strings.Join(got, " "); s != tc.want {
			t.Errorf("got %q, want %q", s, tc.want)
		}
	}
}

// TestLarge plans a file with 5000 stages, to detect quadratic algorithms, which would
// take minutes.
func TestLarge(t *testing.T) {
	slowtest.Skip(t, "plans large files")
	var b strings.Builder
	b.WriteString("FROM a AS s0\n")
	for i := range 5000 {
		fmt.Fprintf(&b, "FROM s%d AS s%d\nENV A%d=$A%d\nRUN x\n", i, i+1, i%10, i%7)
	}
	p, err := build(b.String(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(p.Stages); n != 5001 {
		t.Errorf("%d stages, want 5001", n)
	}
}

// TestHistory checks that stages with the same base do not overwrite each other's history
// entries.
func TestHistory(t *testing.T) {
	p, err := build("FROM a AS a\nRUN 1\nRUN 2\nFROM a AS b\nRUN b\nFROM a AS c\nRUN c\nFROM a\nRUN d\nCOPY --from=b x y\nCOPY --from=c x y\n", Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"2", "b", "c"} {
		h := p.Stages[i].Image.History
		if got := h[len(h)-1].CreatedBy; !strings.HasSuffix(got, want+" # buildkit") {
			t.Errorf("stage %d ends with %q, want %s", i, got, want)
		}
	}
}

// TestPlatformArgs checks the values of the predefined ARGs for different build and
// target platforms.
func TestPlatformArgs(t *testing.T) {
	names := []string{
		"BUILDPLATFORM", "BUILDOS", "BUILDARCH", "BUILDVARIANT",
		"TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT", "TARGETSTAGE",
	}
	file := "FROM scratch AS one\nARG " + strings.Join(names, " ") + "\nFROM scratch AS two\n"
	p, err := build(file, Options{
		Target:         "one",
		Platform:       &ocispecs.Platform{OS: "linux", Architecture: "arm", Variant: "v7"},
		BuildPlatforms: []ocispecs.Platform{{OS: "windows", Architecture: "arm64", Variant: "v8"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, n := range names {
		got[n], _ = p.Target.Final.Env.Lookup(n)
	}
	want := map[string]string{
		"BUILDPLATFORM": "windows/arm64/v8", "BUILDOS": "windows", "BUILDARCH": "arm64", "BUILDVARIANT": "v8",
		"TARGETPLATFORM": "linux/arm/v7", "TARGETOS": "linux", "TARGETARCH": "arm", "TARGETVARIANT": "v7", "TARGETSTAGE": "one",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("predefined ARGs (-want +got):\n%s", diff)
	}
}
