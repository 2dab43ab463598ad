package server

import (
	"context"
	"maps"
	"slices"

	controlapi "github.com/moby/buildkit/api/services/control"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session/exporter"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"
)

// findExporters asks the session of the client for further exporters of a result. The function id
// returns the ID by which the client refers to a reference. A client without exporters has none.
func (c *buildClient) findExporters(ctx context.Context, res *gateway.Result, id func(gateway.Reference) string) ([]*controlapi.Exporter, error) {
	caller, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	req := &exporter.FindExportersRequest{Metadata: res.Metadata}
	for _, ref := range references(res) {
		req.Refs = append(req.Refs, id(ref))
	}
	resp, err := exporter.NewExporterClient(caller.Conn()).FindExporters(caller.Context(ctx), req)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	var list []*controlapi.Exporter
	for _, e := range resp.Exporters {
		list = append(list, &controlapi.Exporter{Type: e.Type, Attrs: e.Attrs})
	}
	return list, nil
}

// references returns the references of a result, sorted by platform.
func references(res *gateway.Result) (list []gateway.Reference) {
	if res.Ref != nil {
		list = append(list, res.Ref)
	}
	for _, key := range slices.Sorted(maps.Keys(res.Refs)) {
		if ref := res.Refs[key]; ref != nil {
			list = append(list, ref)
		}
	}
	return list
}

// finalizeExport sends the response of a build to the session of the client, which may turn the
// build into a failure.
func (c *buildClient) finalizeExport(ctx context.Context, resp map[string]string) error {
	caller, err := c.open(ctx)
	if err != nil {
		return err
	}
	_, err = exporter.NewExporterClient(caller.Conn()).FinalizeExport(caller.Context(ctx), &exporter.FinalizeExportRequest{ExporterResponse: resp})
	return ignoreMissing(err)
}

// ignoreMissing returns nil for the error of a client that does not implement a call.
func ignoreMissing(err error) error {
	if code := grpcerrors.Code(err); code == codes.Unimplemented || code == codes.Unavailable {
		return nil
	}
	return err
}
