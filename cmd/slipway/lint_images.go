package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"slipway/builder"
	"slipway/builder/state"
	"slipway/diag"
	"slipway/plan"
)

// The modes of looking up base images, values of --resolve.
const (
	resolveCached = "cached"
	resolveNever  = "never"
	resolveAlways = "always"
)

// resolveModes returns the values of --resolve.
func resolveModes() []string { return []string{resolveCached, resolveNever, resolveAlways} }

// resolveTimeout is how long slipway lint waits for the config of an image.
const resolveTimeout = 10 * time.Second

// lintImages looks up the configs of base images for slipway lint. Safe for concurrent use.
type lintImages struct {
	open    func() (*builder.ImageConfigs, error) // opens the state directory once; the result is nil if no config is known
	network bool                                  // whether registries are asked
	verbose bool
}

// images returns what looks up base images in the mode of the flag --resolve or of a
// configuration. The state directory of cached configs is opened when a file needs one.
func (r *lintRun) images(cfg *lintConfig) (*lintImages, error) {
	mode := r.flags.resolve
	if mode == "" {
		mode = cfg.Resolve
	}
	if mode == "" {
		mode = resolveCached
	}
	if x := r.resolvers[mode]; x != nil {
		return x, nil
	}
	x := &lintImages{network: mode == resolveAlways, verbose: r.flags.verbose}
	x.open = sync.OnceValues(func() (*builder.ImageConfigs, error) { return openConfigs(mode, r.flags.state) })
	if mode == resolveAlways {
		if _, err := x.open(); err != nil {
			return nil, err
		}
	}
	r.resolvers[mode] = x
	return x, nil
}

// openConfigs opens the state directory dir, or the default one if dir is "". With the mode cached,
// it does not create the directory: if it does not exist, the result is nil.
func openConfigs(mode, dir string) (*builder.ImageConfigs, error) {
	if mode == resolveNever {
		return nil, nil
	}
	if dir == "" {
		var err error
		if dir, err = state.Default(); err != nil {
			return nil, err
		}
	}
	if _, err := os.Stat(dir); err != nil && mode == resolveCached {
		return nil, nil //nolint:nilerr // no image is stored
	}
	return builder.OpenImageConfigs(dir, time.Now, mode == resolveAlways)
}

// image returns the config of an image, or nil if it is unknown.
func (x *lintImages) image(ctx context.Context, ref string, q plan.ImageQuery) (*plan.Resolved, error) {
	configs, err := x.open()
	if err != nil || configs == nil {
		return nil, err
	}
	timed, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	config, d, err := configs.Config(timed, ref, q.Platform)
	if err != nil && x.verbose {
		text := fmt.Sprintf("slipway: the config of %s is unknown: %v\n", ref, err)
		if !x.network {
			text = fmt.Sprintf("slipway: the config of %s is unknown (the image is not stored; --resolve=always asks registries)\n", ref)
		}
		fmt.Fprint(os.Stderr, diag.Block(text))
	}
	if err != nil {
		return nil, err
	}
	return &plan.Resolved{Ref: ref, Digest: d, Config: config}, nil
}
