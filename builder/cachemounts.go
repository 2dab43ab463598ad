package builder

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/docker/go-units"

	"slipway/solver"
	"slipway/solver/hostmount"
	"slipway/solver/remotecache"
	"slipway/solver/tree"
)

// mountWait is how long the export of a cache waits for a cache mount that another build uses.
const mountWait = 30 * time.Second

// cacheMounts exports the cache mounts of a build.
type cacheMounts struct {
	host  *hostmount.Mounts
	steps solver.Mounts // host, or the mounts of a client in another process
	temp  string        // directory for temporary stores
}

// mounts returns the host mounts for RUN steps. If a client requested the build, secrets and SSH agents
// come from the client. Cache mounts that this machine lacks start with their files in imported caches.
func (c *caches) mounts(s *localBuilder, o *Options, p *inputs) solver.Mounts {
	host := s.hostMounts(o)
	if imports := c.exporter.Imports; imports != nil {
		host.Restore, host.Temp = imports.RestoreMount, s.Temp()
	}
	c.cacheMounts = &cacheMounts{host: host, steps: host, temp: s.Temp()}
	if p.request != nil {
		c.cacheMounts.steps = clientMounts{host, p.request.Client}
	}
	return c.cacheMounts.steps
}

// list returns the cache mounts of the build b to export to the cache to. It stores their files in tmp.
//
// A cache mount that this machine has no directory for comes from an imported cache, if it has one. A cache
// mount is left out, with a warning, if it is too large, if another build uses it, or if it contains a
// secret of the build.
func (c *caches) list(ctx context.Context, b *solver.Job, to remotecache.To, tmp *hostmount.Temp) ([]remotecache.Mount, error) {
	secrets, err := c.cacheMounts.secrets(ctx, b.SecretIDs())
	if err != nil {
		return nil, err
	}
	var list []remotecache.Mount
	for _, m := range b.CacheMounts(ctx) {
		root, err := c.cacheMounts.read(ctx, m, tmp.Store, cmp.Or(to.MountLimit, remotecache.DefaultMountLimit))
		if root != nil && err == nil {
			err = secrets.check(ctx, root, tmp.Store)
		}
		var omitted *omittedError
		switch {
		case errors.As(err, &omitted):
			c.o.warn("cache %s: cache mount %s is not exported: it %v", to, m.ID, omitted)
		case err != nil:
			return nil, fmt.Errorf("cache mount %s: %w", m.ID, err)
		case root != nil:
			list = append(list, remotecache.Mount{ID: m.ID, Name: m.Name, Root: root, Store: tmp.Store, Dir: filepath.Join(tmp.Dir, "layers")})
		case c.exporter.Imports != nil:
			if imported, ok := c.exporter.Imports.Mount(m.Name); ok {
				list = append(list, imported)
			}
		}
	}
	return list, nil
}

// omittedError is the reason why a cache mount is not exported.
type omittedError struct{ reason string }

// Error implements error.
func (e *omittedError) Error() string { return e.reason }

// read reads the files of a cache mount into the store. If this machine has no directory for it, read
// returns nil. If it must not be exported, the error is an [*omittedError].
func (x *cacheMounts) read(ctx context.Context, m solver.CacheMount, store *tree.Store, limit int64) (*tree.Node, error) {
	var sum int64
	reader := tree.HostReader{Store: store, Origin: m.Name, Meta: func(f tree.HostFile) (tree.Meta, error) {
		if f.Info.Mode().IsRegular() {
			sum += f.Info.Size()
		}
		if sum > limit {
			return f.Meta, &omittedError{fmt.Sprintf("has more than %s (set mount-limit=SIZE)", units.HumanSize(float64(limit)))}
		}
		return f.Meta, nil
	}}
	root, err := x.host.Read(ctx, m.Name, mountWait, reader)
	if errors.Is(err, hostmount.ErrInUse) {
		return nil, &omittedError{"is in use by another build"}
	}
	return root, err
}

// secretValues contains the values of secrets by id.
type secretValues map[string][]byte

// minSecret is the minimum length of a secret that is searched for in cache mounts. Shorter ones, such as
// "true", occur in many files by accident.
const minSecret = 8

// secrets returns the values of the secrets with the given ids, except for short ones.
func (x *cacheMounts) secrets(ctx context.Context, ids []string) (secretValues, error) {
	values := secretValues{}
	for _, id := range ids {
		data, _, err := x.steps.Secret(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("secret %s: %w", id, err)
		}
		if value := bytes.TrimSpace(data); len(value) >= minSecret {
			values[id] = value
		}
	}
	return values, nil
}

// check returns an [*omittedError] if a file below root contains one of the secrets.
func (s secretValues) check(ctx context.Context, root *tree.Node, store *tree.Store) error {
	if len(s) == 0 {
		return nil
	}
	ids := slices.Sorted(maps.Keys(s))
	var values [][]byte
	for _, id := range ids {
		values = append(values, s[id])
	}
	var err error
	walkErr := root.EachFile(nil, func(at tree.Location, _ *tree.Node) {
		if err != nil {
			return
		}
		var i int
		if i, err = findIn(ctx, store, at.Blob, values); err == nil && i >= 0 {
			err = &omittedError{fmt.Sprintf("contains the secret %s in the file %q", ids[i], at.Path)}
		}
	})
	return errors.Join(err, walkErr)
}

// findIn returns the index of a value that the blob b contains, or -1.
func findIn(ctx context.Context, store *tree.Store, b tree.Blob, values [][]byte) (int, error) {
	f, err := store.OpenContext(ctx, b)
	if err != nil {
		return -1, err
	}
	i, err := find(f, values)
	return i, errors.Join(err, f.Close())
}

// find returns the index of a value that r contains, or -1. It reads r in parts, which overlap by the
// length of the longest value.
func find(r io.Reader, values [][]byte) (int, error) {
	longest := 0
	for _, v := range values {
		longest = max(longest, len(v))
	}
	const part = 256 << 10
	buf := make([]byte, 0, part+longest)
	for {
		n, err := io.ReadFull(r, buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		for i, v := range values {
			if bytes.Contains(buf, v) {
				return i, nil
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return -1, nil
		}
		if err != nil {
			return -1, err
		}
		kept := copy(buf, buf[len(buf)-longest:])
		buf = buf[:kept]
	}
}
