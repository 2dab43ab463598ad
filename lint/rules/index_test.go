package rules_test

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"slipway/lint"
	"slipway/lint/rules"
)

// TestIndex checks that docs/rules/README.md lists each rule by name and by code. With UPDATE=1,
// it rewrites the file.
func TestIndex(t *testing.T) {
	const path = "../../docs/rules/README.md"
	want := index(lint.New(rules.All(), lint.Settings{}).Rules())
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is out of date, UPDATE=1 rewrites it (-want +got):\n%s", path, gocmp.Diff(want, string(got)))
	}
	for _, r := range lint.New(rules.All(), lint.Settings{}).Rules() {
		if _, err := os.Stat("../../docs/rules/" + page(r)); err != nil {
			t.Errorf("the page of %s: %v", r.Name, err)
		}
	}
}

// page returns the path of a rule's page below docs/rules.
func page(r *lint.Rule) string {
	if r.BuildKit {
		return "../../linter/rules/docs/" + r.Name + ".md"
	}
	return r.Name + ".md"
}

// index returns the text of docs/rules/README.md.
func index(list []*lint.Rule) string {
	type alias struct {
		code string
		rule *lint.Rule
	}
	var codes []alias
	byName := slices.SortedFunc(slices.Values(list), func(a, b *lint.Rule) int { return cmp.Compare(a.Name, b.Name) })
	for _, r := range byName {
		switch {
		case r.Name == "MultipleInstructionsDisallowed":
			codes = append(codes, alias{"DL3012", r}, alias{"DL4003", r}, alias{"DL4004", r})
		case r.Code != "":
			codes = append(codes, alias{r.Code, r})
		}
	}
	slices.SortFunc(codes, func(a, b alias) int { return cmp.Compare(a.code, b.code) })
	var b strings.Builder
	b.WriteString("# Rules of `slipway lint`\n\n`slipway lint --explain RULE` prints a page. Names and codes are accepted in any case. In a Dockerfile, `# check=experimental=slipway:recommended` makes builds with Slipway's frontend check the rules that are on by default, and `# check=experimental=RULE,RULE` others.\n")
	b.WriteString("\n## By name\n\n| rule | code | severity | requirement |\n|---|---|---|---|\n")
	for _, r := range byName {
		severity := "off"
		if r.Severity != lint.Off {
			severity = r.Severity.String()
		}
		fmt.Fprintf(&b, "| [%s](%s) | %s | %s | %s |\n", r.Name, page(r), r.Code, severity, strings.ReplaceAll(r.Summary, "|", `\|`))
	}
	b.WriteString("\n## By code of hadolint\n\nDL3011, DL3023, DL3043 and DL3061 are errors of the file, which need no rule. Codes such as SC2086 are [ShellCheck's](https://www.shellcheck.net/wiki/).\n\n| code | rule |\n|---|---|\n")
	for _, c := range codes {
		fmt.Fprintf(&b, "| %s | [%s](%s) |\n", c.code, c.rule.Name, page(c.rule))
	}
	return b.String()
}
