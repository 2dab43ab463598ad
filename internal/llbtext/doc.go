// Package llbtext prints LLB definitions as stable text, for recorded results
// and for showing in what two definitions differ.
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
// Operations are numbered in topological order, from the result down its inputs
// in their order, so that the numbers do not depend on the order in which the
// definition lists them. Numbers also stand for the digests of operations and
// the ids of progress groups. Every field that is set is printed, found by
// reflection, and those where zero says something even when it is not set.
package llbtext
