package frontend

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	fstypes "github.com/tonistiigi/fsutil/types"

	"slipway/internal/fakegateway"
)

// barrier is a builder that counts requests. It blocks each request of a group until all
// requests of the group have arrived. A build therefore succeeds only if it makes the
// requests of a group concurrently.
type barrier struct {
	*fakegateway.Client
	groups   map[string]*group
	mu       sync.Mutex
	requests map[string]int
}

// group is a set of requests that a [barrier] blocks until all of them have arrived at the
// builder.
type group struct {
	missing int
	all     chan struct{}
}

// newBarrier returns a barrier that passes requests to the builder b. Each list contains the
// names of the requests in one group.
func newBarrier(b *fakegateway.Client, lists ...[]string) *barrier {
	m := &barrier{Client: b, groups: map[string]*group{}, requests: map[string]int{}}
	for _, list := range lists {
		g := &group{missing: len(list), all: make(chan struct{})}
		for _, name := range list {
			m.groups[name] = g
		}
	}
	return m
}

// arrive records that the request with the given name has arrived, and waits until all other
// requests in its group have arrived. If the request has no group, arrive does not wait.
func (m *barrier) arrive(ctx context.Context, name string) error {
	m.mu.Lock()
	m.requests[name]++
	g := m.groups[name]
	if g != nil && m.requests[name] == 1 {
		if g.missing--; g.missing == 0 {
			close(g.all)
		}
	}
	m.mu.Unlock()
	if g == nil {
		return nil
	}
	select {
	case <-g.all:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s is requested without its group: %w", name, ctx.Err())
	}
}

func (m *barrier) Solve(context.Context, client.SolveRequest) (*client.Result, error) {
	res := client.NewResult()
	res.SetRef(&barrierRef{m: m})
	return res, nil
}

func (m *barrier) ResolveSourceMetadata(ctx context.Context, op *pb.SourceOp, opt sourceresolver.Opt) (*sourceresolver.MetaResponse, error) {
	if err := m.arrive(ctx, op.Identifier); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.Client.ResolveSourceMetadata(ctx, op, opt)
}

type barrierRef struct {
	client.Reference
	m *barrier
}

func (r *barrierRef) ReadFile(ctx context.Context, req client.ReadRequest) ([]byte, error) {
	if err := r.m.arrive(ctx, req.Filename); err != nil {
		return nil, err
	}
	if s, ok := r.m.Files[req.Filename]; ok {
		return []byte(s), nil
	}
	return nil, os.ErrNotExist
}

func (r *barrierRef) StatFile(ctx context.Context, req client.StatRequest) (*fstypes.Stat, error) {
	return nil, r.m.arrive(ctx, "stat "+req.Path)
}

// TestRequests checks that a build makes independent requests concurrently, and makes no
// request twice.
func TestRequests(t *testing.T) {
	b := fakegateway.New("FROM a AS x\nFROM b\nCOPY --from=x / /\nCOPY --from=docker.io/library/a / /\nCOPY . .\n", nil)
	m := newBarrier(b,
		[]string{"Dockerfile", "Dockerfile.dockerignore"},
		[]string{"docker-image://docker.io/library/a:latest", "docker-image://docker.io/library/b:latest", ".dockerignore"})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := Build(ctx, m); err != nil {
		t.Fatal(err)
	}
	for name, n := range m.requests {
		if n != 1 {
			t.Errorf("%s is requested %d times", name, n)
		}
	}
	if len(m.requests) != 5 {
		t.Errorf("unexpected requests %v", m.requests)
	}
}

// TestReadAheadEnds checks that a failing build leaves no goroutines running.
func TestReadAheadEnds(t *testing.T) {
	b := fakegateway.New("FROM $none\n", nil)
	m := newBarrier(b, []string{".dockerignore", "what nobody asks for"})
	if _, err := Build(t.Context(), m); err == nil {
		t.Fatal("the build succeeds, want an error")
	}
	if n := m.requests[".dockerignore"]; n > 1 {
		t.Errorf("the ignore file is requested %d times", n)
	}
}
