package tree

import (
	"context"
	"os"
	"runtime"
	"sync"
)

// These are the limits for a batch of files that one goroutine writes. A batch has at most
// batchFiles files. It ends after the file with which the total size of its contents exceeds
// batchBytes.
const (
	batchFiles = 16
	batchBytes = 256 << 10
)

// hostWriter writes the files of one tree to a directory of the host. One goroutine, the
// walker, visits the tree: first the files of a directory, then its subdirectories. It
// creates the directories and hands the files over to other goroutines in batches.
//
// The metadata of a directory is set when everything in the directory is complete,
// because creating entries changes the modification time, and because the mode may
// forbid this process to enter the directory.
type hostWriter struct {
	ctx   context.Context
	store *Store
	opt   HostOptions
	jobs  chan hostJob

	// The walker uses these fields.
	path    hostPath
	visited int               // number of entries visited so far
	inodes  map[string]string // path of the first file with each inode
	links   []hostLink

	mu     sync.Mutex
	failed int // index of the entry that failed with err
	err    error
}

// walkEntry is an entry of a tree with its index in the order of the walk.
type walkEntry struct {
	Entry
	index int
}

// hostJob is a batch of files in one directory, for one goroutine to write.
type hostJob struct {
	dir     *hostDir
	root    *os.Root // the open directory
	entries []walkEntry
}

// hostLink is a further name of a file with several names. It is created when all files
// are complete.
type hostLink struct {
	dir         *hostDir
	first, name string // paths
	index       int
}

// run writes the tree n into an open directory.
func (w *hostWriter) run(root *os.Root, n *Node) error {
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for j := range w.jobs {
				w.write(j)
			}
		})
	}
	w.dir(&hostDir{root: root, users: 1, node: n}) // never unused: the caller closes root
	close(w.jobs)
	workers.Wait()
	for _, l := range w.links {
		if w.goesOn(l.index) {
			w.fail(l.index, root.Link(l.first, l.name))
		}
		w.done(l.dir)
	}
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	return w.err
}

// goesOn reports whether the entry with the given index should be written. It returns false if
// ctx has ended or an earlier entry has failed.
func (w *hostWriter) goesOn(index int) bool {
	if w.ctx.Err() != nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err == nil || index < w.failed
}

// fail records err, the result of writing the entry with the given index. If several entries
// fail, the error of the first one in the order of the walk is returned. All entries before it
// are still written, so the returned error does not depend on the timing of the goroutines.
func (w *hostWriter) fail(index int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil && (w.err == nil || index < w.failed) {
		w.err, w.failed = err, index
	}
}

// dir creates the directory d on the host, and writes its files and subdirectories.
func (w *hostWriter) dir(d *hostDir) {
	d.pending.Add(1)
	entries, err := d.node.Entries()
	var root *os.Root
	if err == nil {
		root, err = d.create()
	}
	if err != nil {
		w.fail(d.last, err)
		w.done(d)
		return
	}
	w.path.push(d)
	w.files(d, root, entries)
	for _, e := range entries {
		if e.Node.kind != Dir {
			continue
		}
		w.visited++
		if !w.goesOn(w.visited) {
			break
		}
		d.pending.Add(1)
		w.dir(&hostDir{parent: d, name: e.Name, path: join(d.path, e.Name), node: e.Node, last: w.visited})
		w.fail(w.visited, w.path.reopen())
	}
	d.last = w.visited
	if len(w.path) > openLevels {
		// Otherwise, another goroutine could set the metadata when the path has moved on,
		// and would have to open all directories above again.
		d.jobs.Wait()
	}
	w.done(d)
	w.path.pop()
}

// files hands the files in d over to other goroutines. It creates devices, pipes and sockets
// itself. The parameter root is the open directory d, and entries contains the entries of d.
func (w *hostWriter) files(d *hostDir, root *os.Root, entries []Entry) {
	job, size := hostJob{dir: d, root: root}, int64(0)
	send := func() {
		if len(job.entries) > 0 {
			d.share()
			d.jobs.Add(1)
			d.pending.Add(int64(len(job.entries)))
			w.jobs <- job
		}
		job.entries, size = nil, 0
	}
	defer send()
	for _, e := range entries {
		n := e.Node
		if n.kind == Dir {
			continue
		}
		w.visited++
		if !w.goesOn(w.visited) {
			return
		}
		name := join(d.path, e.Name)
		if first, ok := w.inodes[n.inode]; ok && n.inode != "" && !w.opt.NoLinks {
			d.pending.Add(1)
			w.links = append(w.links, hostLink{d, first, name, w.visited})
			continue
		}
		created := true
		if n.kind == File || n.kind == Symlink {
			job.entries = append(job.entries, walkEntry{e, w.visited})
			if size += n.blob.Size; len(job.entries) == batchFiles || size > batchBytes {
				send()
			}
		} else {
			var err error
			created, err = w.entry(root, name, e) // if it is not created, its next name is the first one
			w.fail(w.visited, err)
		}
		if n.inode != "" && created {
			w.inodes[n.inode] = name
		}
	}
}

// write writes the files of a batch.
func (w *hostWriter) write(j hostJob) {
	for _, e := range j.entries {
		if w.goesOn(e.index) {
			_, err := w.entry(j.root, join(j.dir.path, e.Name), e.Entry)
			w.fail(e.index, err)
		}
		w.done(j.dir)
	}
	j.dir.release()
	j.dir.jobs.Done()
}

// done records that an entry of d is complete. If it was the last one, done sets the
// metadata of d, which completes an entry of the parent directory.
func (w *hostWriter) done(d *hostDir) {
	for ; d != nil && d.pending.Add(-1) == 0; d = d.parent {
		if !w.goesOn(d.last) {
			continue
		}
		root, err := d.use()
		if err == nil {
			err = w.setMeta(root, ".", d.node)
			d.release()
		}
		w.fail(d.last, err)
	}
}
