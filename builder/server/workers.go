package server

import (
	"context"
	"os"

	"github.com/containerd/containerd/v2/pkg/filters"
	controlapi "github.com/moby/buildkit/api/services/control"
	apitypes "github.com/moby/buildkit/api/types"
	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"slipway/builder"
	"slipway/solver/llbsource"
)

// workerID is the ID of the only worker. Frontends receive the same ID.
const workerID = "slipway"

// ListWorkers implements [controlapi.ControlServer]. The server has one worker.
func (s *Server) ListWorkers(_ context.Context, req *controlapi.ListWorkersRequest) (*controlapi.ListWorkersResponse, error) {
	f, err := filters.ParseAll(req.Filter...)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "filter: %v", err)
	}
	w, err := s.worker()
	if err != nil {
		return nil, err
	}
	resp := &controlapi.ListWorkersResponse{}
	matches := f.Match(filters.AdapterFunc(func(path []string) (string, bool) {
		switch {
		case len(path) == 1 && path[0] == "id":
			return w.ID, true
		case len(path) == 2 && path[0] == "labels":
			v, ok := w.Labels[path[1]]
			return v, ok
		}
		return "", false
	}))
	if matches {
		resp.Record = append(resp.Record, w)
	}
	return resp, nil
}

// worker describes the worker of the server.
func (s *Server) worker() (*apitypes.WorkerRecord, error) {
	host, _ := os.Hostname() // "" if it is unknown
	devices, err := s.opt.Build.Devices()
	if err != nil {
		return nil, err
	}
	w := &apitypes.WorkerRecord{
		ID: workerID,
		Labels: map[string]string{
			"org.mobyproject.buildkit.worker.executor": "slipway",
			"org.mobyproject.buildkit.worker.hostname": host,
		},
		Platforms:       pb.PlatformsFromSpec([]ocispecs.Platform{llbsource.Machine()}),
		BuildkitVersion: s.version(),
	}
	for _, d := range devices {
		w.CDIDevices = append(w.CDIDevices, &apitypes.CDIDevice{Name: d.Name, AutoAllow: d.Allowed, Annotations: d.Annotations})
	}
	return w, nil
}

// version returns the version of this program in the form that clients receive.
func (s *Server) version() *apitypes.BuildkitVersion {
	return &apitypes.BuildkitVersion{Package: "slipway", Version: s.opt.Version, DockerfileVersion: builder.DockerfileVersion}
}

// Info implements [controlapi.ControlServer].
func (s *Server) Info(context.Context, *controlapi.InfoRequest) (*controlapi.InfoResponse, error) {
	return &controlapi.InfoResponse{BuildkitVersion: s.version()}, nil
}
