package instructions

import (
	"fmt"
	"strings"
	"testing"

	"slipway/diag"
	"slipway/parser"
	"slipway/source"
)

// parse parses a Dockerfile, which must be valid in BuildKit's grammar.
func parse(t testing.TB, text string) (*Dockerfile, diag.List) {
	t.Helper()
	f, diags := parser.Parse(source.NewFile("Dockerfile", []byte(text)))
	if diags.Err() != nil {
		t.Fatalf("%q: %v", text, diags.Err())
	}
	return Parse(f)
}

// TestErrors checks the message and the range of the error that the second line of a file
// causes.
func TestErrors(t *testing.T) {
	for _, tc := range []struct{ line, message, at string }{
		{"NOSUCH x", "unknown instruction: NOSUCH", "NOSUCH"},
		{"COPPY x y", "unknown instruction: COPPY (did you mean COPY?)", "COPPY"},
		{"wrkdir /x", "unknown instruction: wrkdir (did you mean workdir?)", "wrkdir"},
		{"RuM x", "unknown instruction: RuM (did you mean run?)", "RuM"},

		{"RUN --x y", "unknown flag: --x", "--x"},
		{"COPY --fron=b x y", "unknown flag: --fron (did you mean from?)", "--fron"},
		{"COPY --checksum=sha256:0 x y", "unknown flag: --checksum", "--checksum"},
		{"ADD --from=b x y", "unknown flag: --from", "--from"},
		{"ENV --x a=b", "unknown flag: --x", "--x"},
		{"ENV --x", "unknown flag: --x", "--x"},
		{"LABEL --x a=b", "unknown flag: --x", "--x"},
		{"CMD --x a", "unknown flag: --x", "--x"},
		{"ENTRYPOINT --x a", "unknown flag: --x", "--x"},
		{"SHELL --x a", "unknown flag: --x", "--x"},
		{"ONBUILD --x RUN a", "unknown flag: --x", "--x"},
		{"USER --x=1 a", "unknown flag: --x", "--x"},
		{"USER --x=1", "USER requires exactly one argument", "USER"},
		{"WORKDIR --x a", "unknown flag: --x", "--x"},
		{"MAINTAINER --boo a", "unknown flag: --boo", "--boo"},
		{"EXPOSE --x 1", "unknown flag: --x", "--x"},
		{"VOLUME --x", "VOLUME requires at least one argument", "VOLUME"},
		{"COPY --chown=a --link --chown=b x y", "duplicate flag specified: --chown", "--chown=b"},
		{"COPY --chown x y", "missing a value on flag: --chown", "--chown x"},
		{"COPY --exclude x y", "missing a value on flag: --exclude", "--exclude x"},
		{"COPY --link= x y", "missing a value on flag: --link", "--link="},
		{"COPY --link=\"1\" x y", "expecting boolean value for flag --link, not: 1", `"1"`},
		{"COPY --li\\\n  nk=1 x y", "unknown flag: --li (did you mean link?)", "--li"},
		{"COPY --li\\\nnk=1 x y", "expecting boolean value for flag --link, not: 1", "1"},

		{"FROM", "FROM requires either one or three arguments", "FROM"},
		{"FROM a b", "FROM requires either one or three arguments", "a b"},
		{"FROM a b c", "FROM requires either one or three arguments", "a b c"},
		{"FROM --x a AS 1", `invalid name for build stage: "1", name can't start with a number or contain symbols`, "1"},
		{"FROM a AS x/y", `invalid name for build stage: "x/y", name can't start with a number or contain symbols`, "x/y"},
		{"FROM a AS É", `invalid name for build stage: "É", name can't start with a number or contain symbols`, "É"},
		{"FROM --platfrm=x a", "unknown flag: --platfrm (did you mean platform?)", "--platfrm"},

		{"ARG", "ARG requires at least one argument", "ARG"},
		{"ARG --x", "ARG requires at least one argument", "ARG"},
		{"ARG a =b", "ARG names can not be blank", "=b"},
		{"ENV", "ENV requires at least one argument", "ENV"},
		{"ENV a=b =c", "ENV names can not be blank", "=c"},
		{"LABEL =", "LABEL names can not be blank", "="},
		{"LABEL", "LABEL requires at least one argument", "LABEL"},

		{"COPY", "COPY requires at least two arguments, but only one was provided. Destination could not be determined", "COPY"},
		{"ADD --x a", "ADD requires at least two arguments, but only one was provided. Destination could not be determined", "a"},
		{`COPY ["a"]`, "COPY requires at least two arguments, but only one was provided. Destination could not be determined", `["a"]`},
		{"COPY a <<E\nE", "COPY cannot accept a heredoc as a destination", "<<E"},
		{`ADD ["a", "<<E"]`, "ADD cannot accept a heredoc as a destination", `"<<E"`},

		{"SHELL", "SHELL requires at least one argument", "SHELL"},
		{"SHELL []", "SHELL requires at least one argument", "[]"},
		{"SHELL /bin/sh -c", "SHELL requires the arguments to be in JSON form", "/bin/sh -c"},
		{"STOPSIGNAL", "STOPSIGNAL requires exactly one argument", "STOPSIGNAL"},
		{"EXPOSE", "EXPOSE requires at least one argument", "EXPOSE"},
		{"VOLUME []", "VOLUME requires at least one argument", "[]"},
		{`VOLUME ["a", " "]`, "VOLUME specified can not be an empty string", `" "`},

		{"HEALTHCHECK", "HEALTHCHECK requires at least one argument", "HEALTHCHECK"},
		{"HEALTHCHECK --x NONE", "", ""},
		{"HEALTHCHECK NONE a b", "HEALTHCHECK NONE takes no arguments", "a b"},
		{`HEALTHCHECK NONE ["a", "b"]`, "HEALTHCHECK NONE takes no arguments", `"a", "b"`},
		{"HEALTHCHECK --x FOO", "unknown flag: --x", "--x"},
		{"HEALTHCHECK foo x", `Unknown type "FOO" in HEALTHCHECK (try CMD)`, "foo"},
		{"HEALTHCHECK --interval=x CMD", "Missing command after HEALTHCHECK CMD", "CMD"},
		{"HEALTHCHECK CMD []", "Missing command after HEALTHCHECK CMD", "CMD []"},
		{"HEALTHCHECK --retries=x --interval=3x CMD a", `time: unknown unit "x" in duration "3x"`, "3x"},
		{"HEALTHCHECK --timeout=3 CMD a", `time: missing unit in duration "3"`, "3"},
		{"HEALTHCHECK --start-period=abc CMD a", `time: invalid duration "abc"`, "abc"},
		{"HEALTHCHECK --start-interval=1us CMD a", `Interval "start-interval" cannot be less than 1ms`, "1us"},
		{"HEALTHCHECK --interval=-3s CMD a", `Interval "interval" cannot be less than 1ms`, "-3s"},
		{"HEALTHCHECK --retries=x CMD a", `strconv.ParseInt: parsing "x": invalid syntax`, "x"},
		{"HEALTHCHECK --retries=2147483648 CMD a", `strconv.ParseInt: parsing "2147483648": value out of range`, "2147483648"},
		{"HEALTHCHECK --retries=-1 CMD a", "--retries cannot be negative (-1)", "-1"},

		{"ONBUILD", "ONBUILD requires at least one argument", "ONBUILD"},
		{"ONBUILD onbuild RUN a", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed", "onbuild"},
		{"ONBUILD From a", "FROM isn't allowed as an ONBUILD trigger", "From"},
		{"ONBUILD MAINTAINER a", "MAINTAINER isn't allowed as an ONBUILD trigger", "MAINTAINER"},

		{"RUN --network=bridge a", `invalid network mode "bridge"`, "bridge"},
		{"RUN --network= a", `invalid network mode ""`, ""},
		{"RUN --security=none a", `security "none" is not valid`, "none"},
		{"RUN --mount= a", "failed to parse csv mounts: EOF", "--mount="},
		{"RUN --mount=type=cache,from=$b,ro a", "'from' doesn't support variable expansion, define alias stage instead", "$b"},
		{"RUN --mount=FROM=a$b a", "'from' doesn't support variable expansion, define alias stage instead", "a$b"},
		{`RUN --mount=id=a\"b a`, `failed to parse csv mounts: parse error on line 1, column 5: bare " in non-quoted-field`, `"`},
		{`RUN --mount=\"from=$b,c\" a`, "'from' doesn't support variable expansion, define alias stage instead", "$b,c"},
		{`RUN --mount=\"from=\"\"$b\" a`, "'from' doesn't support variable expansion, define alias stage instead", `\"from=\"\"$b\"`},
		{"RUN --network=x --mount= --device= a", "failed to parse csv devices: EOF", ""},
		{"RUN --device=a,b a", "invalid field 'b' must be a key=value pair", "b"},
		{"RUN --device=a=b,name=c a", "device name already set to a=b", "name=c"},
		{"RUN --device=a,Required=x a", "invalid value for required: x", "x"},
		{"RUN --device=a,requird=true a", "unexpected key 'requird' in 'requird=true' (did you mean required?)", "requird"},
		{"RUN --device=a,é=b a", "unexpected key 'ã©' in 'Ã©=b'", "é"},
	} {
		checkError(t, tc.line, tc.message, tc.at)
	}
}

// checkError checks that an instruction causes one error with the given message and source
// text. If message is "", the instruction must be valid.
func checkError(t *testing.T, line, message, at string) {
	t.Helper()
	_, diags := parse(t, "FROM scratch\n"+line+"\nUSER u\n")
	if message == "" {
		if len(diags) > 0 {
			t.Errorf("%q: %v", line, diags)
		}
		return
	}
	if len(diags) != 1 {
		t.Errorf("%q: %d diagnostics: %v", line, len(diags), diags)
		return
	}
	d := diags[0]
	if want := "dockerfile parse error on line 2: " + message; d.Message != want {
		t.Errorf("%q:\n got %s\nwant %s", line, d.Message, want)
	}
	if got := d.Range.String(); got != at {
		t.Errorf("%q: marked %q, want %q", line, got, at)
	}
	first, last := d.Shown().Lines()
	if first != 2 || last != 2+strings.Count(line, "\n") {
		t.Errorf("%q: lines %d to %d", line, first, last)
	}
}

// TestErrorsOfFiles checks errors that concern several instructions of a file, such as the
// order of instructions.
func TestErrorsOfFiles(t *testing.T) {
	const prefix = "dockerfile parse error on line "
	for _, tc := range []struct {
		text string
		want []string // message @ range
	}{
		{"RUN a\nUSER b\nFROM c\n", []string{"no build stage in current context @ RUN"}},
		{"RUN a", []string{"no build stage in current context @ RUN"}},
		{"ARG =a\n", []string{prefix + "1: ARG names can not be blank @ =a"}},
		{
			"USER\nFROM\nENV\nFROM x\nRUN --y z\n",
			[]string{
				prefix + "1: USER requires exactly one argument @ USER",
				prefix + "2: FROM requires either one or three arguments @ FROM",
				prefix + "3: ENV requires at least one argument @ ENV",
				prefix + "5: unknown flag: --y @ --y",
			},
		},
		{"FROM a b\nUSER c\n", []string{prefix + "1: FROM requires either one or three arguments @ a b"}},
	} {
		_, diags := parse(t, tc.text)
		var got []string
		for _, d := range diags {
			got = append(got, fmt.Sprintf("%s @ %s", d.Message, d.Range))
		}
		if strings.Join(got, "\n") != strings.Join(tc.want, "\n") {
			t.Errorf("%q:\n%s\nwant\n%s", tc.text, strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
		}
	}
}

// TestErrorCause checks that an error wraps the underlying error of the standard library.
func TestErrorCause(t *testing.T) {
	_, diags := parse(t, "FROM a\nHEALTHCHECK --retries=x CMD a\n")
	if len(diags) != 1 || diags[0].Cause == nil {
		t.Errorf("no cause: %+v", diags)
	}
}

// TestParseOne checks that the message of an error from ParseOne contains no line number.
func TestParseOne(t *testing.T) {
	f, _ := parser.Parse(source.NewFile("ONBUILD", []byte("RUN --network=x a")))
	c, d := ParseOne(f.Instructions()[0])
	if c != nil || d == nil || d.Message != `invalid network mode "x"` {
		t.Errorf("got %v, %v", c, d)
	}
}

// TestDuplicateFlagRelated checks that the error for a duplicate flag has a note at the
// first occurrence of the flag.
func TestDuplicateFlagRelated(t *testing.T) {
	_, diags := parse(t, "FROM a\nCOPY --from=a --from=b x y\n")
	if len(diags) != 1 || len(diags[0].Related) != 1 || diags[0].Related[0].Range.String() != "--from=a" {
		t.Errorf("got %+v", diags)
	}
}
