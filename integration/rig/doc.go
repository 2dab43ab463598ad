// Package rig runs a real builder for tests, the demo and the conformance run.
//
// Start installs missing tools (the tools of package toolbox, and two Debian packages) and
// creates a temporary directory. There it starts a registry on a free port of the loopback
// interface, with the images of package baseimage, and buildkitd with a Unix socket. Close
// stops both programs.
//
//	r, err := rig.Start(ctx, rig.Options{Log: os.Stderr})
//	if err != nil { ... }
//	defer r.Close()
//	err = r.PushImage(ctx, "slipway/dockerfile:1", index)
//	out, err := r.Build(ctx, rig.Request{Dockerfile: "# syntax=" + rig.Registry + "/slipway/dockerfile:1\nFROM busybox\n"})
//
// Inside the builder, the registry has three names, regardless of its port: docker.io, so that
// an ordinary FROM finds the base images; Registry, so that a Dockerfile can name our frontend
// in a fixed first line; and its own address.
//
// The package needs Linux and root. Only Start and Build take long, and both end early if their
// context is canceled.
package rig
