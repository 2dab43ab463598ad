// Package remote builds with a BuildKit daemon instead of this process.
//
// [Connect] connects to a [Builder], and [Build.Run] performs a build there. The frontend
// runs in this process. The daemon calls it through the session, from which it also gets
// files, secrets and SSH agents. Outputs are written under temporary names and moved to
// their destinations after the build has succeeded.
package remote
