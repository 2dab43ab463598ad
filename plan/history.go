package plan

import (
	"strconv"
	"strings"
	"time"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// historyComment is the comment of history entries written by BuildKit's Dockerfile
// frontends.
const historyComment = "buildkit.dockerfile.v0"

// commit appends the history entry of an instruction to the stage's image config. The
// parameter line is the text of the entry, and layer is true if the instruction creates a
// layer.
func (e *evaluator) commit(line string, layer bool) {
	e.b.charge(len(line))
	e.st.Image.History = append(e.st.Image.History, ocispecs.History{
		CreatedBy:  line,
		Comment:    historyComment,
		EmptyLayer: !layer,
		Created:    e.epoch(),
	})
}

// epoch returns a copy of Plan.Epoch, or nil if it is not set.
func (e *evaluator) epoch() *time.Time {
	if e.b.Epoch == nil {
		return nil
	}
	t := *e.b.Epoch
	return &t
}

// runLine returns the text of a RUN in the image history: the ARGs of the stage with their
// values, followed by the command.
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
