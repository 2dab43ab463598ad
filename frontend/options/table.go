package options

import "slipway/plan"

// setter sets a value in the options. name is the variable part of the key.
type setter func(o *Options, name, value string) error

// option is a key that a client may set.
type option struct {
	key     string // a part in <> makes it a family of keys
	value   string // the valid values
	without string // the default
	effect  string // the effect
	or      string // a build argument that overrides it, if not empty
	set     setter
}

// table lists every key that this frontend reads. A row follows the rows it
// depends on. If several values are invalid, the first in the table is
// reported.
var table = []option{
	{"override-copy-image", "no longer supported", "", "an error if not empty", "", refuseCopyImage},
	{"build-arg:BUILDKIT_DISABLE_FILEOP", "no longer supported", "", "an error if true", "", refuseFileOp},

	// Selection of the build.
	{"target", "a stage's name, in any case", "the last stage", "the stage to build", "", text(func(o *Options) *string { return &o.Plan.Target })},
	{"platform", "a list of os[/arch[/variant]], separated by commas", "that of the builder or the image", "what to build for", "", setPlatforms},
	{"image-resolve-mode", "default, pull or local", "default", "whether images are looked up in their registry", "", setResolveMode},
	{"build-arg:<name>", "any text", "the default of ARG", "the value of an ARG; some mean more, see below", "", into(func(o *Options) map[string]string { return o.Plan.BuildArgs })},
	{"label:<name>", "any text", "none", "a label of the image", "", into(func(o *Options) map[string]string { return o.Plan.Labels })},

	// Execution of RUN.
	{"add-hosts", "a list of host=ip, separated by commas", "none", "lines for /etc/hosts", "", setHosts},
	{"shm-size", "a number of bytes", "0: the builder's", "the size of /dev/shm", "", setShmSize},
	{"ulimit", "a list of name=soft[:hard], separated by commas", "the builder's", "resource limits of processes", "", setUlimits},
	{"memory", "a number of bytes > 0", "no limit", "the memory of a step", "", limit("memory", func(r *plan.Resources) *int64 { return &r.Memory }, 1)},
	{"memswap", "a number of bytes > 0, or -1 for no limit", "no limit", "the memory of a step with swap", "", limit("memswap", func(r *plan.Resources) *int64 { return &r.MemorySwap }, -1)},
	{"cpushares", "a number > 0", "the builder's", "the weight of a step", "", share("cpushares", func(r *plan.Resources) *uint64 { return &r.CPUShares })},
	{"cpuperiod", "a number of microseconds > 0", "the builder's", "the period of cpuquota", "", share("cpuperiod", func(r *plan.Resources) *uint64 { return &r.CPUPeriod })},
	{"cpuquota", "a number of microseconds > 0", "no limit", "the CPU time of a step in each period", "", limit("cpuquota", func(r *plan.Resources) *int64 { return &r.CPUQuota }, 1)},
	{"cpusetcpus", "a list of numbers and ranges like 0-3,5", "all", "the CPUs of a step", "", cpus("cpusetcpus", func(r *plan.Resources) *string { return &r.CPUSetCPUs })},
	{"cpusetmems", "a list of numbers and ranges like 0-3,5", "all", "the memory nodes of a step", "", cpus("cpusetmems", func(r *plan.Resources) *string { return &r.CPUSetMems })},
	{"force-network-mode", "none, host or sandbox", "sandbox", "the network of RUN without --network", "", setNetwork},
	{"hostname", "a host name", "the builder's", "the host name in RUN", "build-arg:BUILDKIT_SANDBOX_HOSTNAME", text(func(o *Options) *string { return &o.Plan.Hostname })},
	{"cgroup-parent", "a cgroup", "the builder's", "where the cgroups of RUN are", "", text(func(o *Options) *string { return &o.Plan.CgroupParent })},

	// Cache and result.
	{"no-cache", "empty for all, or a list of stages", "none", "stages that do not use the cache", "", setNoCache},
	{"multi-platform", "a boolean, true with several platforms", "whether there are several platforms", "that the result is an index", "build-arg:BUILDKIT_MULTI_PLATFORM", setMultiPlatform},
	{"cache-imports", `a JSON list of {"Type": …, "Attrs": {…}}`, "none", "where cache is imported from", "", setCacheImports},
	{"cache-from", "a list of image references, separated by commas", "none", "images to import cache from", "", setCacheFrom},
	{"build-arg:BUILDKIT_CACHE_MOUNT_NS", "any text", "empty", "what stands in front of the ids of cache mounts", "", text(func(o *Options) *string { return &o.Plan.CacheIDNamespace })},
	{"attest:<type>", "attributes key=value of sbom or provenance, separated by commas", "none", "an attestation", "", setAttestation},
	{"build-arg:BUILDKIT_ATTEST_<type>", "as of attest:<type>", "none", "an attestation", "", setAttestation},

	// Sources of the Dockerfile and the contexts.
	{"filename", "a path", DefaultFilename, "the Dockerfile", "", setFilename},
	{"contextkey", "a key", "context", "the key that holds the URL of a remote main context", "", text(func(o *Options) *string { return &o.contextKey })},
	{"dockerfilekey", "the name of a local source", "dockerfile", "where the Dockerfile is, even with a remote context", "", setDockerfileDir},
	{"contextsubdir", "a path", "the root", "the part of a remote main context to use", "", setSubDir},
	{"context:<name>", "scheme:value", "none", "a named context; the name may end in ::<platform>", "", into(func(o *Options) map[string]string { return o.Named })},
	{"sharedkey:localdir:<name>", "any text", "empty", "what tells the local source of a named context from others", "", into(func(o *Options) map[string]string { return o.SharedKeys })},
	{"input-metadata:<name>", "a JSON map of base64", "none", "what is known of a frontend input", "", into(func(o *Options) map[string]string { return o.InputMetadata })},
	{"local-sessionid:<name>", "a session", "that of the build", "who sends a local source", "", into(func(o *Options) map[string]string { return o.Sessions })},
	{"build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR", "a boolean", "false", "that a main context from git has .git", "", setKeepGitDir},
	{"build-arg:BUILDKIT_DOCKERFILE_CHECK", "skip=, experimental= or error=, separated by ;", "what # check= says", "which build checks run", "", setChecks},
	{"build-arg:BUILDKIT_GIT_ADVICE", "a boolean", "false", "that git's advice is shown", "", setGitAdvice},
	{"build-arg:SOURCE_DATE_EPOCH", "seconds, context, a named context or a stage", "none", "the time of the image, and of the files of a main context from git", "", setCommitTimes},

	// Requests.
	{"requestid", "a sub-request", "a build", "what is answered", "", func(o *Options, _, v string) error { o.RequestID = &v; return nil }},
	{"frontend.caps", "a list of capabilities, separated by commas", "none", "what the client relies on", "", text(func(o *Options) *string { return &o.Caps })},
	{"cmdline", "any text", "", "that # syntax and BUILDKIT_SYNTAX are not followed again", "", func(o *Options, _, _ string) error { o.Redirected = true; return nil }},
}

func setFilename(o *Options, _, v string) error {
	o.Filename, o.FileGiven = v, true
	return nil
}

// text returns a setter for an arbitrary string.
func text(field func(*Options) *string) setter {
	return func(o *Options, _, v string) error { *field(o) = v; return nil }
}

// into returns a setter for a family of arbitrary strings.
func into(field func(*Options) map[string]string) setter {
	return func(o *Options, name, v string) error { field(o)[name] = v; return nil }
}
