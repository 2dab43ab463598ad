package instructions

import (
	"strings"

	"slipway/diag"
)

// checkOptional checks --if-exists of COPY or ADD. It is for files of the context or of a
// stage. The sources of ADD may also be URLs, which package plan checks after it has expanded
// them.
func checkOptional(c *Copy, x *Extension) *diag.Diagnostic {
	if !x.IfExists {
		return nil
	}
	if len(c.In.Heredocs) > 0 {
		return diag.Errorf(c.In.Heredocs[0].Word.Range(), "--if-exists is for files")
	}
	for _, w := range c.Sources {
		if strings.HasPrefix(w.Value, "http://") || strings.HasPrefix(w.Value, "https://") {
			return diag.Errorf(w.Text.Range(), "--if-exists is for files")
		}
	}
	return nil
}
