package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// TestLintExample checks that slipway lint reports findings in examples/lint, and that after
// --fix none of the findings with a fix is left.
func TestLintExample(t *testing.T) {
	files := map[string]string{".git/HEAD": ""}
	for _, name := range []string{"Dockerfile", "greeting.txt"} {
		data, err := os.ReadFile("../../examples/lint/" + name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(data)
	}
	writeFiles(t, files)
	before := fixesLeft(t)
	for _, want := range []string{"CurlWithoutFail", "AptWithoutYes", "NoSudo", "AddInsteadOfCopy"} {
		if _, ok := before[want]; !ok {
			t.Errorf("no finding of %s with a fix; fixes: %v", want, before)
		}
	}
	slipway(t, "lint", "--fix", "Dockerfile")
	for code, safe := range fixesLeft(t) {
		if safe {
			t.Errorf("after --fix: %s still has a safe fix", code)
		}
	}
	slipway(t, "lint", "--fix", "--unsafe", "Dockerfile")
	if left := fixesLeft(t); len(left) > 0 {
		t.Errorf("after --fix --unsafe: fixes left for %v", left)
	}
	data, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), "sudo") || !strings.Contains(string(data), "curl -f") {
		t.Errorf("fixed file:\n%s", data)
	}
}

// fixesLeft returns the rules whose findings in the Dockerfile have a fix. The value reports
// whether one of the fixes is safe.
func fixesLeft(t *testing.T) map[string]bool {
	t.Helper()
	_, out, told := slipwayOut(t, "lint", "-f", "json", "Dockerfile")
	var findings []struct {
		Rule  string
		Fixes []struct{ Safe bool }
	}
	if err := json.Unmarshal([]byte(out), &findings); err != nil {
		t.Fatalf("%v: %s%s", err, out, told)
	}
	left := map[string]bool{}
	for _, f := range findings {
		for _, x := range f.Fixes {
			left[f.Rule] = left[f.Rule] || x.Safe
		}
	}
	return left
}
