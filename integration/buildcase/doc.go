// Package buildcase reads and lays out test cases that are whole builds: a
// Dockerfile, its context, its options, and what changes before each further
// build. A case is one txtar archive.
//
// Parse reads the archive. Lay writes the context to disk, and [Layout] gives
// one request per build:
//
//	c, err := buildcase.Parse(data)
//	l, err := c.Lay(dir)
//	for more := true; more; more, err = l.Next() {
//		build(l.Request())
//	}
//
// The comment of the archive starts with a line that says what the case is
// about. Each line below it is a header, "key: value", which may occur several
// times:
//
//	attr: target=x            a frontend option
//	secret: id=value
//	ssh: default              an agent with a fresh key
//	allow: security.insecure  an entitlement
//	differs: why              the source lines of an error must differ from upstream's
//	upstream: testA testB     tests of BuildKit whose behaviour it has
//	random: /file             a file of the image that is another each time it is made
//
// or places something in the context besides files of mode 0644, see [Place].
//
// The files of the archive are the Dockerfile, to which a test may add a # syntax
// line; its Dockerfile.dockerignore; the context's, below "context/"; archives,
// below "archive/", see [PackArchive]; those of contexts with a name, below
// "named/NAME/"; those below "http/", which a server has whose URL is build
// argument HTTP; and, of a build that has to fail, "error": lines that must
// occur in what is printed.
//
// A case has a second build if it has files below "again/", which are added to
// the context or replace its files, a file "Dockerfile.again", which replaces
// the Dockerfile, or headers that start with "again: ", such as
//
//	again: attr: target=y
//	again: mode: context/a 0755
//
// "again2" stands for a third build in the same way, and so on.
package buildcase
