package buildcase

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"slipway/builder"
	"slipway/integration/rig"
)

// Options converts a request for BuildKit to options of our solver. It writes the Dockerfile
// to dir.
func Options(dir string, req rig.Request) (builder.Options, error) {
	o := builder.Options{
		Context: req.Context, File: filepath.Join(dir, "Dockerfile"),
		BuildArgs: map[string]string{}, Labels: map[string]string{}, Contexts: maps.Clone(req.Contexts),
		Secrets: req.Secrets, Allow: req.Entitlements, Now: time.Now,
	}
	if err := os.WriteFile(o.File, []byte(req.Dockerfile), 0o644); err != nil {
		return o, err
	}
	if req.Ignore != "" {
		if err := os.WriteFile(o.File+".dockerignore", []byte(req.Ignore), 0o644); err != nil {
			return o, err
		}
	}
	for key, v := range req.Attrs {
		if err := setOption(&o, key, v); err != nil {
			return o, err
		}
	}
	return o, nil
}

// setOption sets an option of our solver. The parameter key is the name of the corresponding
// frontend option, and v is its value.
func setOption(o *builder.Options, key, v string) error {
	family, name, _ := strings.Cut(key, ":")
	switch family {
	case "build-arg":
		o.BuildArgs[name] = v
	case "label":
		o.Labels[name] = v
	case "attest":
		if o.Attests == nil {
			o.Attests = map[string]string{}
		}
		o.Attests[name] = v
	case "filename": // requests use the default
	case "target":
		o.Target = v
	case "platform":
		o.Platforms = strings.Split(v, ",")
	case "no-cache":
		o.NoCache = v == ""
		o.NoCacheFilter = strings.FieldsFunc(v, func(r rune) bool { return r == ',' })
	case "add-hosts":
		o.AddHosts = strings.Split(v, ",")
	case "force-network-mode":
		o.Network = v
	case "shm-size":
		size, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return err
		}
		o.ShmSize = size
	case "ulimit":
		o.Ulimits = strings.Split(v, ",")
	case "context":
		if !strings.HasPrefix(v, "local:") { // the request contains the directories of local contexts
			if o.Contexts == nil {
				o.Contexts = map[string]string{}
			}
			o.Contexts[name] = v
		}
	case "memory", "memswap", "cpushares", "cpuperiod", "cpuquota", "cpusetcpus", "cpusetmems":
		if o.Resources == nil {
			o.Resources = map[string]string{}
		}
		o.Resources[key] = v
	case "hostname":
		o.Hostname = v
	default:
		return fmt.Errorf("option %s has no counterpart in the solver's options", key)
	}
	return nil
}
