package plan_test

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/plan"
	"slipway/source"
)

// defaultArgs returns the predefined ARGs as KEY=VALUE, for a build of the last stage. The
// build platform and the target platform are linux/amd64.
func defaultArgs() []string {
	return []string{
		"BUILDPLATFORM=linux/amd64", "BUILDOS=linux", "BUILDOSVERSION=", "BUILDARCH=amd64", "BUILDVARIANT=",
		"TARGETPLATFORM=linux/amd64", "TARGETOS=linux", "TARGETOSVERSION=", "TARGETARCH=amd64", "TARGETVARIANT=",
		"TARGETSTAGE=default",
	}
}

// planText returns the output of dumpPlan as a string.
func planText(p *plan.Plan) string {
	var b strings.Builder
	dumpPlan(&b, p)
	return b.String()
}

// dumpPlan prints the base and the steps of each stage. It omits default values:
// predefined ARGs for linux/amd64, the stage's own platform, and zero values.
func dumpPlan(w io.Writer, p *plan.Plan) {
	changed := slices.DeleteFunc(p.Predefined.Entries(), func(kv string) bool { return slices.Contains(defaultArgs(), kv) })
	if len(changed) > 0 {
		fmt.Fprintf(w, "predefined %q\n", changed)
	}
	for _, g := range p.Declarations {
		fmt.Fprintf(w, "global %s\n", assignment(g.Decl.Key, g.Value, g.Set))
	}
	if p.Epoch != nil {
		fmt.Fprintf(w, "epoch %d\n", p.Epoch.Unix())
	}
	for _, st := range p.Stages {
		dumpStage(w, p, st)
	}
	if p.Context != nil && len(p.Context.Filter()) > 0 {
		fmt.Fprintf(w, "reads of the context %q\n", p.Context.Filter())
	}
}

// assignment formats a variable as NAME="VALUE", or as "NAME unset" if the variable is not set.
func assignment(key, value string, set bool) string {
	if !set {
		return key + " unset"
	}
	return fmt.Sprintf("%s=%q", key, value)
}

// dumpStage prints the base, the edges and the steps of a stage.
func dumpStage(w io.Writer, p *plan.Plan, st *plan.Stage) {
	fmt.Fprintf(w, "stage %d %q", st.Index, st.Name)
	if st.Replaced != nil {
		fmt.Fprint(w, " replaced by a named context")
	}
	if !st.Reachable {
		fmt.Fprint(w, " not needed\n")
		return
	}
	fmt.Fprintf(w, " from %s", base(st))
	if st.Platform != nil && platforms.FormatAll(*st.Platform) != "linux/amd64" {
		fmt.Fprintf(w, " on %s", platforms.FormatAll(*st.Platform))
	}
	if st == p.Target {
		fmt.Fprint(w, ", the target")
	}
	if st.NoCache {
		fmt.Fprint(w, ", no cache")
	}
	if st.Scan != (plan.Scan{}) {
		fmt.Fprintf(w, ", scan%s", formatValue(reflect.ValueOf(st.Scan)))
	}
	fmt.Fprintln(w)
	if len(st.Deps) > 0 {
		var deps []string
		for _, d := range st.Deps {
			deps = append(deps, fmt.Sprintf("%d (%s)", d.To.Index, lines(d.At)))
		}
		fmt.Fprintf(w, "  uses stage %s\n", strings.Join(deps, ", "))
	}
	if st.BaseStep != nil {
		fmt.Fprintf(w, "  %s: pull %s\n", lines(st.BaseStep.Range), oneLine(st.BaseStep.Name))
	}
	dumpVisits(w, st)
}

// base formats the base of a stage for a dump, such as "stage 1" or "image alpine".
func base(st *plan.Stage) string {
	switch b := st.Base.(type) {
	case *plan.FromStage:
		return fmt.Sprintf("stage %d", b.Stage.Index)
	case *plan.FromImage:
		return "image " + b.Ref
	case *plan.FromContext:
		return fmt.Sprintf("context %q", b.Input.Name)
	case plan.Scratch:
		return "scratch"
	}
	return fmt.Sprintf("%T", st.Base)
}

// dumpVisits prints the steps of a stage and the facts for build checks. It prints only
// the changes to the environment since the previous step.
func dumpVisits(w io.Writer, st *plan.Stage) {
	var before plan.State
	for _, v := range st.Visits {
		var facts []string
		for _, f := range v.Facts {
			facts = append(facts, fact(f))
		}
		if v.Step == nil {
			if len(facts) > 0 {
				fmt.Fprintf(w, "  %s: %s\n", lines(v.Range), strings.Join(facts, ", "))
			}
			continue
		}
		info := v.Step.Info()
		fmt.Fprintf(w, "  %s: %s", lines(info.Range), oneLine(info.Name))
		if v.Onbuild {
			fmt.Fprint(w, ", a trigger")
		}
		if info.NoCache != st.NoCache {
			fmt.Fprintf(w, ", no cache %t", info.NoCache)
		}
		if info.Description == "" {
			fmt.Fprint(w, ", no description")
		}
		for _, f := range facts {
			fmt.Fprintf(w, ", %s", f)
		}
		fmt.Fprintln(w)
		before = dumpStep(w, st, v.Step, before)
	}
}

// dumpStep prints the nonzero fields of a step, and the differences between its state and the
// state of the previous step. It returns the state of the step.
func dumpStep(w io.Writer, st *plan.Stage, step plan.Step, before plan.State) plan.State {
	val := reflect.ValueOf(step).Elem()
	for i := range val.NumField() {
		name, f := val.Type().Field(i).Name, val.Field(i)
		switch x := f.Interface().(type) {
		case plan.StepInfo:
			continue
		case plan.State:
			dumpState(w, st, x, before)
			before = x
			continue
		case ocispecs.Platform:
			if st.Platform != nil && reflect.DeepEqual(x, *st.Platform) {
				continue
			}
		}
		if f.IsZero() || name == "Security" && f.String() == "sandbox" {
			continue
		}
		fmt.Fprintf(w, "    %s%s\n", name, formatValue(f))
	}
	return before
}

// dumpState prints how the state s of a step differs from the state of the previous step.
func dumpState(w io.Writer, st *plan.Stage, s, before plan.State) {
	env, had := s.Env.Entries(), before.Env.Entries()
	n := len(had)
	switch {
	case n > 0 && slices.Equal(env, had):
	case n > 0 && n < len(env) && slices.Equal(env[:n], had):
		fmt.Fprintf(w, "    Env as before and %q\n", env[n:])
	default:
		fmt.Fprintf(w, "    Env %q\n", env)
	}
	if s.Dir != before.Dir || s.User != before.User || s.Hostname != before.Hostname {
		fmt.Fprintf(w, "    Dir %q", s.Dir)
		if s.User != before.User {
			fmt.Fprintf(w, " User %q", s.User)
		}
		if s.Hostname != before.Hostname {
			fmt.Fprintf(w, " Hostname %q", s.Hostname)
		}
		fmt.Fprintln(w)
	}
	if !reflect.DeepEqual(s.Platform, st.Platform) {
		fmt.Fprintf(w, "    Platform%s\n", formatValue(reflect.ValueOf(s.Platform)))
	}
}

// fact formats a fact for a dump, such as "sets KEY" for an assignment.
func fact(f plan.Fact) string {
	switch f := f.(type) {
	case *plan.Unset:
		var names []string
		for _, u := range f.Uses {
			names = append(names, u.Name)
		}
		return "unset " + strings.Join(names, " ")
	case *plan.Assigned:
		return "sets " + f.Key
	case *plan.Directory:
		if f.Absolute {
			return fmt.Sprintf("absolute %q", f.Path)
		}
		return fmt.Sprintf("relative %q", f.Path)
	case *plan.Exposed:
		return fmt.Sprintf("exposes%s", formatValue(reflect.ValueOf(f.Port)))
	case *plan.Excluded:
		return fmt.Sprintf("ignored %q", f.Path)
	}
	return fmt.Sprintf("%T", f)
}

// lines formats the line numbers of a range in a Dockerfile, such as 3 or 3-5.
func lines(r source.Range) string {
	if r.IsZero() {
		return "-"
	}
	first, last := r.Lines()
	if first == last {
		return fmt.Sprint(first)
	}
	return fmt.Sprintf("%d-%d", first, last)
}

// oneLine replaces the line breaks in s with a visible character.
func oneLine(s string) string { return strings.ReplaceAll(s, "\n", "⏎") }

// formatValue formats a value in one line. It prints the nonzero fields of structs and
// the indexes of stages.
func formatValue(v reflect.Value) string {
	switch v.Kind() { //nolint:exhaustive // fmt prints the other kinds
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return " none"
		}
		if st, ok := v.Interface().(*plan.Stage); ok {
			return fmt.Sprintf(" stage %d", st.Index)
		}
		return formatValue(v.Elem())
	case reflect.Struct:
		if p, ok := v.Interface().(ocispecs.Platform); ok {
			return " " + platforms.FormatAll(p)
		}
		var b strings.Builder
		fmt.Fprintf(&b, " %s{", v.Type().Name())
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && !v.Field(i).IsZero() {
				value := formatValue(v.Field(i))
				if f.Name == "Mode" {
					value = fmt.Sprintf(" %#o", reflect.Indirect(v.Field(i)).Uint())
				}
				fmt.Fprintf(&b, " %s:%s", f.Name, value)
			}
		}
		return b.String() + " }"
	case reflect.Slice:
		var list []string
		for i := range v.Len() {
			list = append(list, formatValue(v.Index(i)))
		}
		return " [" + strings.Join(list, ",") + " ]"
	case reflect.String:
		return fmt.Sprintf(" %q", v.String())
	}
	return fmt.Sprint(" ", v)
}
