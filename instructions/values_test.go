package instructions

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/parser"
)

// command parses a line as the only instruction of a stage and returns the result, which must
// have the type C.
func command[C Command](t *testing.T, line string) C {
	t.Helper()
	d, diags := parse(t, "FROM scratch\n"+line+"\n")
	if diags.Err() != nil {
		t.Fatalf("%q: %v", line, diags.Err())
	}
	c, ok := d.Stages[0].Commands[0].(C)
	if !ok {
		t.Fatalf("%q is a %T", line, d.Stages[0].Commands[0])
	}
	return c
}

// checkEqual fails the test unless two values are equal. The message starts with the given
// label.
func checkEqual(t *testing.T, label string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", label, d)
	}
}

// TestMountFields checks the keys, values and ranges of the fields in --mount flags.
func TestMountFields(t *testing.T) {
	for _, tc := range []struct {
		flag, from string
		fields     []string // key|value|range, or key alone
	}{
		{"--mount=type=cache,target=/x", "", []string{"type|cache|type=cache", "target|/x|target=/x"}},
		{"--mount=From=a,from=b,RO", "b", []string{"from|a|From=a", "from|b|from=b", "ro||RO"}},
		{"--mount=from,from=b$", "b$", []string{"from||from", "from|b$|from=b$"}},
		{"--mount='source=a b',ro", "", []string{"source|a b|source=a b", "ro||ro"}},
		{`--mount=\"source=a,b\",ro`, "", []string{`source|a,b|source=a,b`, "ro||ro"}},
		{`--mount=\"source=a\"\"b\",ro`, "", []string{`source|a"b|\"source=a\"\"b\",ro`, "ro||ro"}},
		{"--mount=source=a\\\nb,from=c\\\nd", "cd", []string{"source|ab|source=a\\\nb", "from|cd|from=c\\\nd"}},
		{"--mount=id=é,ro", "", []string{"id|Ã©|id=é", "ro||ro"}},
		{`--mount=source=\$x,ro,`, "", []string{`source|$x|source=\$x`, "ro||ro", "||"}},
		{`--"mount=ro,"from=x`, "x", []string{"ro||ro", "from|x|from=x"}},
	} {
		run := command[*Run](t, "RUN "+tc.flag+" a")
		if len(run.Mounts) != 1 {
			t.Fatalf("%s: %d mounts", tc.flag, len(run.Mounts))
		}
		m := run.Mounts[0]
		var got []string
		for _, f := range m.Fields {
			got = append(got, f.Key+"|"+f.Value+"|"+f.Range.String())
			if f.Text != f.Key && f.HasValue != (len(f.Text) > len(f.Key)) {
				t.Errorf("%s: field %+v", tc.flag, f)
			}
		}
		checkEqual(t, tc.flag, tc.fields, got)
		checkEqual(t, tc.flag+" from", tc.from, m.From)
	}
}

// TestMountEscape checks the ranges of mount fields in a file with ` as the escape
// character.
func TestMountEscape(t *testing.T) {
	d, diags := parse(t, "# escape=`\nFROM a\nRUN --mount=type=bind,source=c:\\x`ü,ro y\n")
	if diags.Err() != nil {
		t.Fatal(diags.Err())
	}
	f := d.Stages[0].Commands[0].(*Run).Mounts[0].Fields
	checkEqual(t, "value", `c:\xÃ¼`, f[1].Value)
	checkEqual(t, "range", "source=c:\\x`ü", f[1].Range.String())
	checkEqual(t, "next range", "ro", f[2].Range.String())
}

// TestDevices checks the values of --device flags.
func TestDevices(t *testing.T) {
	for line, want := range map[string]Device{
		"--device=vendor/class=dev":             {Name: "vendor/class=dev"},
		"--device=vendor/class,required":        {Name: "vendor/class", Required: true},
		"--device=Required,x":                   {Name: "x", Required: true},
		"--device=name=a=b,required=false":      {Name: "a=b"},
		"--device=required=1,name=a":            {Name: "a", Required: true},
		"--device=name=,b":                      {Name: "b"},
		"--device=name":                         {Name: "name"},
		"--device=required=true,required=false": {},
	} {
		run := command[*Run](t, "RUN "+line+" a")
		checkEqual(t, line, []Device{want}, run.Devices)
	}
}

// TestCommandLines checks the arguments of CMD, RUN and ENTRYPOINT in the exec form (JSON)
// and the shell form.
func TestCommandLines(t *testing.T) {
	for _, tc := range []struct {
		args  string
		want  []string
		shell bool
	}{
		{" a  b", []string{"a  b"}, true},
		{` ["a", "b"]`, []string{"a", "b"}, false},
		{` ["a", "b"] c`, []string{`["a", "b"] c`}, true},
		{" []", []string{}, false},
		{"", []string{}, true},
	} {
		cmd := command[*Cmd](t, "CMD"+tc.args)
		checkEqual(t, "CMD"+tc.args, tc.want, values(cmd.Args))
		run := command[*Run](t, "RUN"+tc.args)
		checkEqual(t, "RUN"+tc.args, tc.want, values(run.Args))
		entry := command[*Entrypoint](t, "ENTRYPOINT"+tc.args)
		checkEqual(t, "ENTRYPOINT"+tc.args, tc.want, values(entry.Args))
		checkEqual(t, "shell forms", [3]bool{tc.shell, tc.shell, tc.shell}, [3]bool{cmd.Shell, run.Shell, entry.Shell})
		if cmd.Args == nil || run.Args == nil {
			t.Errorf("%q: CMD %v or RUN %v is nil", tc.args, cmd.Args, run.Args)
		}
		if (entry.Args == nil) != (len(tc.want) == 0) {
			t.Errorf("%q: ENTRYPOINT %#v", tc.args, entry.Args)
		}
	}
}

// TestInline checks the names, the contents and the ranges of the files that heredocs in COPY
// and ADD create.
func TestInline(t *testing.T) {
	for _, tc := range []struct {
		line string
		want []string // name|data|range
	}{
		{"COPY <<A b <<-B /x\n\t1\nA\n\t2\n\tB", []string{"A|\t1\n|\t1\n", "B|2\n|\t2\n"}},
		{"COPY <<A <<A /x\n1\nA\n2\nA", []string{"A|2\n|2\n", "A|2\n|2\n"}},
		{"ADD <<'A' /x\n$1\nA", []string{"A|$1\n|$1\n"}},
		{`COPY ["a", "<<A", "/x"]`, []string{`A||"<<A"`}},
		{`COPY <<"A B" /x` + "\n1\nA B", nil},
		{"COPY <<A /x\nA", []string{"A||"}},
	} {
		var got []string
		for _, i := range command[*Copy](t, tc.line).Inline {
			got = append(got, i.Name+"|"+i.Data+"|"+i.Range.String())
		}
		checkEqual(t, tc.line, tc.want, got)
	}
	if command[*Copy](t, "COPY <<'A' /x\nA").Inline[0].Expand || !command[*Copy](t, "COPY <<A /x\nA").Inline[0].Expand {
		t.Error("Expand does not depend on the quotes around the heredoc's name")
	}
}

// TestOnbuild checks the text of ONBUILD triggers in image configs.
func TestOnbuild(t *testing.T) {
	for line, want := range map[string]string{
		"ONBUILD RUN a":                       "RUN a",
		"  onbuild \t copy a \\\n  b":         "copy a   b",
		"ONBUILD RUN <<A cat <<-B\n1\nA\n\tB": "RUN <<A cat <<-B\n1\nA\nB",
		"ONBUILD\vRUN a":                      "\vRUN a",
		"\\\n\u00a0ONBUILD RUN a":             "\u00a0ONBUILD RUN a",
		"ONBUILD NOSUCH a":                    "NOSUCH a",
	} {
		checkEqual(t, line, want, command[*Onbuild](t, line).Expression)
	}
}

// TestIgnoredFlags checks that ARG, STOPSIGNAL and HEALTHCHECK NONE ignore flags.
func TestIgnoredFlags(t *testing.T) {
	checkEqual(t, "ARG", "a", command[*Arg](t, "ARG --x --y=1 a").Args[0].Key)
	checkEqual(t, "STOPSIGNAL", "9", command[*StopSignal](t, "STOPSIGNAL --x 9").Signal.Value)
	checkEqual(t, "HEALTHCHECK", []string{"NONE"}, command[*Healthcheck](t, "HEALTHCHECK --x none").Test)
}

// TestArg checks the declarations and descriptions in an ARG instruction.
func TestArg(t *testing.T) {
	c := command[*Arg](t, "# b is b\n# a x is a\nARG a=\"b=c\" b c=")
	var got []string
	for _, a := range c.Args {
		s := a.Key + "|" + a.Word.Text.String() + "|" + a.Doc
		if a.Default != nil {
			s += "|" + a.Default.Value + "@" + a.Default.Text.Range().String()
		}
		got = append(got, s)
	}
	checkEqual(t, "ARG", []string{`a|a="b=c"|x is a|"b=c"@"b=c"`, "b|b|is b", "c|c=||@"}, got)
}

// TestStages checks the names and descriptions of stages, and the words of FROM.
func TestStages(t *testing.T) {
	d, diags := parse(t, "ARG x\n# Base is it\n# base is that\nFROM --platform=p a as Base\nUSER u\nFROM b\nARG y\n")
	if diags.Err() != nil {
		t.Fatal(diags.Err())
	}
	checkEqual(t, "global ARGs", 1, len(d.Args))
	st := d.Stages[0]
	checkEqual(t, "first", []string{"base", "is that", "a", "p", "as", "Base"},
		[]string{st.Name, st.Doc, st.From.Base.Value, st.From.Platform.Value, st.From.As.Value, st.From.Name.Value})
	checkEqual(t, "second", []string{"", "", "b", "", "", ""}, []string{
		d.Stages[1].Name, d.Stages[1].Doc, d.Stages[1].From.Base.Value, d.Stages[1].From.Platform.Value,
		d.Stages[1].From.As.Value, d.Stages[1].From.Name.Value,
	})
	checkEqual(t, "code", "FROM --platform=p a as Base", Code(st.From))
	checkEqual(t, "commands", []int{1, 1}, []int{len(st.Commands), len(d.Stages[1].Commands)})
}

// TestExposeSorted checks that Parse sorts the ports of EXPOSE without modifying the syntax
// tree.
func TestExposeSorted(t *testing.T) {
	c := command[*Expose](t, "EXPOSE 9 80 $x 10")
	checkEqual(t, "ports", []string{"$x", "10", "80", "9"}, values(c.Ports))
	checkEqual(t, "words", []string{"9", "80", "$x", "10"}, values(c.In.Args.(*parser.Words).Words))
	checkEqual(t, "text", "80", c.Ports[2].Text.String())
}

// TestVolumeTrimmed checks that Parse trims white space around the paths of VOLUME.
func TestVolumeTrimmed(t *testing.T) {
	c := command[*Volume](t, `VOLUME [" a ", "b"]`)
	checkEqual(t, "paths", []string{"a", "b"}, values(c.Paths))
}

// TestEnvForms checks the keys and values of ENV and LABEL in the form KEY=VALUE and in
// the form KEY VALUE.
func TestEnvForms(t *testing.T) {
	legacy := command[*Env](t, "ENV a b=c  d")
	checkEqual(t, "legacy", []string{"a", "b=c  d"}, []string{legacy.Pairs[0].Key.Value, legacy.Pairs[0].Value.Value})
	pairs := command[*Label](t, `LABEL "a b"='c' d=`)
	checkEqual(t, "pairs", []string{`"a b"`, "'c'", "d", ""}, []string{
		pairs.Pairs[0].Key.Value, pairs.Pairs[0].Value.Value, pairs.Pairs[1].Key.Value, pairs.Pairs[1].Value.Value,
	})
	checkEqual(t, "forms", []bool{true, false}, []bool{legacy.Legacy, pairs.Legacy})
}

// TestFlagWords checks the values and ranges of flags that contain line continuations.
func TestFlagWords(t *testing.T) {
	c := command[*Copy](t, "COPY --from=a\\\nb --chown='x y' --exclude=*.a --exclude=b --link=FALSE --parents x /y")
	checkEqual(t, "from", []string{"ab", "a\\\nb", "ab"}, []string{c.From.Value, c.From.Text.Range().String(), c.From.Text.String()})
	checkEqual(t, "chown", []string{"x y", "'x y'"}, []string{c.Chown.Value, c.Chown.Text.String()})
	checkEqual(t, "exclude", []string{"*.a", "b"}, c.Exclude)
	checkEqual(t, "bools", []bool{false, true}, []bool{c.Link, c.Parents})
	if c.KeepGit != nil || c.Unpack != nil || c.Chmod.Value != "" || !c.Chmod.Text.IsZero() {
		t.Errorf("absent flags have values: %+v", c)
	}
	add := command[*Copy](t, "ADD --keep-git-dir --unpack=false --checksum=sha256:0 x /y")
	if add.KeepGit == nil || !*add.KeepGit || add.Unpack == nil || *add.Unpack || add.Checksum.Value != "sha256:0" {
		t.Errorf("flags of ADD: %+v", add)
	}
}
