// Package server serves BuildKit's control API with the builder of this module, so that clients
// of BuildKit, such as buildctl and docker buildx, can build with it.
//
// Calls, such as Solve and Status, have their names in the gRPC service Control. A client
// opens a session, through which the server reads its files and secrets and sends it the outputs.
// The calls Solve, which performs a build, and Status, which reports its progress, have the same
// reference of the build. If neither a frontend nor a definition is given, the client is the
// frontend: it sends the requests of the service LLBBridge to the server.
//
// Builds share the state directory with slipway build. What a client sends is used only in its
// own builds; see [sessions] and [receivedDirs].
package server
