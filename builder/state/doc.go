// Package state manages the state directory of `slipway build`, which outlasts builds:
//
//	DIR/
//	├── format          version of the formats of cache/ and store/dirs/
//	├── lock            held shared by builds, exclusively by a prune
//	├── store/          package solver/tree
//	│   ├── blobs/ab/…  content of files and layers, by digest
//	│   ├── dirs/ab/…   groups of directories, by digest
//	│   └── tmp/        files that are being written
//	├── cache/ab/….json outputs of vertices, by cache key (solver/diskcache)
//	├── files           digests of context files, by name, size and times (solver/llbsource)
//	├── images/….json   images that -t stored, by name (solver/images)
//	├── layers/….json   blobs of exported layers (solver/export)
//	├── mounts/…/data   cache mounts (solver/hostmount)
//	├── namespace/      package solver/runner/namespace
//	│   ├── layers/…    lower directories of overlays; ….blobs lists the blobs in them
//	│   └── run/        mounts of running steps
//	├── explain/….json  steps of the last build of each Dockerfile (builder/explain)
//	├── temp/           downloads of sources
//	├── outputs/        names of outputs that are being written, for removal after a kill
//	├── builder/        as outputs/, for builds by a BuildKit daemon, with a separate lock
//	└── gc              its modification time is the time of the last garbage collection
//
// Names that end with .gone are being removed.
//
// [Open] opens the directory and [Dir.Hold] locks it for a build. [Entries] lists what a
// prune can remove, [Prune] and [GC.Collect] remove it. All files can be restored by building
// again, except for cache mounts and stored images.
//
// The packages named above define the formats of the files.
package state
