// Package llbtext formats LLB definitions as stable text, for golden files and to show how two
// definitions differ.
//
//	0 source
//	  source.identifier = "docker-image://docker.io/library/alpine:latest@sha256:…"
//	  platform = {Architecture: "amd64" OS: "linux"}
//	  meta.caps[source.image] = true
//	  meta.description[llb.customname] = "[1/2] FROM docker.io/library/alpine:latest@sha256:…"
//	  at Dockerfile 1
//	1 exec
//	  inputs[0] = {digest: 0 index: 0}
//	  exec.meta.args[0] = "/bin/sh"
//	  exec.mounts[0] = {input: 0 dest: "/" output: 0}
//	result 1 index 0
//	  meta.caps[platform] = true
//
// Operations are numbered in topological order, starting from the result and following inputs
// in order. The numbers therefore do not depend on the order in the encoded definition. The
// text contains these numbers instead of the digests of operations, and similar numbers
// instead of the ids of progress groups.
//
// All set fields are printed by reflection. Unset fields are printed if their zero value has a
// meaning, such as input 0.
package llbtext
