package differential

import (
	"regexp"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/moby/buildkit/solver/errdefs"
	"google.golang.org/protobuf/proto"
)

// Class is a way in which our error may differ from upstream's where there is
// no header to say so, in builds that are made at random. It is better in text
// or place, or one of several that upstream's scheduling chooses from.
type Class struct {
	Name  string
	Why   string
	kinds []Kind // nothing else differs
	fits  func(theirs, ours fault) bool
}

// fault is an error with its places.
type fault struct {
	text   string
	places []*errdefs.Source

	several bool // platforms
}

// located tells whether there is one place with lines.
func (f fault) located() bool { return len(f.places) == 1 && len(f.places[0].Ranges) > 0 }

// line is the first line of the place.
func (f fault) line() int32 { return f.places[0].Ranges[0].Start.Line }

func (f fault) starts(prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(f.text, p) })
}

// Classes returns all classes.
func Classes() []Class { return slices.Concat(placed(), chosen()) }

// placed are those in which ours has a place, or a better one.
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

// chosen are those in which upstream says one of several things, as it happens,
// and the one in which we say more.
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

// noImage is in the error of an image that cannot be looked up.
const noImage = ": failed to resolve source metadata for "

// badName begins the error of a base that is no reference.
const badName = "failed to parse stage name "

var suggestion = regexp.MustCompile(`^(.*[ "](\S+?)"?) \(did you mean (\S+)\?\)$`)

func distance(a, b string) int {
	return levenshtein.Distance(strings.ToLower(a), strings.ToLower(b), nil)
}

// uses tells whether the place of an error is an instruction that names an image.
func (f fault) uses() bool {
	lines := strings.Split(string(f.places[0].Info.GetData()), "\n")
	i := int(f.line()) - 1
	if i < 0 || i >= len(lines) {
		return false
	}
	keyword, _, _ := strings.Cut(strings.TrimSpace(lines[i]), " ")
	return slices.Contains([]string{"FROM", "COPY", "RUN", "ADD"}, strings.ToUpper(keyword))
}

// classOf returns the class that a difference belongs to; nil if it has none.
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

// covers tells whether nothing else differs than the class is about.
func (c Class) covers(d Differences) bool {
	for k := range d {
		if !slices.Contains(c.kinds, k) {
			return false
		}
	}
	return len(d) > 0
}
