// Package chroot runs processes in a changed root directory, without namespaces, mounts or
// control groups. It needs no more than root in an ordinary container has.
//
// The root of a step is a copy of its tree. Copies share their blocks with the store where the
// file system can do that (reflinks). Hard links would be cheaper elsewhere, but root could
// write through them into the store. Names of one file in the tree become several files, so that
// a process changes only one of them, as on an overlay. What a process changed is found by comparison: the inode
// of a changed file has a newer change time than the copy.
//
// Everything that a mount would show is put into the root before the process starts, and removed
// before the root is read:
//
//   - Trees and secrets are copied. The content of a secret is erased before the root is read.
//     A step that linked or moved a secret fails, so that no layer can contain it.
//   - The directory of a cache mount is exchanged with an empty directory in the root, so that it
//     costs nothing. Steps that use the same cache mount run sequentially. A tmpfs is a directory
//     on disk, without a limit of its size.
//   - Files that a mount hides are moved aside, and the times of their directories restored.
//   - /dev contains the standard devices. /proc contains copies of some files, such as
//     /proc/cpuinfo, but no processes: /proc/self and /dev/stdout do not work.
//
// Processes share everything else with the builder: network, host name and process IDs. They have
// the default capabilities of containers, except for CAP_SYS_CHROOT and CAP_MKNOD. So a single
// step cannot leave its root or read the memory of the builder. Two steps that cooperate can
// leave their roots, because one can pass an open directory to the other. SECURITY.md
// therefore counts the container as the boundary. A step that requests isolation fails, unless the user
// accepts that it gets none, see [Isolation]. A process that changes a read-only mount fails
// after it has ended, because nothing prevents the change.
//
// A supervisor process per step kills all descendants of the process when the first one ends.
// If the builder ends for any reason, it also removes the root with its secrets.
//
// A process starts by executing this program again: its main function must call [Main] first,
// and so must TestMain in tests that use the runner.
package chroot
