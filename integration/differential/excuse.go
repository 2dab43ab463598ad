package differential

import (
	"regexp"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/moby/buildkit/solver/errdefs"
	"google.golang.org/protobuf/proto"
)

// Class is a kind of acceptable difference between our error and upstream's. It
// applies to random builds, which have no header with an excuse. Our error is
// better in text or location, or it is one of several between which upstream
// chooses randomly.
type Class struct {
	Name  string
	Why   string
	kinds []Kind // the only kinds that differ
	fits  func(theirs, ours fault) bool
}

// fault is an error with its locations.
type fault struct {
	text   string
	places []*errdefs.Source

	several bool // whether several platforms were requested
}

// located reports whether the error has exactly one location with lines.
func (f fault) located() bool { return len(f.places) == 1 && len(f.places[0].Ranges) > 0 }

// line returns the first line of the location.
func (f fault) line() int32 { return f.places[0].Ranges[0].Start.Line }

func (f fault) starts(prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(f.text, p) })
}

// Classes returns all classes.
func Classes() []Class { return slices.Concat(placed(), chosen()) }

// placed returns the classes in which our error has a location, or a better
// one.
func placed() []Class {
	return []Class{
		{
			"no place", "upstream gives no place for a bad --from and for a bad SOURCE_DATE_EPOCH in the file",
			[]Kind{ErrorLocations},
			func(theirs, ours fault) bool {
				bad := theirs.starts("invalid stage index ", "variable expansion is not supported for --from, ", `failed to process "`,
					"invalid SOURCE_DATE_EPOCH: ", "invalid context name ", "invalid response status ")
				return bad && len(theirs.places) == 0 && ours.located()
			},
		},
		{
			"file without a line", "upstream gives no line for images of mounts",
			[]Kind{ErrorLocations},
			func(theirs, ours fault) bool {
				return len(theirs.places) == 1 && len(theirs.places[0].Ranges) == 0 && ours.located() &&
					proto.Equal(theirs.places[0].Info, ours.places[0].Info)
			},
		},
		{
			"line before", "upstream counts the lines of directives and of long lines from 0",
			[]Kind{ErrorLocations},
			func(theirs, ours fault) bool {
				bad := theirs.starts("invalid escape token ", "only one ", "dockerfile line greater than max allowed size")
				return bad && theirs.located() && ours.located() && theirs.line() < ours.line()
			},
		},
		{
			"place given twice", "upstream gives the place of a bad --platform twice",
			[]Kind{ErrorLocations},
			func(theirs, ours fault) bool {
				return theirs.starts("failed to parse platform ") && len(theirs.places) == 2 && ours.located() &&
					proto.Equal(theirs.places[0], theirs.places[1]) && proto.Equal(theirs.places[0], ours.places[0])
			},
		},
	}
}

// chosen returns the classes in which upstream's error varies between runs, and
// the class in which ours has more detail.
func chosen() []Class {
	return []Class{
		{
			"first use of an image", "upstream gives any use of an image or context that cannot be looked up",
			[]Kind{ErrorLocations},
			func(theirs, ours fault) bool {
				return theirs.text == ours.text && theirs.located() && ours.located() && ours.line() < theirs.line() && theirs.uses() && ours.uses()
			},
		},
		{
			"any image", "of several images that cannot be looked up upstream reports any",
			[]Kind{ErrorText, ErrorLocations, Warnings},
			func(theirs, ours fault) bool {
				return strings.Contains(theirs.text, noImage) && strings.Contains(ours.text, noImage) && ours.located()
			},
		},
		{
			"equally near", "of several names that are equally near upstream suggests any",
			[]Kind{ErrorText},
			func(theirs, ours fault) bool {
				a, b := suggestion.FindStringSubmatch(theirs.text), suggestion.FindStringSubmatch(ours.text)
				return a != nil && b != nil && a[1] == b[1] && distance(a[2], a[3]) == distance(b[2], b[3])
			},
		},
		{
			"any bad name", "of several names that are no references upstream reports any, and before it sees one it may look images up and check them",
			[]Kind{ErrorText, ErrorLocations, Warnings},
			func(theirs, ours fault) bool { return theirs.starts(badName) && ours.starts(badName) && ours.located() },
		},
		{
			"cut off", "of several platforms, the one that fails first ends the checks of the others",
			[]Kind{Warnings},
			func(theirs, ours fault) bool { return theirs.several && theirs.text == ours.text },
		},
		{
			"what an option may be", "we add what the value of an option may be",
			[]Kind{ErrorText},
			func(theirs, ours fault) bool {
				rest, ok := strings.CutPrefix(ours.text, theirs.text+" (")
				return ok && strings.HasSuffix(rest, ")") && strings.Contains(rest, " is ") && len(ours.places) == 0
			},
		},
	}
}

// noImage is part of the error for an image that cannot be resolved.
const noImage = ": failed to resolve source metadata for "

// badName is the start of the error for a base that is not a valid reference.
const badName = "failed to parse stage name "

var suggestion = regexp.MustCompile(`^(.*[ "](\S+?)"?) \(did you mean (\S+)\?\)$`)

func distance(a, b string) int {
	return levenshtein.Distance(strings.ToLower(a), strings.ToLower(b), nil)
}

// uses reports whether the location of an error is an instruction that names an
// image.
func (f fault) uses() bool {
	lines := strings.Split(string(f.places[0].Info.GetData()), "\n")
	i := int(f.line()) - 1
	if i < 0 || i >= len(lines) {
		return false
	}
	keyword, _, _ := strings.Cut(strings.TrimSpace(lines[i]), " ")
	return slices.Contains([]string{"FROM", "COPY", "RUN", "ADD"}, strings.ToUpper(keyword))
}

// classOf returns the class of a difference, or nil.
func classOf(d Differences, theirs, ours *Record) *Class {
	if theirs.Err == nil || ours.Err == nil {
		return nil
	}
	a := fault{theirs.Err.Error(), errdefs.Sources(theirs.Err), theirs.Several}
	b := fault{ours.Err.Error(), errdefs.Sources(ours.Err), ours.Several}
	classes := Classes()
	i := slices.IndexFunc(classes, func(c Class) bool { return c.covers(d) && c.fits(a, b) })
	if i < 0 {
		return nil
	}
	return &classes[i]
}

// covers reports whether only the kinds of the class differ.
func (c Class) covers(d Differences) bool {
	for k := range d {
		if !slices.Contains(c.kinds, k) {
			return false
		}
	}
	return len(d) > 0
}
