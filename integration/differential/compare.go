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

// Kind is an aspect in which two frontends can differ.
type Kind string

// Kinds, in the order in which they are reported.
const (
	Operations     Kind = "operations"      // encoded operations of the results, and the final operation
	OpMetadata     Kind = "op metadata"     // metadata of each operation: names, capabilities, ignore-cache, progress groups
	Locations      Kind = "locations"       // locations of each operation in the Dockerfile
	ResultMetadata Kind = "result metadata" // image config, history, platforms and every other key
	Warnings       Kind = "warnings"
	ErrorText      Kind = "error text"
	ErrorLocations Kind = "error locations"
	Requests       Kind = "requests" // other solves and metadata requests of successful builds: the second may have fewer, but no others
)

// Kinds returns all kinds. For each kind, every case must be equal or excused.
func Kinds() []Kind {
	return []Kind{Operations, OpMetadata, Locations, ResultMetadata, Warnings, ErrorText, ErrorLocations, Requests}
}

// Differences contains a diff for each kind that differs: lines with - are from
// the first record, lines with + from the second.
type Differences map[Kind]string

// Compare compares two records of the same case.
func Compare(a, b *Record) Differences {
	d := Differences{}
	set := func(kind Kind, text string) {
		if text != "" {
			d[kind] = text
		}
	}
	theirs, ours := textOfError(a.Err), allowed.ReplaceAllString(textOfError(b.Err), "")
	lacks := strings.HasPrefix(theirs, "requested ") && lacking.MatchString(ours)
	if lacks {
		ours = lacking.ReplaceAllString(ours, "requested ")
	}
	set(ErrorText, textDiff(theirs, ours))
	if !lacks || errorLocations(a.Err) != "" {
		set(ErrorLocations, textDiff(errorLocations(a.Err), errorLocations(b.Err)))
	}
	warned, warns := a.Warnings, b.Warnings
	if a.Several && a.Err != nil && b.Err != nil {
		// Platforms are converted concurrently: the error of another platform
		// suppresses later warnings of the first.
		n := min(len(warned), len(warns))
		warned, warns = warned[:n], warns[:n]
	}
	set(Warnings, textDiff(warningsText(warned), warningsText(warns)))
	if a.Err == nil && b.Err == nil { // a failing build cancels concurrent requests
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

// moreRequests returns the requests of b that a does not make, or makes less
// often.
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

// strayMetadata returns metadata for operations that are not in the definition.
func strayMetadata(a, b *pb.Definition) string {
	n, m := len(a.GetMetadata()), len(b.GetMetadata())
	if n == m {
		return ""
	}
	return fmt.Sprintf("metadata for %d digests, and for %d\n", n, m)
}

// metadataDiff compares JSON values structurally, and then byte for byte.
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

// indent formats JSON canonically, one value per line.
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
	for _, w := range inOrder(warnings) {
		fmt.Fprintf(&b, "%s\n  at%s of %s, level %d, %s\n", w.Short, llbtext.Ranges(w.Opts.Range), infoText(w.Opts.SourceInfo), w.Opts.Level, w.Opts.URL)
		fmt.Fprintf(&b, "  %q\n  vertex %s\n", w.Opts.Detail, w.Vertex)
	}
	return b.String()
}

// allowed matches the valid values at the end of our errors about options. Upstream's
// errors do not list them. Clients match on the text before the list.
var allowed = regexp.MustCompile(` \([a-z]\S+ is [^()\n]*\)$`)

// lacking matches the step that our error about a missing capability prepends.
// Upstream's error does not have the location of the step either.
var lacking = regexp.MustCompile(`^\[[^\n]*?: requested `)

// inOrder sorts adjacent warnings whose order is random upstream: warnings
// about the variables of one word, which are in a map, and warnings about
// images, which are resolved concurrently.
func inOrder(warnings []Warning) []Warning {
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

// infoText formats a source info. Two are equal if their texts are.
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
