package plan_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/diag"
	"slipway/frontend/options"
	"slipway/ignore"
	"slipway/instructions"
	"slipway/internal/golden"
	"slipway/parser"
	"slipway/plan"
	"slipway/source"
)

// TestCorpus compares the plan of each case with the section out/plan: the steps
// with everything that they do, and the config of the image.
func TestCorpus(t *testing.T) {
	golden.Run(t, func(t *testing.T, c *golden.Case) {
		if len(c.Dockerfile()) == 0 || len(c.Dockerfile()) > 8<<10 {
			c.Remove(t, "plan") // comes from elsewhere, or is a large one that shows a limit
			return
		}
		var b strings.Builder
		if err := dumpCase(t.Context(), &b, c); err != nil {
			dumpError(&b, err)
		}
		c.CheckOrCreate(t, "plan", []byte(b.String()))
	})
}

func dumpCase(ctx context.Context, w io.Writer, c *golden.Case) error {
	f, diags := parser.Parse(source.NewFile(c.DockerfileName(), c.Dockerfile()))
	if err := diags.Err(); err != nil {
		return err
	}
	d, diags := instructions.Parse(f)
	if err := diags.Err(); err != nil {
		return err
	}
	o, err := options.Parse(c.Opts)
	if err != nil {
		return err
	}
	opt := o.Plan
	opt.Resolver = corpusImages{c}
	opt.Platform = &ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	if len(o.Platforms) > 0 {
		opt.Platform = &o.Platforms[0]
	}
	p, err := plan.Build(ctx, d, opt)
	if err != nil {
		return err
	}
	dumpPlan(w, p)
	return nil
}

// corpusImages answers a plan's questions. Images have the config below; if their
// names contain "onbuild", with a trigger.
type corpusImages struct{ c *golden.Case }

const corpusConfig = `{"os":%q,"architecture":%q,"variant":%q,"created":"2020-01-02T03:04:05Z",` +
	`"rootfs":{"type":"layers","diff_ids":["sha256:%064d"]},"history":[{"created":"2020-01-02T03:04:05Z","created_by":"base"}],` +
	`"config":{"Env":["BASE=1"],"Entrypoint":["/base"],"Cmd":["base"],"WorkingDir":"/base","Labels":{"base":"1"}%s}}`

// Image implements [plan.Resolver].
func (corpusImages) Image(_ context.Context, ref string, q plan.ImageQuery) (*plan.Resolved, error) {
	more := ""
	if strings.Contains(ref, "onbuild") {
		more = `,"OnBuild":["RUN trigger"]`
	}
	p := q.Platform
	return &plan.Resolved{Ref: ref, Config: fmt.Appendf(nil, corpusConfig, p.OS, p.Architecture, p.Variant, 1, more)}, nil
}

// Context implements [plan.Resolver].
func (corpusImages) Context(context.Context, string, *ocispecs.Platform) (plan.NamedContext, error) {
	return nil, nil
}

// Time implements [plan.Resolver].
func (corpusImages) Time(context.Context, plan.TimeSource) (*time.Time, error) { return nil, nil }

// Ignore implements [plan.Resolver].
func (corpusImages) Ignore(context.Context) (*ignore.Matcher, error) { return nil, nil }

func dumpError(w io.Writer, err error) {
	var d *diag.Diagnostic
	if errors.As(err, &d) {
		first, last := d.Range.Lines()
		fmt.Fprintf(w, "error %d-%d %s\n", first, last, d.Message)
		return
	}
	fmt.Fprintf(w, "error %v\n", err)
}

func dumpPlan(w io.Writer, p *plan.Plan) {
	for _, st := range p.Stages {
		if !st.Reachable {
			continue
		}
		fmt.Fprintf(w, "stage %d %q base %T %q", st.Index, st.Name, st.Base, st.BaseName)
		if st == p.Target {
			fmt.Fprint(w, " target")
		}
		if st.Scan != (plan.Scan{}) {
			fmt.Fprintf(w, " scan %+v", st.Scan)
		}
		fmt.Fprintln(w)
		if st.BaseStep != nil {
			fmt.Fprintf(w, "  base %s\n", st.BaseStep.Name)
		}
		for _, v := range st.Visits {
			if v.Step != nil {
				dumpStep(w, v)
			}
		}
	}
	if p.Context != nil {
		fmt.Fprintf(w, "context%s\n", plain(reflect.ValueOf(p.Context)))
	}
	if p.Target == nil {
		return
	}
	image, err := json.Marshal(p.Target.Image)
	if err != nil {
		panic(err) // the config consists of strings, numbers and times
	}
	fmt.Fprintf(w, "image %s\n", image)
}

func dumpStep(w io.Writer, v *plan.Visit) {
	info := v.Step.Info()
	first, last := info.Range.Lines()
	fmt.Fprintf(w, "  %d-%d %s\n", first, last, strings.ReplaceAll(info.Name, "\n", "⏎"))
	if info.NoCache {
		fmt.Fprintln(w, "    NoCache")
	}
	val := reflect.ValueOf(v.Step).Elem()
	for i := range val.NumField() {
		name := val.Type().Field(i).Name
		if name == "StepInfo" || val.Field(i).IsZero() {
			continue
		}
		if name == "State" {
			dumpState(w, val.Field(i).Interface().(plan.State))
			continue
		}
		fmt.Fprintf(w, "    %s%s\n", name, plain(val.Field(i)))
	}
}

// dumpState prints what a process sees.
func dumpState(w io.Writer, s plan.State) {
	fmt.Fprintf(w, "    Env %q\n    Dir %q", s.Env.Entries(), s.Dir)
	if s.User != "" {
		fmt.Fprintf(w, " User %q", s.User)
	}
	if s.Hostname != "" {
		fmt.Fprintf(w, " Hostname %q", s.Hostname)
	}
	if s.Platform != nil {
		fmt.Fprintf(w, " Platform %s/%s/%s", s.Platform.OS, s.Platform.Architecture, s.Platform.Variant)
	}
	fmt.Fprintln(w)
}

// plain prints a value in one line: of structs the fields that are not zero, and of
// stages their number.
func plain(v reflect.Value) string {
	switch v.Kind() { //nolint:exhaustive // the others are printed as they are
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return " none"
		}
		if st, ok := v.Interface().(*plan.Stage); ok {
			return fmt.Sprintf(" stage %d", st.Index)
		}
		return plain(v.Elem())
	case reflect.Struct:
		var b strings.Builder
		fmt.Fprintf(&b, " %s{", v.Type().Name())
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && !v.Field(i).IsZero() {
				fmt.Fprintf(&b, " %s:%s", f.Name, plain(v.Field(i)))
			}
		}
		return b.String() + " }"
	case reflect.Slice:
		var list []string
		for i := range v.Len() {
			list = append(list, plain(v.Index(i)))
		}
		return " [" + strings.Join(list, ",") + " ]"
	case reflect.String:
		return fmt.Sprintf(" %q", v.String())
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		return fmt.Sprint(" ", keys)
	}
	return fmt.Sprint(" ", v)
}
