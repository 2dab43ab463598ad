package answers

import (
	"cmp"
	"slices"
	"time"

	"slipway/diag"
)

// ReportVersion is the version of the JSON format of a [Report]. It increases when a field changes
// its meaning.
const ReportVersion = 1

// Report describes a finished build: which steps took the time, and what made its images large.
type Report struct {
	Version      int            `json:"version"`
	Target       string         `json:"target,omitempty"` // label of the target stage
	Platforms    []string       `json:"platforms,omitempty"`
	Failed       bool           `json:"failed"`
	Milliseconds Milliseconds   `json:"milliseconds"` // from the start of the first step to the end of the last one
	Cached       int            `json:"cached"`       // number of steps with the outcome cached
	NotStarted   int            `json:"notStarted"`   // number of steps that had not started when the build ended
	Steps        []*ReportStep  `json:"steps"`        // all that started, longest first
	CriticalPath []int          `json:"criticalPath"` // indexes in Steps, in the order of time
	Images       []*ReportImage `json:"images"`       // one for each platform; empty if unknown
	Transfers    []*Transfer    `json:"transfers"`    // local files that the builder got, largest first
	Sent         bool           `json:"sent"`         // whether the files of Transfers were sent to another process
	Unknown      []string       `json:"unknown"`      // parts of the report that are unknown, each with the reason
}

// Milliseconds is a duration in milliseconds.
type Milliseconds int64

// text formats the duration for users.
func (m Milliseconds) text() string { return seconds(time.Duration(m) * time.Millisecond) }

// ReportStep is a step of the progress output: an LLB operation, or work of the builder such as an
// export.
type ReportStep struct {
	Name         string       `json:"name"`               // such as "[build 2/3] RUN make"
	Location     string       `json:"location,omitempty"` // FILE:LINE of the instruction; "" if unknown
	Outcome      Outcome      `json:"outcome"`
	Start        Milliseconds `json:"start"` // since the start of the build
	Milliseconds Milliseconds `json:"milliseconds"`
}

// end returns when the step ended, since the start of the build.
func (s *ReportStep) end() Milliseconds { return s.Start + s.Milliseconds }

// ran reports whether the step was executed to its end.
func (s *ReportStep) ran() bool { return s.Outcome == Executed || s.Outcome == Failed }

// ReportImage describes the layers of the image for one platform.
type ReportImage struct {
	Platform string         `json:"platform"`
	Layers   []*ReportLayer `json:"layers"` // lowest first
}

// ReportLayer describes a layer of an image.
type ReportLayer struct {
	CreatedBy string     `json:"createdBy"`          // of its history entry
	Location  string     `json:"location,omitempty"` // FILE:LINE of the instruction; "" if unknown
	Base      bool       `json:"base"`               // whether the layer comes from the base image
	Blob      *int64     `json:"blob"`               // size of the compressed layer in bytes; nil if the build has not compressed it
	Files     *FilesSize `json:"files"`              // nil if Base is set
}

// FilesSize describes what the files of a layer need.
type FilesSize struct {
	Files     int        `json:"files"`     // number of regular files that the layer adds or changes
	Bytes     int64      `json:"bytes"`     // size of these files
	Unchanged int64      `json:"unchanged"` // size of those whose content did not change, but their metadata
	Hidden    int64      `json:"hidden"`    // size of files of lower layers that the layer replaces or removes
	Largest   []PathSize `json:"largest"`   // paths with most of the bytes, largest first
}

// PathSize is the size of a file, or of the files in a directory.
type PathSize struct {
	Path  string `json:"path"`
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"`
}

// Transfer describes the local files that a builder got from one source.
type Transfer struct {
	Source       string       `json:"source"` // such as "context", or the name of a named context
	Bytes        int64        `json:"bytes"`
	Milliseconds Milliseconds `json:"milliseconds"`
}

// Finished is what is known about a finished build.
type Finished struct {
	Plan      *Plan          // nil if the frontend has not described the build
	Vertices  []Vertex       // in the order in which the progress mentioned them first
	Transfers []*Transfer    // from progress
	Images    []*ReportImage // without locations; nil if unknown
	Failed    bool
	Remote    bool // whether a daemon has done the build
}

// NewReport returns the report about a finished build.
func NewReport(f Finished) *Report {
	r := &Report{
		Version: ReportVersion, Failed: f.Failed, Sent: f.Remote,
		Steps: []*ReportStep{}, CriticalPath: []int{}, Images: []*ReportImage{}, Transfers: []*Transfer{}, Unknown: f.unknown(),
	}
	if f.Plan != nil {
		r.Target, r.Platforms = f.Plan.Target, f.Plan.Platforms
		for _, img := range f.Images {
			f.Plan.locateLayers(img)
		}
	}
	r.Images = append(r.Images, f.Images...)
	r.Transfers = append(r.Transfers, f.Transfers...)
	slices.SortStableFunc(r.Transfers, func(a, b *Transfer) int { return cmp.Compare(b.Bytes, a.Bytes) })
	r.addSteps(f)
	return r
}

// unknown lists the parts of the report that are unknown.
func (f *Finished) unknown() []string {
	list := []string{}
	if f.Plan == nil {
		list = append(list, "lines of the Dockerfile: another frontend did the build, or it failed before it was planned")
	}
	switch {
	case f.Images != nil:
	case f.Failed:
		list = append(list, "layers: the build failed before it had an image")
	case f.Remote:
		list = append(list, "layers: BuildKit does not report their files and sizes (builds without --builder do)")
	default:
		list = append(list, "layers: the build has not read the files of its result")
	}
	return list
}

// addSteps adds the steps that started, and their critical path.
func (r *Report) addSteps(f Finished) {
	var start time.Time
	for i := range f.Vertices {
		if v := &f.Vertices[i]; !v.Started.IsZero() && (start.IsZero() || v.Started.Before(start)) {
			start = v.Started
		}
	}
	locations := f.Plan.locations()
	steps := make([]*ReportStep, len(f.Vertices)) // nil for a vertex that has not started
	for i := range f.Vertices {
		v := &f.Vertices[i]
		if v.Started.IsZero() {
			r.NotStarted++
			continue
		}
		s := &ReportStep{Name: v.Name, Outcome: outcomeOf(v), Start: Milliseconds(v.Started.Sub(start).Milliseconds())}
		s.Location = cmp.Or(locations[v.Digest], locations[v.Name])
		if !v.Completed.IsZero() && !v.Cached {
			s.Milliseconds = max(0, Milliseconds(v.Completed.Sub(start).Milliseconds())-s.Start)
		}
		if s.Outcome == Cached {
			r.Cached++
		}
		r.Milliseconds = max(r.Milliseconds, s.end())
		r.Steps = append(r.Steps, s)
		steps[i] = s
	}
	slices.SortStableFunc(r.Steps, func(a, b *ReportStep) int {
		return cmp.Or(cmp.Compare(b.Milliseconds, a.Milliseconds), cmp.Compare(a.Start, b.Start))
	})
	for _, s := range newPathFinder(f.Vertices, steps).find() {
		r.CriticalPath = append(r.CriticalPath, slices.Index(r.Steps, s))
	}
}

// locations returns the location of each step, by the digests of its operations and by its name in
// progress output. BuildKit changes the digests of operations without cache. If p is nil, there are
// no locations.
func (p *Plan) locations() map[string]string {
	m := map[string]string{}
	if p == nil {
		return m
	}
	for _, s := range p.Stages {
		for _, x := range s.Steps {
			for _, d := range append([]string{x.Progress}, x.Operations...) {
				if d != "" {
					m[d] = p.location(x.File, x.Line)
				}
			}
		}
	}
	return m
}

// locateLayers sets the locations of the layers of an image that do not come from its base image. The
// target stage and the stages that it is based on have one layer for each step. If their number
// differs, as with another frontend, the locations stay unknown.
func (p *Plan) locateLayers(img *ReportImage) {
	at := slices.IndexFunc(p.Stages, func(s *Stage) bool { return s.Target && s.For == img.Platform })
	if at < 0 {
		return
	}
	stages := map[string]int{}
	for i, s := range p.Stages {
		stages[s.ID] = i
	}
	var steps []*Step
	for i, ok := at, true; ok && len(steps) <= len(img.Layers); i, ok = stages[p.baseOf(i)] {
		for _, x := range slices.Backward(p.Stages[i].Steps) {
			if x.Kind != StepPull {
				steps = append(steps, x)
			}
		}
	}
	own := slices.IndexFunc(img.Layers, func(l *ReportLayer) bool { return !l.Base })
	if own < 0 || len(steps) != len(img.Layers)-own {
		return
	}
	slices.Reverse(steps)
	for i, x := range steps {
		l := img.Layers[own+i]
		l.Location, l.CreatedBy = p.location(x.File, x.Line), cmp.Or(l.CreatedBy, diag.Line(x.Text))
	}
}
