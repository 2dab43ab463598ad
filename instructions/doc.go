// Package instructions says what the instructions of a Dockerfile mean before
// any variable has a value: one immutable type for each of the 18 keywords,
// with its flags typed and checked.
//
// Words that expand later are [parser.Word]; only the plan turns them into
// strings.
//
//	d, diags := instructions.Parse(file)
//	for _, st := range d.Stages {
//		for _, c := range st.Commands {
//			switch c := c.(type) {
//			case *instructions.Run: …
//
// Not here: expansion and values (plan), warnings (linter).
package instructions
