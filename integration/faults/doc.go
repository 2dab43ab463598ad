// Package faults builds with a real builder under failures: clients that
// disconnect, contexts that vanish, registries with bad or missing responses,
// two hundred concurrent builds. Each build must return its result or a clear
// error of its own in bounded time, and leave no process running.
//
// The tests have build tag integration: they need Linux and root.
package faults
