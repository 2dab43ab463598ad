package differential

import (
	"slices"
	"strings"

	"github.com/moby/buildkit/solver/errdefs"
	"google.golang.org/protobuf/proto"
)

// Class is a way in which our error may differ from upstream's where there is
// no header to say so, in builds that are made at random. In all of them the
// text is the same and only the place is better.
type Class struct {
	Name string
	Why  string
	fits func(text string, theirs, ours []*errdefs.Source) bool
}

// Classes returns all classes.
func Classes() []Class {
	return []Class{
		{
			Name: "no place",
			Why:  "upstream gives no place for a bad --from or SOURCE_DATE_EPOCH; ours is the instruction",
			fits: func(text string, theirs, ours []*errdefs.Source) bool {
				bad := strings.HasPrefix(text, "invalid stage index ") ||
					strings.HasPrefix(text, "variable expansion is not supported for --from, ") ||
					strings.HasPrefix(text, "failed to process \"") ||
					strings.HasPrefix(text, "invalid SOURCE_DATE_EPOCH: ") ||
					strings.HasPrefix(text, "invalid context name ")
				return bad && len(theirs) == 0 && hasLines(ours)
			},
		},
		{
			Name: "file without a line",
			Why:  "upstream gives the file without a line for images of mounts; ours is the instruction",
			fits: func(_ string, theirs, ours []*errdefs.Source) bool {
				return len(theirs) == 1 && len(theirs[0].Ranges) == 0 && hasLines(ours) && proto.Equal(theirs[0].Info, ours[0].Info)
			},
		},
		{
			Name: "line before the directive",
			Why:  "upstream counts lines of directives from 0",
			fits: func(text string, theirs, ours []*errdefs.Source) bool {
				bad := strings.HasPrefix(text, "invalid escape token ") || strings.HasPrefix(text, "only one ")
				return bad && hasLines(theirs) && hasLines(ours) && theirs[0].Ranges[0].Start.Line+1 >= 0 &&
					theirs[0].Ranges[0].Start.Line < ours[0].Ranges[0].Start.Line
			},
		},
		{
			Name: "place given twice",
			Why:  "upstream gives the place of a bad --platform twice",
			fits: func(text string, theirs, ours []*errdefs.Source) bool {
				return strings.HasPrefix(text, "failed to parse platform ") && len(theirs) == 2 && hasLines(ours) &&
					proto.Equal(theirs[0], theirs[1]) && proto.Equal(theirs[0], ours[0])
			},
		},
	}
}

func hasLines(sources []*errdefs.Source) bool {
	return len(sources) == 1 && len(sources[0].Ranges) > 0
}

// classOf returns the class that a difference belongs to; nil if it has none.
func classOf(d Differences, theirs, ours *Record) *Class {
	if _, ok := d[ErrorLocations]; !ok || len(d) > 1 || theirs.Err == nil || ours.Err == nil {
		return nil
	}
	classes := Classes()
	i := slices.IndexFunc(classes, func(c Class) bool {
		return c.fits(theirs.Err.Error(), errdefs.Sources(theirs.Err), errdefs.Sources(ours.Err))
	})
	if i < 0 {
		return nil
	}
	return &classes[i]
}
