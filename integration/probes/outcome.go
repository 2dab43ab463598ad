//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/moby/buildkit/client"
)

// outcomes contains the outcomes of all attempts with one builder: the granted privileges, and
// the reasons why the other privileges were refused. The keys of both maps are the names of
// privileges, as steps print them.
type outcomes struct {
	granted map[string]bool
	refused map[string]string
}

func newOutcomes() *outcomes { return &outcomes{map[string]bool{}, map[string]string{}} }

// parse reads the output of a step and adds the outcomes of its probes to o. The line "+ NAME"
// reports a granted privilege, and the line "- NAME REASON" reports a refused one. Other lines
// are ignored.
func (o *outcomes) parse(text string) {
	for line := range strings.Lines(text) {
		sign, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		id, reason, _ := strings.Cut(rest, " ")
		switch sign {
		case "+":
			o.granted[id] = true
		case "-":
			o.refused[id] = reason
		}
	}
}

// matching returns the granted privileges that match one of the given names, in sorted order. A
// name that ends with a slash or a dash matches as a prefix.
func (o *outcomes) matching(names []string) []string {
	var out []string
	for _, id := range slices.Sorted(maps.Keys(o.granted)) {
		if slices.ContainsFunc(names, func(name string) bool { return matches(name, id) }) {
			out = append(out, id)
		}
	}
	return out
}

func matches(name, id string) bool {
	return name == id || strings.HasPrefix(id, name) && strings.HasSuffix(name, "/") || strings.HasPrefix(id, name) && strings.HasSuffix(name, "-")
}

// progress parses the output of a build, which consists of progress reports in JSON and a final
// error message. It passes each part of the steps' output to the callback as soon as the part
// arrives. The results are the whole output of all steps, and the error message.
func progress(r io.Reader, logged func(string)) (logs, message string, err error) {
	var all, rest strings.Builder
	s := bufio.NewScanner(r)
	s.Buffer(nil, 64<<20)
	for s.Scan() {
		var status client.SolveStatus
		if !bytes.HasPrefix(s.Bytes(), []byte("{")) || json.Unmarshal(s.Bytes(), &status) != nil {
			rest.WriteString(s.Text() + "\n")
			continue
		}
		for _, l := range status.Logs {
			all.Write(l.Data)
			logged(string(l.Data))
		}
	}
	return all.String(), rest.String(), s.Err()
}

// print prints all outcomes, one per line, with the name of the builder.
func (o *outcomes) print(column string) {
	for _, id := range slices.Sorted(maps.Keys(o.granted)) {
		fmt.Printf("%s: + %s\n", column, id)
	}
	for _, id := range slices.Sorted(maps.Keys(o.refused)) {
		fmt.Printf("%s: - %s %s\n", column, id, o.refused[id])
	}
}
