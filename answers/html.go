package answers

import (
	_ "embed" // for pageText
	"fmt"
	"html"
	"strings"
	"time"

	"slipway/diag"
)

// pageText is the page of a graph. Each {{NAME}} is replaced by HTML. The page is not a template
// of html/template, because parsing one would take longer than writing the page.
//
//go:embed page.html
var pageText string

// writeHTML writes the graph as an HTML page. It is one file that loads nothing. Choosing a stage
// shows its steps with their lines in the Dockerfile. After [Plan.Record], the page has a
// timeline of the build.
func (p *Plan) writeHTML(b *strings.Builder) {
	var graph, stages strings.Builder
	p.drawSVG(&graph, "", "", true)
	for _, s := range p.Stages {
		p.stageHTML(&stages, s)
	}
	title := fmt.Sprintf("%s for %s", p.Target, strings.Join(p.Platforms, ", "))
	values := map[string]string{
		"title": text("Build graph: " + title), "heading": text(title),
		"svg-style": svgStyle, "graph": graph.String(), "stages": stages.String(),
		"summary": p.summaryHTML(), "legend": p.legendHTML(), "timeline": p.timelineHTML(),
	}
	fillPage(b, pageText, values)
}

// fillPage writes a page with each {{NAME}} replaced by the value of the name.
func fillPage(b *strings.Builder, page string, values map[string]string) {
	for rest := page; rest != ""; {
		before, after, found := strings.Cut(rest, "{{")
		b.WriteString(before)
		if !found {
			return
		}
		name, end, _ := strings.Cut(after, "}}")
		b.WriteString(values[name])
		rest = end
	}
}

// text escapes a text for HTML and replaces its control characters.
func text(s string) string { return html.EscapeString(diag.Line(s)) }

// summaryHTML returns the counts, and the context, the network and the secrets.
func (p *Plan) summaryHTML() string {
	return fmt.Sprintf("<p>%s</p>\n<p class=\"muted\">%s</p>\n", text(p.count(p.reachable())), text(strings.Join(p.summary(), " · ")))
}

// legendHTML explains the colors of the cache states that occur.
func (p *Plan) legendHTML() string {
	occurs := map[string]int{}
	for _, s := range p.Stages {
		for _, x := range s.Steps {
			occurs[x.class()]++
		}
	}
	var b strings.Builder
	for _, c := range []struct{ class, label string }{
		{"hit", "cached"}, {"miss", "runs"}, {"never", "runs always"}, {"unknown", "cache state unknown"}, {"failed", "failed"},
	} {
		if n := occurs[c.class]; n > 0 {
			label := c.label
			if c.class == "miss" && p.finished() {
				label = "ran"
			}
			fmt.Fprintf(&b, "<span><i class=\"dot %s\"></i>%s: %d</span>", c.class, label, n)
		}
	}
	return b.String()
}

// finished reports whether the plan has the outcomes of a build.
func (p *Plan) finished() bool {
	for _, s := range p.Stages {
		for _, x := range s.Steps {
			if x.Run != nil {
				return true
			}
		}
	}
	return false
}

// stageHTML writes the section of a stage with its steps.
func (p *Plan) stageHTML(b *strings.Builder, s *Stage) {
	fmt.Fprintf(b, "<section class=\"stage\" id=\"%s\" data-name=\"%s\">\n<h2>%s</h2>\n", s.ID, html.EscapeString(s.label()), html.EscapeString(s.label()))
	facts := []string{"FROM " + s.Base, p.location(s.File, s.Line)}
	if s.Platform != "" {
		facts = append(facts, "on "+s.Platform)
	}
	if len(p.Platforms) > 1 {
		facts = append(facts, "for "+s.For)
	}
	if !s.Reachable {
		facts = append(facts, "not needed by the target")
	}
	for i, f := range facts {
		facts[i] = text(f)
	}
	fmt.Fprintf(b, "<p class=\"muted\">%s</p>\n<ol>\n", strings.Join(facts, " · "))
	for _, x := range s.Steps {
		p.stepHTML(b, s, x)
	}
	b.WriteString("</ol>\n</section>\n")
}

// stepID returns the ID of a step in the page.
func stepID(s *Stage, x *Step) string { return fmt.Sprintf("%s-%d", s.ID, x.N) }

// stepHTML writes a step with its lines in the Dockerfile.
func (p *Plan) stepHTML(b *strings.Builder, s *Stage, x *Step) {
	state := x.state()
	if x.Run != nil {
		state = x.Run.text()
	}
	fmt.Fprintf(b, "<li class=\"%s\" id=\"%s\"><b>%d</b> <code>%s</code> <span class=\"muted\">%s · <span class=\"state\">%s</span>", x.class(), stepID(s, x), x.N, text(short(x.Text)), text(p.location(x.File, x.Line)), state)
	for _, u := range p.uses(x) {
		fmt.Fprintf(b, " · %s", html.EscapeString(u))
	}
	b.WriteString("</span>\n<pre>")
	digits := len(fmt.Sprint(x.Line + len(x.Source)))
	for i, l := range x.Source {
		fmt.Fprintf(b, "<i>%*d </i>%s\n", digits, x.Line+i, text(l))
	}
	b.WriteString("</pre></li>\n")
}

// text describes the outcome of a step.
func (r *Run) text() string {
	switch r.Outcome {
	case Executed:
		return "ran for " + seconds(r.End-r.Start)
	case Failed:
		return "failed after " + seconds(r.End-r.Start)
	case Cached, Canceled, Skipped:
	}
	return string(r.Outcome)
}

// seconds formats a duration in seconds or, if it is short, in milliseconds.
func seconds(d time.Duration) string {
	switch {
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

// timelineHTML returns the timeline of a finished build, or "" if no build has finished.
func (p *Plan) timelineHTML() string {
	var total, critical time.Duration
	for _, s := range p.Stages {
		for _, x := range s.Steps {
			if x.Run != nil {
				total = max(total, x.Run.End)
				if x.Run.Critical {
					critical += x.Run.End - x.Run.Start
				}
			}
		}
	}
	if !p.finished() {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<section id=\"timeline\">\n<h2>Timeline</h2>\n<p class=\"muted\">The last step ended after %s; the steps in bold, the critical path, took %s of it.</p>\n<table>\n", seconds(total), seconds(critical))
	for _, s := range p.reachable() {
		for _, x := range s.Steps {
			rowHTML(&b, s, x, total)
		}
	}
	b.WriteString("</table>\n</section>\n")
	return b.String()
}

// rowHTML writes the row of a step in the timeline. The parameter total is the time that the width
// of the table represents.
func rowHTML(b *strings.Builder, s *Stage, x *Step, total time.Duration) {
	class := ""
	if x.Run.Critical {
		class = ` class="critical"`
	}
	percent := func(d time.Duration) float64 { return 100 * d.Seconds() / max(total.Seconds(), 1e-9) }
	length := string(x.Run.Outcome)
	if x.Run.ran() {
		length = seconds(x.Run.End - x.Run.Start)
	}
	fmt.Fprintf(b, "<tr%s><td class=\"name\"><a href=\"#%s\">%s %d</a> %s</td>", class, stepID(s, x), html.EscapeString(s.label()), x.N, text(short(x.Text)))
	b.WriteString("<td><div class=\"track\">")
	if x.Run.Outcome != Skipped {
		fmt.Fprintf(b, "<div class=\"bar %s\" style=\"left:%.2f%%;width:%.2f%%\"></div>", x.Run.Outcome, min(99.8, percent(x.Run.Start)), percent(x.Run.End-x.Run.Start))
	}
	fmt.Fprintf(b, "</div></td><td class=\"time\">%s</td></tr>\n", length)
}
