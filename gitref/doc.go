// Package gitref decides which strings name a git repository, and reads what
// they say of it.
//
// A git source is one of
//
//	git://host/path    ssh://user@host/path
//	http://host/path.git    https://host/path.git
//	user@host:path
//	github.com/path
//
// the last only where it cannot be a local path ([Ref.IndistinguishableFromLocal]):
// as the main context, not in ADD. After it may come options:
//
//	?ref=…  ?tag=…  ?branch=…       what to check out
//	?checksum=…  ?commit=…          the commit that must be
//	?subdir=…                       the directory that is the source
//	?keep-git-dir  ?submodules  ?fetch-by-commit   [=true|false]
//	?mtime=checkout|commit          the times of the files
//	#ref:subdir                     the older form
//
// The rules and the errors are those of BuildKit's dfgitutil, except that
// where a query has several faults, or gives both checksum and commit, the
// answer does not change from call to call.
//
// Not here: fetching (the builder does it), what ADD's flags say of the same
// things (plan), HTTP sources that are no repositories (plan).
package gitref
