// Package buildcase parses test cases that are whole builds, and writes their files to disk. A
// case consists of a Dockerfile, its context, its options, and the changes before each further
// build. It is one txtar archive.
//
// Parse parses the archive. Lay writes the context to disk, and [Layout] returns one request
// per build:
//
//	c, err := buildcase.Parse(data)
//	l, err := c.Lay(dir)
//	for more := true; more; more, err = l.Next() {
//		build(l.Request())
//	}
//
// The comment of the archive starts with a line that describes the case. Each following line
// is a header, "key: value", which may be repeated:
//
//	attr: target=x            a frontend option
//	secret: id=value
//	ssh: default              an SSH agent with a new key
//	allow: security.insecure  an entitlement
//	differs: why              the source lines of an error must differ from upstream's
//	upstream: testA testB     tests of BuildKit whose behavior the case covers
//	random: /file             a file of the image with different content in each build
//
// Other headers create files in the context that are not regular files of mode 0644, see
// [Place].
//
// The files of the archive are:
//
//   - Dockerfile, to which a test may add a # syntax line, and Dockerfile.dockerignore;
//   - files of the context, below "context/";
//   - archives, below "archive/", see [PackArchive];
//   - files of named contexts, below "named/NAME/";
//   - files below "http/", which an HTTP server serves; its URL is the build argument HTTP;
//   - "error", for a build that must fail: lines that its output must contain.
//
// A case has a second build if at least one of these exists:
//
//   - files below "again/", which are added to the context or replace its files;
//
//   - a file "Dockerfile.again", which replaces the Dockerfile;
//
//   - headers that start with "again: ", such as
//
//     again: attr: target=y
//     again: mode: context/a 0755
//
// The prefix "again2" is for a third build, and so on.
package buildcase
