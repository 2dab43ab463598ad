package options

import "slipway/plan"

// setter is a function that sets an option from the value that the client gave. If the key of
// the option has a variable part, such as <name> in build-arg:<name>, the parameter name is the
// text of this part.
type setter func(o *Options, name, value string) error

// option describes a frontend option that a client may set. Its key is fixed, such as
// target, or has a variable part, such as build-arg:<name>.
type option struct {
	key         string // the key of the option; <> encloses a variable part
	value       string // describes the valid values
	defaultText string // describes the default
	effect      string // describes the effect
	override    string // the build argument that overrides the option; "" if none
	set         setter
}

// table lists every key that this frontend reads. [Parse] applies the rows in order, so
// that the setter of a row can use the results of earlier rows. If several values are
// invalid, Parse reports the first one in the table.
var table = []option{
	{"override-copy-image", "no longer supported", "", "an error if not empty", "", refuseCopyImage},
	{"build-arg:BUILDKIT_DISABLE_FILEOP", "no longer supported", "", "an error if true", "", refuseFileOp},

	// Selection of the build.
	{"target", "a stage's name, in any case", "the last stage", "the stage to build", "", setText(func(o *Options) *string { return &o.Plan.Target })},
	{"platform", "a list of os[/arch[/variant]], separated by commas", "the platform of the builder or the image", "the target platforms", "", setPlatforms},
	{"image-resolve-mode", "default, pull or local", "default", "whether images are resolved in their registry", "", setResolveMode},
	{"build-arg:<name>", "any text", "the default of ARG", "the value of an ARG; some have other effects, see below", "", setEntry(func(o *Options) map[string]string { return o.Plan.BuildArgs })},
	{"label:<name>", "any text", "none", "a label of the image", "", setEntry(func(o *Options) map[string]string { return o.Plan.Labels })},

	// Execution of RUN.
	{"add-hosts", "a list of host=ip, separated by commas", "none", "lines for /etc/hosts", "", setHosts},
	{"shm-size", "a number of bytes", "0: the default of the builder", "the size of /dev/shm", "", setShmSize},
	{"ulimit", "a list of name=soft[:hard], separated by commas", "the limits of the builder", "resource limits of processes", "", setUlimits},
	{"memory", "a number of bytes > 0", "no limit", "the memory limit of a RUN step", "", setLimit("memory", func(r *plan.Resources) *int64 { return &r.Memory }, 1)},
	{"memswap", "a number of bytes > 0, or -1 for no limit", "no limit", "the limit of memory plus swap of a RUN step", "", setLimit("memswap", func(r *plan.Resources) *int64 { return &r.MemorySwap }, -1)},
	{"cpushares", "a number > 0", "the default of the builder", "the CPU weight of a RUN step", "", setUint("cpushares", func(r *plan.Resources) *uint64 { return &r.CPUShares })},
	{"cpuperiod", "a number of microseconds > 0", "the default of the builder", "the period of cpuquota", "", setUint("cpuperiod", func(r *plan.Resources) *uint64 { return &r.CPUPeriod })},
	{"cpuquota", "a number of microseconds > 0", "no limit", "the CPU time of a RUN step per period", "", setLimit("cpuquota", func(r *plan.Resources) *int64 { return &r.CPUQuota }, 1)},
	{"cpusetcpus", "a list of numbers and ranges like 0-3,5", "all", "the CPUs of a RUN step", "", setCPUList("cpusetcpus", func(r *plan.Resources) *string { return &r.CPUSetCPUs })},
	{"cpusetmems", "a list of numbers and ranges like 0-3,5", "all", "the memory nodes of a RUN step", "", setCPUList("cpusetmems", func(r *plan.Resources) *string { return &r.CPUSetMems })},
	{"force-network-mode", "none, host or sandbox", "sandbox", "the network of RUN without --network", "", setNetwork},
	{"hostname", "a host name", "the default of the builder", "the host name in RUN", "build-arg:BUILDKIT_SANDBOX_HOSTNAME", setText(func(o *Options) *string { return &o.Plan.Hostname })},
	{"cgroup-parent", "a cgroup", "the default of the builder", "the parent cgroup of RUN steps", "", setText(func(o *Options) *string { return &o.Plan.CgroupParent })},

	// Cache and result.
	{"no-cache", "empty for all, or a list of stages", "none", "stages that ignore the cache", "", setNoCache},
	{"multi-platform", "a boolean, true with several platforms", "whether there are several platforms", "whether the result is an index", "build-arg:BUILDKIT_MULTI_PLATFORM", setMultiPlatform},
	{"cache-imports", `a JSON list of {"Type": …, "Attrs": {…}}`, "none", "the caches to import", "", setCacheImports},
	{"cache-from", "a list of image references, separated by commas", "none", "images to import cache from", "", setCacheFrom},
	{"build-arg:BUILDKIT_CACHE_MOUNT_NS", "any text", "empty", "a prefix for the ids of cache mounts", "", setText(func(o *Options) *string { return &o.Plan.CacheIDNamespace })},
	{"attest:<type>", "attributes key=value of sbom or provenance, separated by commas", "none", "an attestation", "", setAttestation},
	{"build-arg:BUILDKIT_ATTEST_<type>", "as of attest:<type>", "none", "an attestation", "", setAttestation},

	// Sources of the Dockerfile and the contexts.
	{"filename", "a path", DefaultFilename, "the Dockerfile", "", setFilename},
	{"contextkey", "a key", "context", "the key that holds the URL of a remote main context", "", setText(func(o *Options) *string { return &o.contextKey })},
	{"dockerfilekey", "the name of a local source", "dockerfile", "the local source of the Dockerfile, even with a remote context", "", setDockerfileDir},
	{"contextsubdir", "a path", "the root", "the part of a remote main context to use", "", setSubDir},
	{"context:<name>", "scheme:value", "none", "a named context; the name may end in ::<platform>", "", setEntry(func(o *Options) map[string]string { return o.NamedContexts })},
	{"sharedkey:localdir:<name>", "any text", "empty", "the key for reusing earlier transfers of a named local context", "", setEntry(func(o *Options) map[string]string { return o.SharedKeys })},
	{"input-metadata:<name>", "a JSON map of base64", "none", "the metadata of a frontend input", "", setEntry(func(o *Options) map[string]string { return o.InputMetadata })},
	{"local-sessionid:<name>", "a session", "the session of the build", "the session that sends a local source", "", setEntry(func(o *Options) map[string]string { return o.Sessions })},
	{"build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR", "a boolean", "false", "whether a git main context includes .git", "", setKeepGitDir},
	{"build-arg:BUILDKIT_DOCKERFILE_CHECK", "skip=, experimental= or error=, separated by ;", "the directive # check=", "the configuration of build checks", "", setChecks},
	{"build-arg:BUILDKIT_GIT_ADVICE", "a boolean", "false", "whether git's advice is shown", "", setGitAdvice},
	{"build-arg:SOURCE_DATE_EPOCH", "seconds, context, a named context or a stage", "none", "the creation time of the image, and the times of files in a git main context", "", setCommitTimes},

	// Requests.
	{"requestid", "a sub-request", "a build", "the sub-request to answer", "", func(o *Options, _, v string) error { o.RequestID = &v; return nil }},
	{"frontend.caps", "a list of capabilities, separated by commas", "none", "the capabilities that the client requires", "", setText(func(o *Options) *string { return &o.Caps })},
	{"cmdline", "any text", "", "# syntax and BUILDKIT_SYNTAX are not followed again", "", func(o *Options, _, _ string) error { o.Redirected = true; return nil }},
}

// setFilename sets the path of the Dockerfile, and records that the client chose it.
func setFilename(o *Options, _, v string) error {
	o.Filename, o.FilenameSet = v, true
	return nil
}

// setText returns a setter for an option whose value may be any text. The function field
// returns a pointer to the field to set.
func setText(field func(*Options) *string) setter {
	return func(o *Options, _, v string) error { *field(o) = v; return nil }
}

// setEntry returns a setter for an option whose key has a variable part, such as
// build-arg:<name>. The setter adds an entry from the variable part to the value to the map
// that field returns. The value may be any text.
func setEntry(field func(*Options) map[string]string) setter {
	return func(o *Options, name, v string) error { field(o)[name] = v; return nil }
}
