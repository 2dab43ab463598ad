package options

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/linter"
	"slipway/plan"
)

// DefaultFilename is the default name of the Dockerfile.
const DefaultFilename = "Dockerfile"

// Options contains the frontend options of one build.
type Options struct {
	Plan         plan.Options // without Platform, BuildPlatforms and Resolver
	Filename     string
	FilenameSet  bool                // whether Filename is not the default
	Platforms    []ocispecs.Platform // the requested platforms in order; empty for the default
	CacheImports []CacheImport
	SBOM         *Scanner // nil if no SBOM is requested

	DockerfileDir   string            // the name of the local source with the Dockerfile
	LocalDockerfile bool              // whether to read the Dockerfile from DockerfileDir even if the context is remote
	Sessions        map[string]string // local source → id of the session that sends it, if that is not the session of the build
	Context         string            // the reference of a remote main context; "" for a local context
	ContextSubDir   *string           // the subdirectory of a remote main context; nil for its root
	KeepGitDir      bool              // whether a git main context includes .git
	CommitTimes     bool              // whether files in a git main context have the commit time
	NamedContexts   map[string]string // named contexts: name or name::platform → scheme:value
	SharedKeys      map[string]string // named context → key for reusing earlier transfers of its local source
	InputMetadata   map[string]string // frontend input → its metadata as JSON

	Checks *linter.Config // the configuration of build checks; nil selects the configuration in the file

	RequestID  *string // the name of a subrequest; nil for a build
	Caps       string  // the frontend capabilities that the client requires
	Redirected bool    // whether # syntax or BUILDKIT_SYNTAX chose this frontend

	contextKey string // the key of the option Context
}

// CacheImport describes a cache to import: its type, such as registry, and its attributes.
type CacheImport struct {
	Type  string
	Attrs map[string]string
}

// Parse parses the options. It ignores unknown keys.
//
// If several values are invalid, it returns the error for the key that comes first in the
// table. The error names the key and the valid values.
func Parse(opts map[string]string) (*Options, error) {
	o := &Options{
		Filename:      DefaultFilename,
		DockerfileDir: "dockerfile",
		Sessions:      map[string]string{},
		NamedContexts: map[string]string{},
		SharedKeys:    map[string]string{},
		InputMetadata: map[string]string{},
		contextKey:    "context",
	}
	o.Plan.BuildArgs = map[string]string{}
	o.Plan.Labels = map[string]string{}
	keys := slices.Sorted(maps.Keys(opts))
	for i := range table {
		if err := table[i].apply(o, opts, keys); err != nil {
			return nil, err
		}
	}
	o.Context = opts[o.contextKey]
	return o, nil
}

// apply sets an option in o if the client set the key of the row. If the key of the row has a
// variable part, such as build-arg:<name>, apply sets an option for each matching key. The map
// opts contains the client's options, and keys contains their sorted keys.
func (row *option) apply(o *Options, opts map[string]string, keys []string) error {
	if !strings.HasSuffix(row.key, ">") {
		v, ok := opts[row.key]
		if arg := opts[row.override]; arg != "" && row.override != "" {
			v, ok = arg, true
		}
		if !ok {
			return nil
		}
		return row.check(row.set(o, "", v))
	}
	prefix := row.prefix()
	first, _ := slices.BinarySearch(keys, prefix)
	for _, key := range keys[first:] {
		name, ok := strings.CutPrefix(key, prefix)
		if !ok {
			break
		}
		if err := row.check(row.set(o, name, opts[key])); err != nil {
			return err
		}
	}
	return nil
}

// prefix returns the key of the option up to its variable part: "build-arg:" for
// build-arg:<name>.
func (row *option) prefix() string { return row.key[:strings.IndexByte(row.key, '<')] }

// check adds the key and the valid values of the option to err, an error about an invalid
// value. If err is nil, it returns nil.
func (row *option) check(err error) error {
	if err == nil || row.value == "" {
		return err
	}
	return fmt.Errorf("%w (%s is %s)", err, row.key, row.value)
}

// errRemoved returns the error for an option that BuildKit no longer supports.
func errRemoved(what string) error {
	return fmt.Errorf("support for %s was removed in BuildKit 0.11", what)
}

// refuseCopyImage returns an error if the removed option override-copy-image is not
// empty.
func refuseCopyImage(_ *Options, _, v string) error {
	if v != "" {
		return errRemoved(`"override-copy-image"`)
	}
	return nil
}

// refuseFileOp returns an error if the removed build argument BUILDKIT_DISABLE_FILEOP is
// true.
func refuseFileOp(_ *Options, _, v string) error {
	if off, _ := strconv.ParseBool(v); off {
		return errRemoved(`"BUILDKIT_DISABLE_FILEOP" build-arg`)
	}
	return nil
}

// setPlatforms parses a list of target platforms.
func setPlatforms(o *Options, _, v string) error {
	if v == "" {
		return nil
	}
	for s := range strings.SplitSeq(v, ",") {
		p, err := platforms.Parse(s)
		if err != nil {
			return fmt.Errorf("failed to parse target platform %s: %w", s, err)
		}
		o.Platforms = append(o.Platforms, platforms.Normalize(p))
	}
	o.Plan.MultiPlatform = len(o.Platforms) > 1
	return nil
}

// setMultiPlatform sets whether a build for only one platform returns an index. A build for
// several platforms always returns an index.
func setMultiPlatform(o *Options, _, v string) error {
	if v == "" {
		return nil
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		return fmt.Errorf("invalid boolean value for multi-platform: %s", v)
	}
	if len(o.Platforms) > 1 && !b {
		return errors.New("conflicting config: returning multiple target platforms is not allowed")
	}
	o.Plan.MultiPlatform = b
	return nil
}

// setNoCache selects the stages that bypass the cache. An empty value selects all stages.
func setNoCache(o *Options, _, v string) error {
	if v == "" {
		o.Plan.NoCache.All = true
		return nil
	}
	o.Plan.NoCache.Stages = strings.Split(v, ",")
	return nil
}

// setResolveMode sets the resolve mode of images: default, pull or local. It determines
// whether images are resolved in their registry.
func setResolveMode(o *Options, _, v string) error {
	switch v {
	case "", "default", "pull", "local":
		o.Plan.ResolveMode = v
		return nil
	}
	return fmt.Errorf("invalid image-resolve-mode: %s", v)
}

// setNetwork sets the default network of RUN steps.
func setNetwork(o *Options, _, v string) error {
	switch v {
	case "", "none", "host", "sandbox":
		o.Plan.Network = v
		return nil
	}
	return fmt.Errorf("invalid netmode %s", v)
}

// setGitAdvice parses BUILDKIT_GIT_ADVICE, which sets whether git prints its advice to
// users.
func setGitAdvice(o *Options, _, v string) (err error) {
	if v == "" {
		return nil
	}
	if o.Plan.GitAdvice, err = strconv.ParseBool(v); err != nil {
		return fmt.Errorf("failed to parse build-arg:BUILDKIT_GIT_ADVICE: %w", err)
	}
	return nil
}

// setChecks sets the configuration of build checks. Even an empty value overrides the
// configuration in the file.
func setChecks(o *Options, _, v string) error {
	c, err := linter.ParseConfig(v)
	if err != nil {
		return fmt.Errorf("failed to parse build-arg:BUILDKIT_DOCKERFILE_CHECK: %w", err)
	}
	o.Checks = &c
	return nil
}

// setKeepGitDir sets whether a git main context includes .git. It ignores an invalid boolean.
//
// Upstream: all other boolean options reject invalid values.
func setKeepGitDir(o *Options, _, v string) error {
	o.KeepGitDir, _ = strconv.ParseBool(v)
	return nil
}

// setDockerfileDir sets the name of the local source that contains the Dockerfile, even if
// the context is remote.
func setDockerfileDir(o *Options, _, v string) error {
	o.DockerfileDir, o.LocalDockerfile = v, true
	return nil
}

// setSubDir sets the subdirectory of a remote main context.
func setSubDir(o *Options, _, v string) error {
	o.ContextSubDir = &v
	return nil
}

// setCommitTimes sets whether files in a git main context have the commit time.
func setCommitTimes(o *Options, _, v string) error {
	o.CommitTimes = v != ""
	return nil
}
