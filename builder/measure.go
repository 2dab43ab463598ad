package builder

import (
	"slipway/answers"
	"slipway/solver/export"
)

// measure describes the layers of the images of all platforms for a report. It runs after the outputs
// are written, so that layers have their compressed sizes. If the build has not read the files of a
// result, because it is a base image without changes and no output needs it, measure returns nil.
func measure(x *export.Exporter, results []export.PlatformResult) ([]*answers.ReportImage, error) {
	images := []*answers.ReportImage{}
	for _, r := range results {
		if r.Snapshot == nil && len(r.Base) > 0 {
			return nil, nil
		}
		layers, err := x.Measure(r)
		if err != nil {
			return nil, err
		}
		img := &answers.ReportImage{Platform: r.ID, Layers: []*answers.ReportLayer{}}
		for _, l := range layers {
			img.Layers = append(img.Layers, reportLayer(l))
		}
		images = append(images, img)
	}
	return images, nil
}

// reportLayer converts a measured layer to the format of a report.
func reportLayer(l export.MeasuredLayer) *answers.ReportLayer {
	out := &answers.ReportLayer{CreatedBy: l.CreatedBy, Base: l.Base}
	if l.Blob != nil {
		out.Blob = &l.Blob.Size
	}
	if s := l.Size; s != nil {
		out.Files = &answers.FilesSize{Files: s.Files, Bytes: s.Bytes, Unchanged: s.Unchanged, Hidden: s.Hidden, Largest: []answers.PathSize{}}
		for _, p := range s.Largest {
			out.Files.Largest = append(out.Files.Largest, answers.PathSize{Path: p.Path, Files: p.Files, Bytes: p.Bytes})
		}
	}
	return out
}
