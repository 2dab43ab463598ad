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

// Options contains the options of one build.
type Options struct {
	Plan         plan.Options // without Platform and Resolver
	Filename     string
	FileGiven    bool                // Filename is an option, not the default
	Platforms    []ocispecs.Platform // requested platforms, in order; empty for the default
	CacheImports []CacheImport
	SBOM         *Scanner // nil if no SBOM is requested

	DockerfileDir   string            // name of the local source with the Dockerfile
	LocalDockerfile bool              // whether the Dockerfile is in DockerfileDir even if the context is remote
	Sessions        map[string]string // local source → session, if it differs from the session of the build
	Context         string            // reference of a remote main context; "" for a local context
	ContextSubDir   *string           // subdirectory of a remote main context; nil for its root
	KeepGitDir      bool              // whether a git main context includes .git
	CommitTimes     bool              // whether files of a git main context have the commit time
	Named           map[string]string // named contexts: name or name::platform → scheme:value
	SharedKeys      map[string]string // named context → key for reusing earlier transfers of its local source
	InputMetadata   map[string]string // frontend input → its metadata as JSON

	Checks *linter.Config // configuration of build checks; nil uses the file's own

	RequestID  *string // sub-request; nil for a build
	Caps       string  // frontend capabilities that the client requires
	Redirected bool    // whether # syntax or BUILDKIT_SYNTAX chose this frontend

	contextKey string // the key of Context
}

// CacheImport specifies a cache to import.
type CacheImport struct {
	Type  string
	Attrs map[string]string
}

// Parse parses the options. It ignores unknown keys.
//
// If several values are invalid, it reports the one whose key comes first in
// the table. The error names the key and the valid values.
func Parse(opts map[string]string) (*Options, error) {
	o := &Options{
		Filename:      DefaultFilename,
		DockerfileDir: "dockerfile",
		Sessions:      map[string]string{},
		Named:         map[string]string{},
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

// apply sets the option from opts. keys are the sorted keys of opts.
func (row *option) apply(o *Options, opts map[string]string, keys []string) error {
	if !strings.HasSuffix(row.key, ">") {
		v, ok := opts[row.key]
		if arg := opts[row.or]; arg != "" && row.or != "" {
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

// prefix returns the common prefix of a family of keys.
func (row *option) prefix() string { return row.key[:strings.IndexByte(row.key, '<')] }

// check adds the key and its valid values to an error about a value.
func (row *option) check(err error) error {
	if err == nil || row.value == "" {
		return err
	}
	return fmt.Errorf("%w (%s is %s)", err, row.key, row.value)
}

func removed(what string) error {
	return fmt.Errorf("support for %s was removed in BuildKit 0.11", what)
}

func refuseCopyImage(_ *Options, _, v string) error {
	if v != "" {
		return removed(`"override-copy-image"`)
	}
	return nil
}

func refuseFileOp(_ *Options, _, v string) error {
	if off, _ := strconv.ParseBool(v); off {
		return removed(`"BUILDKIT_DISABLE_FILEOP" build-arg`)
	}
	return nil
}

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

// setMultiPlatform sets whether the result is an index.
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

func setNoCache(o *Options, _, v string) error {
	if v == "" {
		o.Plan.NoCache.All = true
		return nil
	}
	o.Plan.NoCache.Stages = strings.Split(v, ",")
	return nil
}

func setResolveMode(o *Options, _, v string) error {
	switch v {
	case "", "default", "pull", "local":
		o.Plan.ResolveMode = v
		return nil
	}
	return fmt.Errorf("invalid image-resolve-mode: %s", v)
}

func setNetwork(o *Options, _, v string) error {
	switch v {
	case "", "none", "host", "sandbox":
		o.Plan.Network = v
		return nil
	}
	return fmt.Errorf("invalid netmode %s", v)
}

func setGitAdvice(o *Options, _, v string) (err error) {
	if v == "" {
		return nil
	}
	if o.Plan.GitAdvice, err = strconv.ParseBool(v); err != nil {
		return fmt.Errorf("failed to parse build-arg:BUILDKIT_GIT_ADVICE: %w", err)
	}
	return nil
}

// setChecks configures build checks. An empty value also overrides the
// configuration in the file.
func setChecks(o *Options, _, v string) error {
	c, err := linter.ParseConfig(v)
	if err != nil {
		return fmt.Errorf("failed to parse build-arg:BUILDKIT_DOCKERFILE_CHECK: %w", err)
	}
	o.Checks = &c
	return nil
}

// setKeepGitDir ignores invalid booleans.
//
// Upstream: all other options reject them.
func setKeepGitDir(o *Options, _, v string) error {
	o.KeepGitDir, _ = strconv.ParseBool(v)
	return nil
}

func setDockerfileDir(o *Options, _, v string) error {
	o.DockerfileDir, o.LocalDockerfile = v, true
	return nil
}

func setSubDir(o *Options, _, v string) error {
	o.ContextSubDir = &v
	return nil
}

func setCommitTimes(o *Options, _, v string) error {
	o.CommitTimes = v != ""
	return nil
}
