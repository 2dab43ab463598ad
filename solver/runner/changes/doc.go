// Package changes finds out which files of a directory processes have changed.
//
// A runner that cannot mount an overlay copies a tree, lets processes change the copy, and then
// compares both. Reading the content of each file would take too long, so the change times
// (ctime) decide: a process cannot set them. A [Mark] separates the times before from the times
// after. Change times mislead in two cases, in which all files count as changed:
//
//   - The clock of the machine is set while the processes run, for example by an NTP client.
//   - The file system does not change them when a process writes to a file that it has mapped
//     into its memory. That is so on tmpfs, and on an overlay whose upper directory is on tmpfs.
package changes
