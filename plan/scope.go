package plan

import (
	"slipway/dialect"
	"slipway/instructions"
	"slipway/shell"
	"slipway/source"
)

// Scope is a Dockerfile whose stages a build uses: the Dockerfile of the build, or another one
// to which it refers. Each has its own names of stages and its own variables before the first
// FROM.
type Scope struct {
	Name         string                   // as in references, such as ./go.dockerfile; "" for the Dockerfile of the build
	Dockerfile   *instructions.Dockerfile // without the stages whose IF is false
	Predefined   Env                      // the ARGs that every Dockerfile has, such as TARGETOS
	Globals      Env                      // predefined and global ARGs; build arguments override their values
	Declarations []GlobalArg              // the ARGs before the first FROM, in order
	Froms        []From                   // the FROM lines that were evaluated, in order

	stages    []*Stage          // the stages of the file, then the implicit stages that it needs
	byName    map[string]*Stage // the last stage of each name, in lower case
	expand    shell.Expander
	rules     dialect.Options         // the options of the gate and of the caller
	target    string                  // the name of the stage that other files use; "" is the last stage
	constants []constant              // the variables of LET before the first FROM
	omitted   map[string]source.Range // names of the stages whose IF is false → the IF
}

// newScope returns the scope of a Dockerfile, before its first pass.
func newScope(d *instructions.Dockerfile, rules dialect.Options) *Scope {
	s := &Scope{Dockerfile: d, byName: map[string]*Stage{}, expand: shell.Expander{Escape: d.File.Escape}, rules: rules}
	if d.Gate != nil {
		s.expand.Lookup = dialect.Lookup
	}
	return s
}

// isOther reports whether s is not the Dockerfile of the build.
func (s *Scope) isOther() bool { return s.Name != "" }

// explicit returns the stages of the file.
func (s *Scope) explicit() []*Stage { return s.stages[:len(s.Dockerfile.Stages)] }

// Stage returns the stage with the number i of the file.
func (s *Scope) Stage(i int) *Stage { return s.stages[i] }

// names returns the names of the stages. It omits stages without a name.
func (s *Scope) names() []string {
	var names []string
	for _, st := range s.stages {
		if st.Name != "" {
			names = append(names, st.Name)
		}
	}
	return names
}
