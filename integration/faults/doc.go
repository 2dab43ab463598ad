// Package faults builds on a real builder while things go wrong: clients that go
// away, contexts that vanish, registries that answer badly or never, two hundred
// builds at once. Each build must get its result, or an error of its own that
// says what is wrong, in bounded time, and afterwards nothing of it may run.
//
// The tests have build tag integration: they need Linux and root.
package faults
