// Package faults builds with a real builder under failures: clients that disconnect, contexts
// that vanish, registries with bad or missing responses, and many concurrent builds.
// Within a limited time, each build must return its own result or a clear error, and leave no
// process running.
//
// The tests have build tag integration: they need Linux and root.
package faults
