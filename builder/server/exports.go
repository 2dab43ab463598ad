package server

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"slipway/builder"
)

// Names in requests: an option of Dockerfile frontends, and an attribute of exporters.
const (
	epochOption = "build-arg:SOURCE_DATE_EPOCH"
	epochAttr   = "source-date-epoch"
)

// outputsOf returns the outputs for a list of exporters, whose IDs begin with the number first.
// Archives and directories go to the client. The parameter options contains the options of the
// frontend.
func outputsOf(exporters []*controlapi.Exporter, first int, options map[string]string, to *buildClient) ([]builder.Output, error) {
	var list []builder.Output
	for i, e := range exporters {
		out, err := outputOf(e)
		if err != nil {
			return nil, status.Errorf(codes.InvalidArgument, "exporter %s: %v", e.GetType(), err)
		}
		if out.Type != "image" {
			out.To = receiver{to, first + i}
		}
		_, given := out.Attrs[epochAttr]
		if _, err := strconv.ParseInt(options[epochOption], 10, 64); err == nil && !given {
			out.Attrs[epochAttr] = options[epochOption]
		}
		list = append(list, out)
	}
	return list, nil
}

// exportersOf returns the exporters in a request. Clients from before BuildKit 0.13 name one
// exporter in other fields.
func exportersOf(req *controlapi.SolveRequest) []*controlapi.Exporter {
	if len(req.Exporters) == 0 && req.ExporterDeprecated != "" {
		return []*controlapi.Exporter{{Type: req.ExporterDeprecated, Attrs: req.ExporterAttrsDeprecated}}
	}
	return req.Exporters
}

// outputOf converts an exporter in a request to an output.
func outputOf(e *controlapi.Exporter) (builder.Output, error) {
	out := builder.Output{Type: e.GetType(), Attrs: map[string]string{}}
	maps.Copy(out.Attrs, e.GetAttrs())
	out.Name = out.Attrs["name"]
	delete(out.Attrs, "name")
	switch out.Type {
	case client.ExporterImage, client.ExporterLocal, client.ExporterTar, client.ExporterOCI, client.ExporterDocker:
	default:
		return out, errors.New("unknown type (want image, local, tar, oci or docker)")
	}
	maps.DeleteFunc(out.Attrs, func(attr, _ string) bool { return hasNoEffect(attr) })
	var err error
	if v, ok := out.Attrs["push"]; ok {
		if out.Push, err = strconv.ParseBool(v); err != nil {
			return out, fmt.Errorf("push=%s is neither true nor false", v)
		}
		delete(out.Attrs, "push")
	}
	return out, nil
}

// hasNoEffect reports whether an attribute of an exporter never changes the output of this server.
// Attributes that request attestations belong to the frontend. The others are for the image store
// of containerd.
func hasNoEffect(attr string) bool {
	switch exptypes.ImageExporterOptKey(attr) {
	case exptypes.OptKeyUnpack, exptypes.OptKeyNameCanonical, exptypes.OptKeyDanglingPrefix, exptypes.OptKeyDanglingEmptyOnly:
		return true
	}
	return attr == "unsafe-internal-store-allow-incomplete" || strings.HasPrefix(attr, "attest:")
}

// cachesOf returns the caches that a request imports and exports. Clients from before BuildKit 0.4
// name registries in other fields.
func cachesOf(c *controlapi.CacheOptions) (from, to []client.CacheOptionsEntry) {
	entries := func(list []*controlapi.CacheOptionsEntry) (out []client.CacheOptionsEntry) {
		for _, e := range list {
			if e != nil {
				out = append(out, client.CacheOptionsEntry{Type: e.Type, Attrs: maps.Clone(e.Attrs)})
			}
		}
		return out
	}
	from, to = entries(c.GetImports()), entries(c.GetExports())
	for _, ref := range c.GetImportRefsDeprecated() {
		from = append(from, client.CacheOptionsEntry{Type: "registry", Attrs: map[string]string{"ref": ref}})
	}
	if ref := c.GetExportRefDeprecated(); ref != "" {
		attrs := map[string]string{"ref": ref}
		maps.Copy(attrs, c.GetExportAttrsDeprecated())
		to = append(to, client.CacheOptionsEntry{Type: "registry", Attrs: attrs})
	}
	return from, to
}
