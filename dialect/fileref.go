package dialect

import "strings"

// FileRef is a reference to a stage of another Dockerfile.
//
//	fileref = [ context ":" ] ( "./" | "../" ) path [ "#" ( stage | number ) ] .
type FileRef struct {
	File     string // the part before the stage, as written, such as shared:./go.dockerfile
	Context  string // the build context with the file; "" is the source of the file with the reference
	Path     string // starts with ./ or ../
	Stage    string // a name or a number; "" is the last stage
	StageAt  int    // the offset of Stage in the reference
	HasStage bool   // whether the reference contains #
}

// ParseFileRef splits a reference to a stage of another Dockerfile. ok is false if s is the name
// of a stage or an image.
func ParseFileRef(s string) (r FileRef, ok bool) {
	r.File, r.Stage, r.HasStage = strings.Cut(s, "#")
	r.StageAt = len(r.File) + 1
	r.Path = r.File
	if context, path, found := strings.Cut(r.File, ":"); found && isContextName(context) {
		r.Context, r.Path = context, path
	}
	return r, strings.HasPrefix(r.Path, "./") || strings.HasPrefix(r.Path, "../")
}

// isContextName reports whether s may be the name of a build context in a reference.
func isContextName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == ""
}
