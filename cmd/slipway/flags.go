package main

import (
	"github.com/spf13/pflag"

	"slipway/builder"
	"slipway/builder/remote"
)

// buildFlags holds the flags of slipway build, and the options to which they are converted.
type buildFlags struct {
	opt                    builder.Options
	files                  []string // --file; more than one is an error
	args, labels, contexts []string
	secrets, ssh, outputs  []string
	mirrors, hosts         []string
	cacheTo, cacheFrom     []string
	annotations, attests   []string
	sbom, provenance       string
	shmSize, progress      string
	push, load             bool
	explain                string // value of --explain: misses, keys or a boolean
	quiet                  bool
	check                  bool
	call                   string
	metadataFile, iidFile  string
	graphFile              string       // --graph of slipway build
	report                 string       // --report of slipway build: reportToTerminal or the name of a file
	digestFiles            []digestFile // of slipway kaniko
	answerFile             string       // --output of commands that print the answer to a call
	builder                remote.Builder
	tlsDir                 string
	keepStorage            string
	syntax                 string // value of --syntax: builtin or image

	resources []resource
	warnings  []string // warnings about flags without effect
	agents    []sshAgent
	// secretSources contains the values of --secret. The secrets are read after the flags are
	// parsed.
	secretSources []secretSource
	format        string // format of the output of --call: text, json, a format of graphs, or ""
	ignoreStatus  bool   // whether a check with findings succeeds
}

// flagSet is a set of flags that reports whether the user has set a flag.
type flagSet interface{ Changed(name string) bool }

// define declares the flags of slipway build: the flags of docker build and additional
// flags.
func (f *buildFlags) define(fs *pflag.FlagSet) {
	f.defineInputs(fs)
	f.defineResults(fs)
	fs.StringArrayVar(&f.cacheTo, "cache-to", nil, "destination of a cache export: `type=TYPE,KEY=VALUE`, or an image")
	fs.StringVar(&f.explain, "explain", "", "print why steps missed the cache, or the cache keys of all steps and sources: `misses|keys`")
	fs.Lookup("explain").NoOptDefVal = "misses"
}

// defineInputs declares the flags that determine what is built, and where. They are the same for
// all commands that read a Dockerfile.
func (f *buildFlags) defineInputs(fs *pflag.FlagSet) {
	o := &f.opt
	fs.StringArrayVarP(&f.files, "file", "f", nil, "Dockerfile: `PATH`, or - for standard input (default CONTEXT/Dockerfile, else CONTEXT/Containerfile)")
	fs.StringArrayVarP(&o.Tags, "tag", "t", nil, "name and tag of the image: `NAME[:TAG]`; without an output and --builder, the image is stored (slipway image)")
	fs.StringVar(&o.Target, "target", "", "name of the `STAGE` to build (default the last one)")
	fs.StringArrayVar(&f.args, "build-arg", nil, "value of an ARG: `KEY=VALUE`, or KEY for the value of the environment variable")
	fs.StringArrayVar(&f.labels, "label", nil, "label of the image: `KEY=VALUE`")
	fs.StringArrayVar(&f.annotations, "annotation", nil, "annotation of the image: `[TYPE[PLATFORM]:]KEY=VALUE`; types: manifest, manifest-descriptor, index, index-descriptor")
	fs.StringArrayVar(&f.contexts, "build-context", nil, "named context: `NAME=DIRECTORY`, or NAME= and docker-image://, oci-layout://, docker-archive://FILE[:NAME], http(s):// or a git URL")
	fs.StringSliceVar(&o.Platforms, "platform", nil, "target `PLATFORMS`, such as linux/amd64,linux/arm64 (default the platform of the builder)")
	fs.StringArrayVar(&f.secrets, "secret", nil, "secret for steps: `id=ID[,src=FILE|env=NAME]`")
	fs.StringArrayVar(&f.ssh, "ssh", nil, "SSH agent or keys for steps: `default|ID[=SOCKET|KEY,...]`")
	fs.StringVar(&o.Network, "network", "default", "network of steps: default, none or host")
	fs.StringSliceVar(&f.hosts, "add-host", nil, "host name and address for steps: `HOST:IP`")
	fs.StringVar(&f.shmSize, "shm-size", "", "size of /dev/shm: `BYTES`, or a number with a unit such as 64m")
	fs.StringArrayVar(&o.Ulimits, "ulimit", nil, "limit of processes in steps: `NAME=SOFT[:HARD]`")
	fs.StringVar(&o.CgroupParent, "cgroup-parent", "", "parent control group of steps: `PATH`")
	fs.StringArrayVar(&o.Allow, "allow", nil, "`PRIVILEGE` that steps can request: network.host, security.insecure, device or device=NAME")
	fs.StringVar(&f.progress, "progress", "auto", "format of the progress: auto, plain, tty, rawjson, quiet or none")
	f.defineCache(fs)
	f.defineBuilder(fs)
}

// defineResults declares the flags for outputs and calls.
func (f *buildFlags) defineResults(fs *pflag.FlagSet) {
	fs.StringArrayVarP(&f.outputs, "output", "o", nil, "destination of the result: `type=TYPE,dest=PATH` with type oci, docker, tar, local, image or registry; a directory; or - for a tar archive")
	fs.BoolVar(&f.push, "push", false, "push the image: the same as --output type=registry")
	fs.BoolVar(&f.load, "load", false, "load the image into the Docker Engine, by the program docker")
	fs.StringVar(&f.iidFile, "iidfile", "", "write the ID of the image to `FILE`")
	fs.StringVar(&f.metadataFile, "metadata-file", "", "write digests and names of the image to `FILE`, as JSON")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "print only the ID of the image, and no progress")
	fs.StringVar(&f.graphFile, "graph", "", "write the graph and the timeline of the build to `FILE`, as an HTML page")
	fs.StringVar(&f.report, "report", "", "report what took the time and what made the image large: on standard error, or in `FILE`.md, .json or .html")
	fs.Lookup("report").NoOptDefVal = reportToTerminal
	fs.StringVar(&f.call, "call", "build", "`REQUEST` to the frontend: build, check, convertllb, eject, graph, outline, plan or targets; ,format=json prints the answer as JSON")
	fs.BoolVar(&f.check, "check", false, "check the Dockerfile: the same as --call=check")
	fs.StringArrayVar(&f.attests, "attest", nil, "attestation: `type=sbom|provenance[,KEY=VALUE]` (default none)")
	fs.StringVar(&f.sbom, "sbom", "", "the same as --attest type=sbom: `true|false|KEY=VALUE`")
	fs.StringVar(&f.provenance, "provenance", "", "the same as --attest type=provenance: `true|false|KEY=VALUE`")
}

func (f *buildFlags) defineCache(fs *pflag.FlagSet) {
	o := &f.opt
	fs.BoolVar(&o.NoCache, "no-cache", false, "run all steps, even if they are cached")
	fs.StringSliceVar(&o.NoCacheFilter, "no-cache-filter", nil, "run all steps of these `STAGES`, even if they are cached")
	fs.BoolVar(&o.Pull, "pull", false, "resolve images in their registries, even if they are stored or cached")
	fs.StringArrayVar(&f.cacheFrom, "cache-from", nil, "cache to import: `type=TYPE,KEY=VALUE`, or an image")
}

func (f *buildFlags) defineBuilder(fs *pflag.FlagSet) {
	o, b := &f.opt, &f.builder
	defineLocal(fs, o, &f.keepStorage, &f.mirrors)
	fs.StringVar(&b.Address, "builder", "", "BuildKit that does the build: `unix://PATH`, tcp://HOST:PORT or docker-container://NAME (default this process)")
	fs.StringVar(&b.CACert, "tlscacert", "", "CA certificate `FILE` used to verify the builder (default the certificates of the system)")
	fs.StringVar(&b.Cert, "tlscert", "", "client certificate `FILE` for the builder")
	fs.StringVar(&b.Key, "tlskey", "", "key `FILE` of --tlscert")
	fs.StringVar(&f.tlsDir, "tlsdir", "", "`DIRECTORY` with ca.pem, cert.pem and key.pem")
	fs.StringVar(&b.ServerName, "tlsservername", "", "`NAME` in the certificate of the builder (default the host of the address)")
	fs.StringVar(&o.FrontendImage, "frontend", "", "frontend `IMAGE` that does the build (default the built-in Dockerfile frontend)")
	fs.StringVar(&f.syntax, "syntax", "builtin", "meaning of # syntax=docker/dockerfile: builtin (the frontend in this program), or image")
	f.defineIgnored(fs)
	// Steps leave no containers, and contexts are not copied, so these flags have no
	// effect.
	for _, name := range []string{"rm", "force-rm", "compress"} {
		fs.Bool(name, name == "rm", "")
		_ = fs.MarkHidden(name)
	}
}
