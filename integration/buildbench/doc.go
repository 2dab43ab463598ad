// Command buildbench measures the duration of builds with slipway build, with buildctl
// and a running buildkitd, and with Debian's buildah.
//
//	go run ./integration/buildbench [-runs 10] [-run REGEXP] [-builders buildkitd,slipway,buildah]
//		[-output none|oci|push] [-dir DIR] [-scale 0.01]
//
// All builders build the same Dockerfile and directory, with a base image from a
// registry on the loopback interface, and store the result in their own state. With
// -output oci, they also write an archive. With -output push, they push to a registry
// that stores nothing. The builders take turns, so that other load affects them
// equally. slipway build runs steps in namespaces, as root. buildkitd uses its OCI
// worker, the overlay snapshotter and its built-in frontend. buildah uses the overlay
// driver, chroot isolation, and one job per CPU.
//
// The builder slipway-serve is buildctl with a running slipway serve; -builders
// buildkitd,slipway-serve compares it with buildctl and buildkitd. The builder kaniko is the
// executor of kaniko's last release, whose layers are cached in a registry. The flag -builders
// also accepts absolute paths of slipway programs. With two programs, one run measures
// the effect of a change.
//
// The result is a Markdown table. Each row is a case with the number of measured builds
// in parentheses. The rows are sorted by the ratio of the second builder's time to the
// first builder's, largest first. A ratio is the median of the ratios of each turn.
// Cases whose builds take seconds have half as many turns and omit buildah. The case of
// 1,000 builds has one row for its first builds and one row for its last builds.
//
// The column for memory contains the peak of the largest process. For buildkitd and
// slipway-serve, it contains the sum of builder and buildctl, with the growth during one build in
// parentheses. The column for disk contains the size of the state after the last turn
// of a row.
//
// With many files, the filesystem matters more than the builder: on ext4, creating
// files shortly after others were removed takes several times as long. -dir /dev/shm
// puts everything in memory. The largest cases need 10 GB.
//
// The command needs Linux and root.
package main
