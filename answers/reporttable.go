package answers

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/docker/go-units"

	"slipway/diag"
)

// table is a part of a report: a title, a sentence, and rows of cells without control characters.
type table struct {
	title, note string
	head        []string
	numeric     int // number of leading columns with numbers
	code        int // index of the column with text of the Dockerfile
	rows        [][]string
	bars        []*ReportStep // step of each row, for pages; nil if the table has no timeline
}

// tables returns the parts of the report, without those that are empty.
func (r *Report) tables() []*table {
	list := []*table{r.stepTable(), r.pathTable()}
	for _, img := range r.Images {
		list = append(list, img.table())
	}
	list = append(list, r.transferTable())
	var full []*table
	for _, t := range list {
		if len(t.rows) > 0 {
			full = append(full, t)
		}
	}
	return full
}

// heading returns the first line of the report.
func (r *Report) heading() string {
	parts := []string{"Build report"}
	if r.Target != "" {
		parts = append(parts, fmt.Sprintf("%s for %s", diag.Line(r.Target), strings.Join(r.Platforms, ", ")))
	}
	return strings.Join(parts, ": ")
}

// summary returns the sentence below the heading.
func (r *Report) summary() string {
	outcome := "built"
	if r.Failed {
		outcome = "failed"
	}
	parts := []string{fmt.Sprintf("%s in %s", outcome, r.Milliseconds.text()), fmt.Sprintf("%s, %d cached", number(len(r.Steps), "step"), r.Cached)}
	if r.NotStarted > 0 {
		parts = append(parts, fmt.Sprintf("%d not started", r.NotStarted))
	}
	return strings.Join(parts, " · ")
}

// stepTable lists the steps that took time, longest first.
func (r *Report) stepTable() *table {
	critical := map[int]bool{}
	for _, i := range r.CriticalPath {
		critical[i] = true
	}
	t := &table{title: "Steps by time", head: []string{"time", "step", "location", "outcome"}, numeric: 1, code: 1}
	if len(critical) > 0 {
		t.note = "Steps marked * are on the critical path."
	}
	for i, s := range r.Steps {
		if s.Milliseconds == 0 {
			continue
		}
		outcome := string(s.Outcome)
		if critical[i] {
			outcome += " *"
		}
		t.rows = append(t.rows, []string{s.Milliseconds.text(), diag.Line(s.Name), s.Location, outcome})
		t.bars = append(t.bars, s)
	}
	return t
}

// pathTable lists the steps of the critical path in the order of time.
func (r *Report) pathTable() *table {
	t := &table{title: "Critical path", head: []string{"start", "time", "step", "location"}, numeric: 2, code: 2}
	var sum Milliseconds
	for _, i := range r.CriticalPath {
		s := r.Steps[i]
		sum += s.Milliseconds
		t.rows = append(t.rows, []string{s.Start.text(), s.Milliseconds.text(), diag.Line(s.Name), s.Location})
	}
	t.note = fmt.Sprintf("These steps, of which each waited for the one before, took %s of %s.", sum.text(), r.Milliseconds.text())
	return t
}

// table lists the layers of an image, lowest first.
func (img *ReportImage) table() *table {
	t := &table{title: "Layers of " + img.Platform, head: []string{"files", "compressed", "created by", "location", "what made it large"}, numeric: 2, code: 2}
	var files, blobs int64
	compressed := true
	for _, l := range img.Layers {
		row := []string{"-", "-", cmp.Or(diag.Line(strings.TrimSpace(l.CreatedBy)), "-"), l.Location, ""}
		if l.Base {
			row[3] = "base image"
		}
		if l.Files != nil {
			files += l.Files.Bytes
			row[0], row[4] = size(l.Files.Bytes), l.Files.reasons()
		}
		if l.Blob == nil {
			compressed = false
		} else {
			blobs += *l.Blob
			row[1] = size(*l.Blob)
		}
		t.rows = append(t.rows, row)
	}
	t.note = fmt.Sprintf("The layers above the base image have files of %s.", size(files))
	if compressed {
		t.note += fmt.Sprintf(" Compressed, all layers have %s.", size(blobs))
	} else {
		t.note += " Layers without a compressed size were not exported as an image."
	}
	return t
}

// reasons describes what made a layer large.
func (f *FilesSize) reasons() string {
	var list []string
	for _, p := range f.Largest {
		text := fmt.Sprintf("/%s %s", diag.Line(p.Path), size(p.Bytes))
		if p.Files > 1 {
			text += fmt.Sprintf(" (%d files)", p.Files)
		}
		list = append(list, text)
	}
	if f.Unchanged > 0 {
		list = append(list, size(f.Unchanged)+" stored again because only metadata changed")
	}
	if f.Hidden > 0 {
		list = append(list, size(f.Hidden)+" of lower layers replaced or removed")
	}
	return strings.Join(list, ", ")
}

// transferTable lists the local files that the builder got.
func (r *Report) transferTable() *table {
	t := &table{title: "Context bytes sent", head: []string{"bytes", "time", "source"}, numeric: 2, code: 2}
	if !r.Sent {
		t.title = "Context bytes read"
		t.note = "The builder is this process, so nothing is sent. These are the bytes that it read. It does not read files that it knows by name, size and times."
	}
	for _, x := range r.Transfers {
		t.rows = append(t.rows, []string{size(x.Bytes), x.Milliseconds.text(), diag.Line(x.Source)})
	}
	return t
}

// size formats a number of bytes.
func size(n int64) string { return units.HumanSize(float64(n)) }
