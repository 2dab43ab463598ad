package answers

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/docker/go-units"

	"slipway/diag"
)

// maxText is the maximum number of characters of an instruction in a list of steps.
const maxText = 60

// WriteText writes the steps of the stages that the target needs, one per line: number,
// instruction, location, cache state, and what the step uses. A last line summarizes the
// context, the network and the secrets.
func (p *Plan) WriteText(w io.Writer) error {
	var b strings.Builder
	for i, platform := range p.Platforms {
		if i > 0 {
			b.WriteByte('\n')
		}
		p.writeSteps(&b, platform)
	}
	fmt.Fprintf(&b, "%s\n", strings.Join(p.summary(), " · "))
	_, err := io.WriteString(w, b.String())
	return err
}

// writeSteps writes the steps for one target platform.
func (p *Plan) writeSteps(b *strings.Builder, platform string) {
	var stages []*Stage
	var unneeded []string
	for _, s := range p.Stages {
		switch {
		case s.For != platform:
		case s.Reachable:
			stages = append(stages, s)
		default:
			unneeded = append(unneeded, s.label())
		}
	}
	fmt.Fprintf(b, "%s for %s: %s\n", diag.Line(p.Target), platform, p.count(stages))
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.DiscardEmptyColumns)
	for _, s := range stages {
		for _, x := range s.Steps {
			row := []string{fmt.Sprintf("%s %d", s.label(), x.N), short(x.Text), p.location(x.File, x.Line), x.state()}
			if uses := p.uses(x); len(uses) > 0 {
				row = append(row, strings.Join(uses, ", "))
			}
			fmt.Fprintln(t, strings.Join(row, "\t"))
		}
	}
	_ = t.Flush() // b returns no error
	if len(unneeded) > 0 {
		fmt.Fprintf(b, "not needed: %s\n", strings.Join(unneeded, ", "))
	}
}

// count returns how many stages and steps there are and how many steps are cached, as text.
func (p *Plan) count(stages []*Stage) string {
	steps, hits := 0, 0
	for _, s := range stages {
		steps += len(s.Steps)
		for _, x := range s.Steps {
			if x.Cache == CacheHit {
				hits++
			}
		}
	}
	text := number(len(stages), "stage") + ", " + number(steps, "step")
	if p.usesCache() {
		text += fmt.Sprintf(", %d cached", hits)
	}
	return text
}

// number returns "1 stage", "2 stages" and so on.
func number(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// short returns an instruction on one line without control characters, of at most maxText
// characters.
func short(text string) string {
	line := diag.Line(strings.Join(strings.Fields(text), " "))
	if utf8.RuneCountInString(line) <= maxText {
		return line
	}
	return string([]rune(line)[:maxText-1]) + "…"
}

// location returns FILE:LINE.
func (p *Plan) location(file, line int) string {
	if line == 0 || file >= len(p.Files) {
		return "-"
	}
	return fmt.Sprintf("%s:%d", diag.Line(p.Files[file]), line)
}

// state returns the cache state of a step for users.
func (s *Step) state() string {
	switch s.Cache {
	case CacheHit:
		return "cached"
	case CacheMiss:
		return "runs"
	case CacheNever:
		return "runs always"
	case CacheUnknown:
	}
	return "unknown"
}

// uses lists what a step uses: the network, mounts, secrets, agents and the paths that it reads.
func (p *Plan) uses(s *Step) []string {
	var list []string
	switch s.Network {
	case "host":
		list = append(list, "network of the host")
	case "default", "sandbox":
		list = append(list, "network")
	}
	if s.Security != "" {
		list = append(list, "security "+s.Security)
	}
	for _, m := range s.Mounts {
		if m.Type == "bind" {
			continue // in Reads
		}
		list = append(list, m.Type+" "+diag.Line(m.Target))
	}
	for _, g := range s.Secrets {
		list = append(list, "secret "+g.text())
	}
	for _, g := range s.SSH {
		list = append(list, "ssh "+g.text())
	}
	for _, r := range s.Reads {
		if name := p.sourceName(r.From); name != "" {
			list = append(list, name+": "+diag.Line(strings.Join(r.Paths, " ")))
		}
	}
	if s.Onbuild {
		list = append(list, "ONBUILD")
	}
	if s.Why != "" {
		list = append(list, diag.Line(s.Why))
	}
	return list
}

// text returns the ID of a secret or an agent, and whether it is required.
func (g *Given) text() string {
	if g.Required {
		return diag.Line(g.ID) + " (required)"
	}
	return diag.Line(g.ID)
}

// sourceName returns the name of the context, image or stage with an ID, or "" for a download,
// which the instruction names anyway.
func (p *Plan) sourceName(id string) string {
	for _, s := range p.Stages {
		if s.ID == id {
			return s.label()
		}
	}
	for _, s := range p.Sources {
		if s.ID == id && s.Kind != SourceHTTP && s.Kind != SourceGit {
			return diag.Line(s.Ref)
		}
	}
	return ""
}

// summary returns the parts of the last line: context, network, secrets and agents.
func (p *Plan) summary() []string {
	parts := []string{"context: " + p.contextText()}
	networked := 0
	var secrets, agents []string
	for _, s := range p.Stages {
		for _, x := range s.Steps {
			if x.Network != "" && x.Network != "none" {
				networked++
			}
			secrets, agents = appendGiven(secrets, x.Secrets), appendGiven(agents, x.SSH)
		}
	}
	if networked > 0 {
		parts = append(parts, "network: "+number(networked, "RUN"))
	}
	if len(secrets) > 0 {
		parts = append(parts, "secrets: "+strings.Join(secrets, ", "))
	}
	if len(agents) > 0 {
		parts = append(parts, "ssh: "+strings.Join(agents, ", "))
	}
	return parts
}

// contextText describes what the build reads from the main context.
func (p *Plan) contextText() string {
	switch c := p.Context; {
	case c == nil:
		return "not read"
	case c.Files != nil && c.Bytes != nil:
		return number(*c.Files, "file") + ", " + units.HumanSize(float64(*c.Bytes))
	case len(c.Paths) == 0:
		return "all files"
	default:
		return diag.Line(strings.Join(c.Paths, ", "))
	}
}

// appendGiven appends the texts of secrets or agents that the list does not contain yet.
func appendGiven(list []string, given []*Given) []string {
	for _, g := range given {
		if text := g.text(); !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return list
}
