package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/docker/cli/cli/config"
	"github.com/moby/buildkit/client"

	"slipway/builder"
)

// environment reads the environment variables that docker build uses as defaults of flags,
// such as BUILDKIT_PROGRESS. A variable has no effect if the user gave the corresponding
// flag.
func (f *buildFlags) environment(given flagSet) (err error) {
	if v := os.Getenv("BUILDKIT_PROGRESS"); v != "" && !given.Changed("progress") {
		f.progress = v
	}
	if v := os.Getenv("DOCKER_DEFAULT_PLATFORM"); v != "" && !given.Changed("platform") {
		f.opt.Platforms = strings.Split(v, ",")
	}
	f.defaultArg("SOURCE_DATE_EPOCH", os.Getenv("SOURCE_DATE_EPOCH"))
	for k, v := range config.LoadDefaultConfigFile(io.Discard).ParseProxyConfig(f.builder.Address, nil) {
		f.defaultArg(k, *v)
	}
	for _, list := range [][]client.CacheOptionsEntry{f.opt.CacheTo, f.opt.CacheFrom} {
		for _, e := range list {
			if e.Type == "gha" {
				actionsCache(e.Attrs)
			}
		}
	}
	f.opt.Output, err = outputLimits()
	return err
}

// outputLimits returns the limits for the output of steps. They come from the same
// environment variables as the limits of buildkitd.
func outputLimits() (*builder.OutputLimit, error) {
	limits := [...]struct {
		variable string
		value    int64 // BuildKit's default
	}{{"BUILDKIT_STEP_LOG_MAX_SIZE", 2 << 20}, {"BUILDKIT_STEP_LOG_MAX_SPEED", 200 << 10}}
	for i := range limits {
		l := &limits[i]
		v := os.Getenv(l.variable)
		if v == "" {
			continue
		}
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil || n < -1 {
			return nil, fmt.Errorf("%s: %q is not a number of bytes (use -1 for no limit)", l.variable, v)
		}
		l.value = n
	}
	return &builder.OutputLimit{Size: limits[0].value, Speed: limits[1].value}, nil
}

// defaultArg sets the build argument called name to a default value, unless the user sets
// the argument.
func (f *buildFlags) defaultArg(name, value string) {
	if _, ok := f.opt.BuildArgs[name]; !ok && value != "" {
		f.opt.BuildArgs[name] = value
	}
}

// actionsCache adds URLs and tokens from the environment of a GitHub Actions workflow to a
// cache of type gha, because BuildKit does not see this environment.
func actionsCache(attrs map[string]string) {
	set := func(attr, variable string) {
		if v := os.Getenv(variable); v != "" && attrs[attr] == "" {
			attrs[attr] = v
		}
	}
	if second, err := strconv.ParseBool(os.Getenv("ACTIONS_CACHE_SERVICE_V2")); err == nil && second && attrs["version"] == "" {
		attrs["version"] = "2"
	}
	set("token", "ACTIONS_RUNTIME_TOKEN")
	set("url", "ACTIONS_CACHE_URL")
	if attrs["version"] == "2" {
		set("url_v2", "ACTIONS_RESULTS_URL")
	}
}
