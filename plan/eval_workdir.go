package plan

import (
	"fmt"

	"slipway/diag"
	"slipway/instructions"
)

// workdir sets the working directory, and plans a step that creates this directory unless
// it is /.
func (e *evaluator) workdir(c *instructions.Workdir) *diag.Diagnostic {
	p, d := e.word(c.Path)
	if d != nil {
		return d
	}
	e.recordFact(&Directory{Path: p, Absolute: isAbs(p, e.st.Platform.OS), Word: c.Path})
	e.state.OwnDir = true
	if err := e.changeDir(p); err != nil {
		return diag.Errorf(c.Path.Text.Range(), "%w", err)
	}
	dir := e.state.Dir
	if dir != "/" {
		e.visit.Step = &Mkdir{
			StepInfo: e.info(c, e.title(c)),
			Path:     dir,
			Owner:    e.st.Image.Config.User,
			Created:  e.epoch(),
			Platform: *e.st.Platform,
		}
	}
	e.commit("WORKDIR "+dir, dir != "/")
	return nil
}

// changeDir sets the working directory in the config and in the state. A relative path
// extends the current working directory. The config has backslashes for Windows images,
// and the state always has slashes.
func (e *evaluator) changeDir(p string) error {
	os := e.st.Platform.OS
	cfg := &e.st.Image.Config
	dir, err := normalizePath(cfg.WorkingDir, p, os, false)
	if err != nil {
		return fmt.Errorf("normalizing workdir: normalizing working directory: %w", err)
	}
	cfg.WorkingDir = fromSlash(dir, os)
	e.state.Dir = toSlash(cfg.WorkingDir, os)
	return nil
}
