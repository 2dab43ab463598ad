// Package golden reads the corpus of test cases and compares results with the
// ones that are recorded in it.
//
// A case is a txtar archive testdata/<category>/<words>.txtar: a Dockerfile
// with everything that a build of it sees, and what should come out. Every
// package runs all cases and owns one section of them.
//
//	# COPY --from takes the mode of the source file
//	section: 4.5
//	opts: platform=linux/arm64 build-arg:V="two words"
//	-- Dockerfile --
//	FROM alpine
//	COPY --from=busybox /bin/sh /sh
//	-- context/a.txt --
//	-- out/plan --
//
// The header is one or more title lines, starting with #, that say the rule,
// and lines "key: value" (blank lines are ignored):
//
//	section        the section of testdata/checklist.txt that the case is of
//	opts           frontend options key=value, separated by spaces; a value with
//	               spaces is a Go string literal; may be repeated
//	platforms      target platforms to run on instead of the usual ones (see
//	               [Case.Platforms]); none for a build that does not say one
//	worker         platforms of the worker instead of linux/amd64
//	caps           LLB capabilities that the daemon lacks: -mergeop …
//	differs        kind: why. An intended difference from docker/dockerfile
//	encoding       name quoted. How a file is written down, see below
//	last-modified  url time (RFC 3339). What the server of http/<url> says
//	policy         identifier identifier. A source policy that puts the second
//	               source in the place of the first
//
// The files:
//
//	context/<path>         the main context, the local directory "context"
//	context.<name>/<path>  the local directory <name>
//	input.<name>/<path>    the frontend input <name>
//	images/<ref>.json      the config of an image, over the table of [DefaultImages].
//	                       The reference is written as in a Dockerfile, with its
//	                       slashes and colons: archives are never unpacked. With
//	                       #<platform> behind it (images/a/b:1#linux/arm64.json)
//	                       the config holds for that platform only, and the image
//	                       does not exist for platforms that are not listed.
//	                       An empty file: there is no such image.
//	http/<url>             what an HTTP server answers
//	git/<path>             the tree of any git repository
//	git.commit             the raw commit object of any git repository
//	out/<section>          results
//	anything else          the local directory "dockerfile": Dockerfile,
//	                       Dockerfile.dockerignore, sub/other.Dockerfile
//
// Text that an archive cannot hold as it is, such as a file without a line end
// at its end, CRLF, NUL, a byte order mark or something huge, is quoted: with
// the header "encoding: Dockerfile quoted" each line of the file is a Go string
// literal, optionally behind a repeat count, and the content is all of them
// one after the other.
//
//	encoding: Dockerfile quoted
//	-- Dockerfile --
//	"FROM alpine\r\n"
//	1000 "RUN true\n"
//
// Not here: what a build sees of a case through the gateway client
// (integration/differential).
package golden
