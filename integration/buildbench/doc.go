// Command buildbench measures how long builds take: with slipway build, with
// buildctl and a buildkitd that runs already, and with Debian's buildah.
//
//	go run ./integration/buildbench [-runs 10] [-run REGEXP] [-builders slipway,buildkitd,buildah] [-output none|oci]
//
// All build the same Dockerfile of the same folder, with the same base image of
// a registry on the loopback interface, and keep the result in their own store
// (with -output oci they write an archive, too). They take turns, so that what
// else the machine does meets them alike. slipway build runs steps in
// namespaces, as root; buildkitd has its OCI worker with the overlay snapshotter
// and converts with the frontend that it has built in; buildah has the overlay
// driver, the isolation chroot, and as many jobs as there are CPUs.
//
// Memory is that of the largest process: of buildkitd its daemon and buildctl
// together. Disk is what the state takes after the last turn of a case.
//
// The file system matters more than the builders do when there are many files: on
// ext4, to make files where others were removed a moment ago takes a multiple of
// the time. TMPDIR=/dev/shm keeps all in memory.
//
// It needs Linux and root.
package main
