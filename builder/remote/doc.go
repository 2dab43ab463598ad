// Package remote builds with a BuildKit in place of this process.
//
// [Connect] connects to a [Builder], and [Build.Run] sends a build to it. The frontend
// runs in this process; BuildKit asks for it, as well as for files, secrets and SSH agents.
// An output is written under a temporary name and moved to its destination when the build
// has succeeded.
package remote
