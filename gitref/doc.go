// Package gitref recognizes and parses references to git repositories.
//
// A git source is one of
//
//	git://host/path    ssh://user@host/path
//	http://host/path.git    https://host/path.git
//	user@host:path
//	github.com/path
//
// The last form is valid only if it cannot be a local path
// ([Ref.IndistinguishableFromLocal]): as the main context, not in ADD. Options
// may follow:
//
//	?ref=…  ?tag=…  ?branch=…       the revision to check out
//	?checksum=…  ?commit=…          the expected commit
//	?subdir=…                       the directory to use
//	?keep-git-dir  ?submodules  ?fetch-by-commit   [=true|false]
//	?mtime=checkout|commit          the modification times of files
//	#ref:subdir                     the older form
//
// Rules and errors equal those of BuildKit's dfgitutil with one exception: if a
// query has several errors, or both checksum and commit, the result is
// deterministic.
//
// Out of scope: fetching (done by the builder), the flags of ADD for the same
// options, and HTTP sources that are not repositories (both package plan).
package gitref
