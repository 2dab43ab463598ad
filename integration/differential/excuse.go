package differential

import (
	"regexp"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/moby/buildkit/solver/errdefs"
	"google.golang.org/protobuf/proto"
)

// Class is a kind of acceptable difference between our error and upstream's: either our error
// has a better text or location, or upstream chooses randomly between several errors. Classes
// apply only to generated builds, because test cases in testdata declare acceptable differences
// in their headers.
type Class struct {
	Name  string
	Why   string
	kinds []Kind // kinds in which the errors may differ
	match func(theirs, ours locatedError) bool
}

// locatedError is the text of an error with its source locations.
type locatedError struct {
	text    string
	sources []*errdefs.Source

	multiPlatform bool // set if the build requested several platforms
}

// hasLines reports whether the error has exactly one source, with at least one range of lines.
func (f locatedError) hasLines() bool { return len(f.sources) == 1 && len(f.sources[0].Ranges) > 0 }

// line returns the first line number in the source location of the error. The error must
// satisfy hasLines.
func (f locatedError) line() int32 { return f.sources[0].Ranges[0].Start.Line }

func (f locatedError) hasPrefix(prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(f.text, p) })
}

// Classes returns all classes of acceptable differences. The first class that matches a
// difference accepts it.
func Classes() []Class { return slices.Concat(locationClasses(), textClasses()) }

// locationClasses returns the classes of differences in which only our error has a source
// location, or our location is more exact.
func locationClasses() []Class {
	return []Class{
		{
			"no place", "upstream gives no place for a bad --from and for a bad SOURCE_DATE_EPOCH in the file",
			[]Kind{ErrorLocations},
			func(theirs, ours locatedError) bool {
				bad := theirs.hasPrefix("invalid stage index ", "variable expansion is not supported for --from, ", `failed to process "`,
					"invalid SOURCE_DATE_EPOCH: ", "invalid context name ", "invalid response status ")
				return bad && len(theirs.sources) == 0 && ours.hasLines()
			},
		},
		{
			"file without a line", "upstream gives no line for images of mounts",
			[]Kind{ErrorLocations},
			func(theirs, ours locatedError) bool {
				return len(theirs.sources) == 1 && len(theirs.sources[0].Ranges) == 0 && ours.hasLines() &&
					proto.Equal(theirs.sources[0].Info, ours.sources[0].Info)
			},
		},
		{
			"line before", "upstream counts the lines of directives and of long lines from 0",
			[]Kind{ErrorLocations},
			func(theirs, ours locatedError) bool {
				bad := theirs.hasPrefix("invalid escape token ", "only one ", "dockerfile line greater than max allowed size")
				return bad && theirs.hasLines() && ours.hasLines() && theirs.line() < ours.line()
			},
		},
		{
			"place given twice", "upstream gives the place of a bad --platform twice",
			[]Kind{ErrorLocations},
			func(theirs, ours locatedError) bool {
				return theirs.hasPrefix("failed to parse platform ") && len(theirs.sources) == 2 && ours.hasLines() &&
					proto.Equal(theirs.sources[0], theirs.sources[1]) && proto.Equal(theirs.sources[0], ours.sources[0])
			},
		},
	}
}

// textClasses returns the classes of differences in which upstream chooses randomly between
// errors, or our error has more detail.
func textClasses() []Class {
	return []Class{
		{
			"first use of an image", "upstream gives any use of an image or context that cannot be looked up",
			[]Kind{ErrorLocations},
			func(theirs, ours locatedError) bool {
				return theirs.text == ours.text && theirs.hasLines() && ours.hasLines() && ours.line() < theirs.line() && theirs.atImage() && ours.atImage()
			},
		},
		{
			"any image", "of several images that cannot be looked up upstream reports any",
			[]Kind{ErrorText, ErrorLocations, Warnings},
			func(theirs, ours locatedError) bool {
				return strings.Contains(theirs.text, unresolvedImage) && strings.Contains(ours.text, unresolvedImage) && ours.hasLines()
			},
		},
		{
			"equally near", "of several names that are equally near upstream suggests any",
			[]Kind{ErrorText},
			func(theirs, ours locatedError) bool {
				a, b := suggestion.FindStringSubmatch(theirs.text), suggestion.FindStringSubmatch(ours.text)
				return a != nil && b != nil && a[1] == b[1] && distance(a[2], a[3]) == distance(b[2], b[3])
			},
		},
		{
			"any bad name", "of several names that are no references upstream reports any, and before it sees one it may look images up and check them",
			[]Kind{ErrorText, ErrorLocations, Warnings},
			func(theirs, ours locatedError) bool {
				return theirs.hasPrefix(invalidBase) && ours.hasPrefix(invalidBase) && ours.hasLines()
			},
		},
		{
			"cut off", "of several platforms, the one that fails first ends the checks of the others",
			[]Kind{Warnings},
			func(theirs, ours locatedError) bool { return theirs.multiPlatform && theirs.text == ours.text },
		},
		{
			"what an option may be", "we add what the value of an option may be",
			[]Kind{ErrorText},
			func(theirs, ours locatedError) bool {
				rest, ok := strings.CutPrefix(ours.text, theirs.text+" (")
				return ok && strings.HasSuffix(rest, ")") && strings.Contains(rest, " is ") && len(ours.sources) == 0
			},
		},
	}
}

// unresolvedImage is a text that occurs in the error for an image that cannot be resolved.
const unresolvedImage = ": failed to resolve source metadata for "

// invalidBase is the prefix of the error text for a FROM instruction whose image is not a valid
// reference.
const invalidBase = "failed to parse stage name "

var suggestion = regexp.MustCompile(`^(.*[ "](\S+?)"?) \(did you mean (\S+)\?\)$`)

func distance(a, b string) int {
	return levenshtein.Distance(strings.ToLower(a), strings.ToLower(b), nil)
}

// atImage reports whether the error is located in a FROM, COPY, RUN or ADD instruction, which
// can refer to an image.
func (f locatedError) atImage() bool {
	lines := strings.Split(string(f.sources[0].Info.GetData()), "\n")
	i := int(f.line()) - 1
	if i < 0 || i >= len(lines) {
		return false
	}
	keyword, _, _ := strings.Cut(strings.TrimSpace(lines[i]), " ")
	return slices.Contains([]string{"FROM", "COPY", "RUN", "ADD"}, strings.ToUpper(keyword))
}

// classOf returns the first class of acceptable differences that covers all differences between
// two records: the record of upstream's frontend and the record of ours. If no class does, it
// returns nil.
func classOf(d Differences, theirs, ours *Record) *Class {
	if theirs.Err == nil || ours.Err == nil {
		return nil
	}
	a := locatedError{theirs.Err.Error(), errdefs.Sources(theirs.Err), theirs.MultiPlatform}
	b := locatedError{ours.Err.Error(), errdefs.Sources(ours.Err), ours.MultiPlatform}
	classes := Classes()
	i := slices.IndexFunc(classes, func(c Class) bool { return c.covers(d) && c.match(a, b) })
	if i < 0 {
		return nil
	}
	return &classes[i]
}

// covers reports whether the class c accepts every kind of difference in d, the differences
// between two records. It returns false if d is empty.
func (c Class) covers(d Differences) bool {
	for k := range d {
		if !slices.Contains(c.kinds, k) {
			return false
		}
	}
	return len(d) > 0
}
