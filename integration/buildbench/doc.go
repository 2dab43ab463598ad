// Command buildbench measures the duration of builds with slipway build, with
// buildctl and a running buildkitd, and with Debian's buildah.
//
//	go run ./integration/buildbench [-runs 10] [-run REGEXP] [-builders slipway,buildkitd,buildah] [-output none|oci]
//
// All builders build the same Dockerfile and directory, with a base image from
// a registry on the loopback interface, and store the result in their own
// state. With -output oci they also write an archive. They take turns, so that
// other load affects them equally. slipway build runs steps in namespaces, as
// root. buildkitd uses its OCI worker, the overlay snapshotter and its built-in
// frontend. buildah uses the overlay driver, chroot isolation, and one job per
// CPU.
//
// The flag -builders also accepts absolute paths of slipway programs. With
// two programs, one run measures the effect of a change.
//
// Memory is the peak of the largest process; for buildkitd it is the sum of
// daemon and buildctl. Disk is the size of the state after the last turn of a
// case.
//
// With many files, the filesystem matters more than the builder: on ext4,
// creating files shortly after others were removed takes several times as long.
// TMPDIR=/dev/shm puts everything in memory.
//
// The command needs Linux and root.
package main
