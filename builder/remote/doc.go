// Package remote builds with a BuildKit daemon instead of this process.
//
// [Connect] connects to the daemon at the address in a [Builder], and [Build.Run]
// performs a build there. The frontend runs in this process. The daemon calls the
// frontend through the session, through which it also gets files, secrets and SSH agents.
// Outputs are written under temporary names and moved to their destinations after the
// build has succeeded.
package remote
