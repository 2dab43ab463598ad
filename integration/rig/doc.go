// Package rig runs a real builder for tests, the demo and the conformance run.
//
// Start prepares what is missing (the tools of package toolbox, two Debian
// packages), makes one temporary folder, and starts in it a registry on a free
// port of the loopback interface, filled with the images of package baseimage,
// and buildkitd behind a unix socket. Close ends all of it.
//
//	r, err := rig.Start(ctx, rig.Options{Log: os.Stderr})
//	if err != nil { ... }
//	defer r.Close()
//	err = r.PushImage(ctx, "slipway/dockerfile:1", index)
//	out, err := r.Build(ctx, rig.Request{Dockerfile: "# syntax=" + rig.Registry + "/slipway/dockerfile:1\nFROM busybox\n"})
//
// The registry answers to three names inside the builder, whatever its port is:
// docker.io, so that an ordinary FROM finds the base images; Registry, so that a
// Dockerfile can name our frontend in a fixed first line; and its own address.
//
// It needs Linux and root. Only Start and Build run longer than a moment; both
// obey their context.
package rig
