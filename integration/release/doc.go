// Command release writes the files of a release to dist/VERSION:
//
//	go run ./integration/release -version 1.2.3 [-targets linux/amd64,windows/arm64] [-url URL]
//
// For each target, it compiles slipway and writes an archive with the program, completions,
// manual pages and the licences of everything that is linked, and an SBOM in the formats of SPDX
// and CycloneDX. For Linux, it also writes packages (.deb, .rpm, .apk). If -url is set, it writes
// a Homebrew formula. SHA256SUMS lists all files.
//
// The files depend only on the commit, the version and -url: not on the directory, the user, the
// umask, the clock, the tags of the clone, or Go's settings. Times in the files are the time of
// the commit. The version of Go must be the one in go.mod, because another one compiles
// another program.
//
// The release appears as a whole: it is written to a temporary directory next to dist/VERSION,
// which is renamed at the end. Neither an existing release nor a tag is ever changed.
package main
