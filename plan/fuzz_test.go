package plan

import (
	"errors"
	"testing"

	"slipway/diag"
)

// diagnosticOf returns the diagnostic that err wraps, or nil if err wraps no diagnostic.
func diagnosticOf(err error) *diag.Diagnostic {
	var d *diag.Diagnostic
	if !errors.As(err, &d) {
		return nil
	}
	return d
}

// FuzzBuild checks, for any Dockerfile, that a planning error has a message and that a
// complete plan passes checkPlan.
func FuzzBuild(f *testing.F) {
	for _, s := range []string{
		"FROM a\nRUN x\n",
		"ARG V=1\nFROM a:$V AS b\nENV A=${V:-x} B=\"$A\"\nCOPY --from=b --link --chown=1 x y\nFROM onbuild\nCOPY --from=0 /a /b\n",
		"FROM scratch\nRUN --mount=type=cache,target=/x,id=$A --mount=type=secret,id=s,env=E --mount=from=q,target=r x\n",
		"FROM a\nEXPOSE 1-3 $P/udp\nWORKDIR a/../b\nUSER x\nHEALTHCHECK CMD x\nONBUILD COPY a b\nVOLUME $X /y\nSTOPSIGNAL 9\n",
		"FROM a AS x\nCOPY <<A <<-\"B\" --parents /d/./e f /\n$x\nA\n\ty\n\tB\nADD https://e/x.git?ref=y /z\nFROM x\nSHELL [\"a\"]\nCMD b\nRUN <<E\n#!/x\nE\n",
	} {
		f.Add(s, "linux")
		f.Add(s, "windows")
	}
	f.Fuzz(func(t *testing.T, text, os string) {
		opt := Options{MultiPlatform: len(text)%2 == 0}
		opt.Platform = platformFor(os)
		p, err := build(text, opt)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("error without a message")
			}
			return
		}
		checkPlan(t, p)
		if p.Lowered != nil {
			t.Errorf("a file without a gate has %d lowered instructions", len(p.Lowered))
		}
		for _, a := range p.Outline().Args {
			if a.Name == "" || a.Range.IsZero() {
				t.Errorf("argument %+v", a)
			}
		}
	})
}
