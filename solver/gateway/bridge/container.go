package bridge

import (
	"context"
	"errors"

	"github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// NewContainer implements [gwpb.LLBBridgeServer].
func (b *Bridge) NewContainer(ctx context.Context, req *gwpb.NewContainerRequest) (*gwpb.NewContainerResponse, error) {
	r := client.NewContainerRequest{
		Hostname: req.Hostname, NetMode: req.Network, ExtraHosts: req.ExtraHosts, Platform: req.Platform, Constraints: req.Constraints,
	}
	for _, m := range req.Mounts {
		if m.MountType == pb.MountType_SSH && m.SSHOpt == nil {
			return nil, status.Errorf(codes.InvalidArgument, "SSH mount %q requires options", m.Dest)
		}
		r.Mounts = append(r.Mounts, b.mount(m))
	}
	// The container exists until it is released. The end of this request only ends its
	// creation.
	creation, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	c, err := b.client.NewContainer(creation, r)
	if err != nil {
		cancel(err)
		return nil, err
	}
	stop()
	if err := b.addContainer(req.ContainerID, c); err != nil {
		return nil, errors.Join(err, c.Release(ctx))
	}
	return &gwpb.NewContainerResponse{}, nil
}

// mount converts the mount in a message of the frontend. The ResultID of the message is
// either the ID of a reference, or an ID from an error of the client, such as the error of a
// failed step.
func (b *Bridge) mount(m *pb.Mount) client.Mount {
	out := client.Mount{
		Selector: m.Selector, Dest: m.Dest, ResultID: m.ResultID, Readonly: m.Readonly, MountType: m.MountType,
		CacheOpt: m.CacheOpt, SecretOpt: m.SecretOpt, SSHOpt: m.SSHOpt,
	}
	if ref, err := b.ref(m.ResultID); err == nil {
		out.Ref, out.ResultID = ref, ""
	}
	return out
}

// addContainer registers a container under an ID that the frontend has chosen. It returns an
// error if the ID is in use or the bridge is closed.
func (b *Bridge) addContainer(id string, c client.Container) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return status.Error(codes.Unavailable, "the build of the frontend has ended")
	}
	if _, ok := b.containers[id]; ok {
		return status.Errorf(codes.AlreadyExists, "Container %s already exists", id)
	}
	b.containers[id] = c
	return nil
}

// container returns the container that the frontend has registered under the given ID. If the
// ID is unknown, it returns an error.
func (b *Bridge) container(id string) (client.Container, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c, ok := b.containers[id]
	if !ok {
		return nil, errNoContainer(id)
	}
	return c, nil
}

// ReleaseContainer implements [gwpb.LLBBridgeServer].
func (b *Bridge) ReleaseContainer(ctx context.Context, req *gwpb.ReleaseContainerRequest) (*gwpb.ReleaseContainerResponse, error) {
	b.mu.Lock()
	c, ok := b.containers[req.ContainerID]
	delete(b.containers, req.ContainerID)
	b.mu.Unlock()
	if !ok {
		return nil, errNoContainer(req.ContainerID)
	}
	return &gwpb.ReleaseContainerResponse{}, c.Release(ctx)
}

// errNoContainer returns the error for a container ID that is unknown or was released.
func errNoContainer(id string) error {
	return status.Errorf(codes.NotFound, "container %q previously released or not created", id)
}
