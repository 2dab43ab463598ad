// Package lsp is a language server for Dockerfiles, as defined by the Language Server Protocol
// 3.17.
//
// [Serve] speaks the protocol on a connection. It reports the findings of package lint, offers
// their fixes, and formats documents. Each version of a document is an immutable snapshot, which
// is parsed and checked when a request needs it. One loop applies the notifications of the client
// in order. A request gets its snapshot in this loop and is answered concurrently.
//
// The server reads configurations and the names of the files in the build context, but no
// registry and no network. The only process that it runs is ShellCheck, if the options have it.
package lsp
