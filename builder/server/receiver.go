package server

import (
	"context"
	"io"

	"github.com/containerd/containerd/v2/core/content"
	sessioncontent "github.com/moby/buildkit/session/content"
	"github.com/moby/buildkit/session/filesync"

	"slipway/builder"
	"slipway/solver/gateway"
	"slipway/solver/track"
	"slipway/solver/tree"
)

// receiver sends an output to the client of a build. It implements [builder.Receiver].
type receiver struct {
	client *buildClient
	output int // index of the output in the request
}

var _ builder.Receiver = receiver{}

// File implements [builder.Receiver].
func (r receiver) File(ctx context.Context, exported map[string]string) (io.WriteCloser, func(), error) {
	caller, err := r.client.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	ctx, abort := context.WithCancel(ctx)
	w, err := filesync.CopyFileWriter(ctx, exported, r.output, caller)
	if err != nil {
		abort()
		return nil, nil, err
	}
	return fileWriter{w, abort}, abort, nil
}

// fileWriter sends an archive to a client, and ends the stream to the client when it is closed.
type fileWriter struct {
	io.WriteCloser
	end func()
}

// Close implements [io.Closer]. It waits until the client has received everything.
func (w fileWriter) Close() error {
	defer w.end()
	return w.WriteCloser.Close()
}

// Store implements [builder.Receiver].
func (r receiver) Store(ctx context.Context) (content.Store, error) {
	caller, err := r.client.open(ctx)
	if err != nil {
		return nil, err
	}
	return sessioncontent.NewCallerStore(caller, "export"), nil
}

// Dir implements [builder.Receiver].
func (r receiver) Dir(ctx context.Context, root *tree.Node, store *tree.Store) error {
	caller, err := r.client.open(ctx)
	if err != nil {
		return err
	}
	t := track.Start(ctx, "copying files", 0)
	defer t.Done()
	total := 0
	return sendFiles(ctx, caller, r.output, gateway.Files(root, store), func(n int, _ bool) {
		t.Add(int64(n - total))
		total = n
	})
}
