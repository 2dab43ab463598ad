// Package gitref recognizes and parses references to git repositories.
//
// A git source has one of these forms:
//
//	git://host/path    ssh://user@host/path
//	http://host/path.git    https://host/path.git
//	user@host:path
//	github.com/path
//
// The last form may also be a local path ([Ref.IndistinguishableFromLocal]). It is
// therefore valid as the main context, but not in ADD. Options may follow:
//
//	?ref=…  ?tag=…  ?branch=…       the revision to check out
//	?checksum=…  ?commit=…          the expected commit
//	?subdir=…                       the directory to use
//	?keep-git-dir  ?submodules  ?fetch-by-commit   [=true|false]
//	?mtime=checkout|commit          the modification times of files
//	#ref:subdir                     the older form
//
// Rules and errors equal those of BuildKit's package dfgitutil, with one exception. If a
// query has several errors, or both checksum and commit, the result is deterministic.
//
// The builder fetches the repository. Package plan handles the flags of ADD for the same
// options, and HTTP sources that are not repositories.
package gitref
