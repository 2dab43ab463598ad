package differential

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"slipway/internal/llbtext"
)

// Kind is an aspect in which the results of two frontends can differ, such as operations or
// warnings.
type Kind string

// Kinds of differences, in the order in which they are reported.
const (
	Operations     Kind = "operations"      // encoded LLB operations of the results, including the final one
	OpMetadata     Kind = "op metadata"     // metadata of each operation: name, capabilities, ignore-cache, progress group
	Locations      Kind = "locations"       // source ranges of each operation
	ResultMetadata Kind = "result metadata" // image config, history, platforms and all other keys of the result
	Warnings       Kind = "warnings"
	ErrorText      Kind = "error text"
	ErrorLocations Kind = "error locations"
	Requests       Kind = "requests" // solves and metadata requests of a build that succeeds: the second frontend may make fewer, but no others
)

// Kinds returns all kinds of differences. The results of two frontends must not differ in any
// kind, unless a header of the test case declares an intended difference of this kind.
func Kinds() []Kind {
	return []Kind{Operations, OpMetadata, Locations, ResultMetadata, Warnings, ErrorText, ErrorLocations, Requests}
}

// Differences contains one diff for each kind in which two records differ. In a diff, lines from
// the first record start with -, and lines from the second start with +.
type Differences map[Kind]string

// Compare returns the differences between two records of the same case. It ignores text that
// only our errors contain, and differences that result from the timing of concurrent platforms.
func Compare(a, b *Record) Differences {
	d := Differences{}
	set := func(kind Kind, text string) {
		if text != "" {
			d[kind] = text
		}
	}
	theirs, ours := textOfError(a.Err), validValues.ReplaceAllString(textOfError(b.Err), "")
	missingCap := strings.HasPrefix(theirs, "requested ") && requestingStep.MatchString(ours)
	if missingCap {
		ours = requestingStep.ReplaceAllString(ours, "requested ")
	}
	set(ErrorText, textDiff(theirs, ours))
	if !missingCap || errorLocations(a.Err) != "" {
		set(ErrorLocations, textDiff(errorLocations(a.Err), errorLocations(b.Err)))
	}
	theirWarnings, ourWarnings := a.Warnings, b.Warnings
	if a.MultiPlatform && a.Err != nil && b.Err != nil {
		// Platforms are converted concurrently. The error for one platform can prevent later
		// warnings for another.
		n := min(len(theirWarnings), len(ourWarnings))
		theirWarnings, ourWarnings = theirWarnings[:n], ourWarnings[:n]
	}
	set(Warnings, textDiff(warningsText(theirWarnings), warningsText(ourWarnings)))
	if a.Err == nil && b.Err == nil { // an error cancels concurrent requests at random times
		set(Requests, moreRequests(a.Requests, b.Requests))
	}
	if (a.Err == nil) != (b.Err == nil) {
		outcome := textDiff(outcomeText(a.Err), outcomeText(b.Err))
		for _, kind := range []Kind{Operations, OpMetadata, Locations, ResultMetadata} {
			set(kind, outcome)
		}
		return d
	}
	set(Operations, definitionsDiff(a, b, llbtext.Ops))
	set(OpMetadata, definitionsDiff(a, b, llbtext.Metadata))
	set(Locations, definitionsDiff(a, b, llbtext.Locations))
	set(ResultMetadata, metadataDiff(a.Metadata, b.Metadata))
	return d
}

// moreRequests returns the requests that occur more often in b than in a, as text.
func moreRequests(a, b []string) string {
	left := map[string]int{}
	for _, r := range a {
		left[r]++
	}
	var more strings.Builder
	for _, r := range b {
		if left[r]--; left[r] < 0 {
			more.WriteString("+" + strings.ReplaceAll(strings.TrimSuffix(r, "\n"), "\n", "\n+") + "\n")
		}
	}
	return more.String()
}

func outcomeText(err error) string {
	if err == nil {
		return "builds"
	}
	return "fails: " + err.Error()
}

func definitionsDiff(a, b *Record, parts llbtext.Parts) string {
	if d := textDiff(strings.Join(sortedKeys(a.Results), "\n"), strings.Join(sortedKeys(b.Results), "\n")); d != "" {
		return "results:\n" + d
	}
	for _, id := range sortedKeys(a.Results) {
		d, err := llbtext.Diff(a.Results[id], b.Results[id], parts)
		if err != nil {
			return fmt.Sprintf("result %q: %v\n", id, err)
		}
		if d == "" && parts == llbtext.Metadata {
			d = strayMetadata(a.Results[id], b.Results[id])
		}
		if d != "" && id != "" {
			d = "result " + id + ":\n" + d
		}
		if d != "" {
			return d
		}
	}
	return ""
}

// strayMetadata checks that two definitions have metadata for equally many operations. It
// returns an error text if the numbers differ, and otherwise "".
func strayMetadata(a, b *pb.Definition) string {
	n, m := len(a.GetMetadata()), len(b.GetMetadata())
	if n == m {
		return ""
	}
	return fmt.Sprintf("metadata for %d digests, and for %d\n", n, m)
}

// metadataDiff returns the difference between a and b, the metadata of two results, or "" if
// they are equal. It compares the decoded JSON values. If these are equal, it also compares the
// encoded bytes.
func metadataDiff(a, b map[string][]byte) string {
	if d := textDiff(strings.Join(sortedKeys(a), "\n"), strings.Join(sortedKeys(b), "\n")); d != "" {
		return "keys:\n" + d
	}
	for _, key := range sortedKeys(a) {
		if bytes.Equal(a[key], b[key]) {
			continue
		}
		ta, tb := indent(a[key]), indent(b[key])
		if ta != tb {
			return key + ":\n" + textDiff(ta, tb)
		}
		return key + " is written differently:\n" + textDiff(string(a[key]), string(b[key]))
	}
	return ""
}

// indent formats JSON with sorted keys and one value per line.
func indent(data []byte) string {
	var v any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return string(data)
	}
	out, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return string(data)
	}
	return string(out)
}

func warningsText(warnings []Warning) string {
	var b strings.Builder
	for _, w := range sortUnordered(warnings) {
		fmt.Fprintf(&b, "%s\n  at%s of %s, level %d, %s\n", w.Short, llbtext.Ranges(w.Opts.Range), infoText(w.Opts.SourceInfo), w.Opts.Level, w.Opts.URL)
		fmt.Fprintf(&b, "  %q\n  vertex %s\n", w.Opts.Detail, w.Vertex)
	}
	return b.String()
}

// validValues matches the list of valid values at the end of our errors about options, for
// example " (platform is os/arch)". Upstream's errors lack the list. Clients match only on the
// text before the list.
var validValues = regexp.MustCompile(` \([a-z]\S+ is [^()\n]*\)$`)

// requestingStep matches the step name at the start of our error about a missing capability.
// Upstream's error has neither this name nor a location.
var requestingStep = regexp.MustCompile(`^\[[^\n]*?: requested `)

// sortUnordered sorts adjacent warnings whose order is random in upstream. Upstream's frontend
// stores the undefined variables of a word in a map, and resolves images concurrently.
func sortUnordered(warnings []Warning) []Warning {
	warnings = slices.Clone(warnings)
	group := func(w Warning) string {
		rule, _, _ := strings.Cut(w.Short, ":")
		switch rule {
		case "UndefinedVar", "UndefinedArgInFrom":
			return rule + llbtext.Ranges(w.Opts.Range)
		case "InvalidBaseImagePlatform":
			return rule
		}
		return ""
	}
	for i := 0; i < len(warnings); {
		j := i + 1
		for g := group(warnings[i]); j < len(warnings) && g != "" && group(warnings[j]) == g; {
			j++
		}
		slices.SortFunc(warnings[i:j], func(a, b Warning) int { return strings.Compare(a.Short, b.Short) })
		i = j
	}
	return warnings
}

func textOfError(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	if code := grpcerrors.Code(err); code != codes.Unknown {
		text += fmt.Sprintf("\ncode %s", code)
	}
	return text
}

func errorLocations(err error) string {
	var b strings.Builder
	for _, s := range errdefs.Sources(err) {
		fmt.Fprintf(&b, "at%s of %s\n", llbtext.Ranges(s.Ranges), infoText(s.Info))
	}
	return b.String()
}

// infoText describes the source info of a definition: file name, language, size and a digest.
// Equal texts mean equal source infos.
func infoText(info *pb.SourceInfo) string {
	if info == nil {
		return "nothing"
	}
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(info)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s (%s, %d bytes, all %.4x)", info.Filename, info.Language, len(info.Data), sha256.Sum256(data))
}

func textDiff(a, b string) string {
	if a == b {
		return ""
	}
	return llbtext.LineDiff(a, b)
}
