package plan

import (
	"fmt"

	"slipway/diag"
	"slipway/instructions"
)

// workdir changes the working directory, and makes it unless it is the root.
func (e *evaluator) workdir(c *instructions.Workdir) *diag.Diagnostic {
	p, d := e.word(c.Path)
	if d != nil {
		return d
	}
	e.note(&Directory{Path: p, Absolute: isAbs(p, e.st.Platform.OS), Word: c.Path})
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

// changeDir sets the working directory in the config and in the state. The path in the
// config has the form of the image's operating system.
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
