package instructions

import (
	"slipway/dialect"
	"slipway/parser"
	"slipway/source"
)

// FileRef identifies a reference to another Dockerfile by its location and its text.
type FileRef struct {
	In   *source.File // the file that contains the reference
	Text string       // the reference as written, without the stage
}

// OtherFile is a Dockerfile whose stages another Dockerfile uses.
type OtherFile struct {
	Name       string          // name in messages and step names, such as ./go.dockerfile
	Dockerfile *Dockerfile     // nil if Err is set
	Rules      dialect.Options // the options of its gate and of the caller
	Err        error           // why the file cannot be used; a *diag.Diagnostic if it has a location of its own
}

// FileRefs returns the words that refer to stages of other Dockerfiles, if the file has a gate:
// bases of stages, values of COPY --from and sources of mounts, in file order.
func (d *Dockerfile) FileRefs() []parser.Word {
	if d.Gate == nil {
		return nil
	}
	var list []parser.Word
	add := func(w parser.Word) {
		if _, ok := dialect.ParseFileRef(w.Value); ok {
			list = append(list, w)
		}
	}
	for _, st := range d.Stages {
		add(st.From.Base)
		for _, c := range st.Commands {
			switch c := c.(type) {
			case *Copy:
				add(c.From)
			case *Run:
				for _, m := range c.Mounts {
					if m.From != "" {
						add(parser.Word{Value: m.From, Text: m.FromAt.Text()})
					}
				}
			default: // reads no other stage
			}
		}
	}
	return list
}
