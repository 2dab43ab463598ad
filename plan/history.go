package plan

import (
	"strconv"
	"strings"
	"time"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// historyComment marks history entries that a Dockerfile frontend of BuildKit wrote.
const historyComment = "buildkit.dockerfile.v0"

// commit adds a line to the stage's history.
func (e *evaluator) commit(line string, layer bool) {
	e.b.charge(len(line))
	e.st.Image.History = append(e.st.Image.History, ocispecs.History{
		CreatedBy:  line,
		Comment:    historyComment,
		EmptyLayer: !layer,
		Created:    e.epoch(),
	})
}

// epoch returns a copy of the time for the image, nil without one.
func (e *evaluator) epoch() *time.Time {
	if e.b.Epoch == nil {
		return nil
	}
	t := *e.b.Epoch
	return &t
}

// runLine returns the history line of RUN: the values of the stage's ARGs, followed by the
// command.
func (e *evaluator) runLine(args []string) string {
	declared := lastValues(e.state.Args)
	words := []string{"RUN"}
	if len(declared) > 0 {
		words = append(words, "|"+strconv.Itoa(len(declared)))
	}
	for _, a := range declared {
		v, ok := e.state.Env.Lookup(a.Key)
		if !ok {
			v = a.Value
		}
		words = append(words, a.Key+"="+v)
	}
	words = append(words, args...)
	return strings.Join(words, " ") + " # buildkit"
}
