package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"slipway/diag"
)

const (
	maxLog      = 16 << 10 // maximum number of bytes to store from the end of a step's output
	maxLogLines = 20       // maximum number of lines to print from the end of a step's output
	ruleWidth   = "------"
)

// failedLogs stores the end of each step's output while no progress is shown. If a step
// fails, failedLogs prints the stored output of the step.
type failedLogs struct {
	logs   map[digest.Digest][]byte
	failed []*client.Vertex
}

func (l *failedLogs) add(s *client.SolveStatus) {
	for _, log := range s.Logs {
		if l.logs == nil {
			l.logs = map[digest.Digest][]byte{}
		}
		data := append(l.logs[log.Vertex], log.Data...)
		l.logs[log.Vertex] = data[max(0, len(data)-maxLog):]
	}
	for _, v := range s.Vertexes {
		if v.Error != "" {
			l.failed = append(l.failed, v)
		}
	}
}

// print prints the end of the output of each failed step.
func (l *failedLogs) print(w io.Writer) {
	for _, v := range l.failed {
		lines := strings.Split(strings.TrimRight(string(l.logs[v.Digest]), "\r\n"), "\n")
		if len(lines[0]) == 0 && len(lines) == 1 {
			continue
		}
		fmt.Fprintf(w, "%s\n > %s:\n", ruleWidth, diag.Line(v.Name))
		if len(lines) > maxLogLines {
			fmt.Fprintln(w, "...")
			lines = lines[len(lines)-maxLogLines:]
		}
		for _, line := range lines {
			fmt.Fprintln(w, diag.Line(strings.TrimSuffix(line, "\r")))
		}
		fmt.Fprintln(w, ruleWidth)
		delete(l.logs, v.Digest) // the step may be reported as failed again
	}
}
