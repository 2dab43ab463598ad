package main

import (
	"github.com/spf13/pflag"

	"slipway/builder"
	"slipway/builder/remote"
)

// buildFlags are the flags of slipway build.
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
	explain                string // misses, keys or a boolean value
	quiet                  bool
	check                  bool
	call                   string
	metadataFile, iidFile  string
	builder                remote.Builder
	tlsDir                 string
	keepStorage            string

	resources []resource
	warnings  []string // about flags without effect
	agents    []sshAgent
	// secretSources are read after the flags are parsed.
	secretSources []secretSource
	format        string // of an answer: "" or json
	ignoreStatus  bool   // an answer with warnings is no failure
}

// flagSet reports whether a flag is set.
type flagSet interface{ Changed(name string) bool }

// define declares the flags of docker build and our own.
func (f *buildFlags) define(fs *pflag.FlagSet) {
	o := &f.opt
	fs.StringArrayVarP(&f.files, "file", "f", nil, "`PATH` of the Dockerfile, or - for standard input (default CONTEXT/Dockerfile, else CONTEXT/Containerfile)")
	fs.StringArrayVarP(&o.Tags, "tag", "t", nil, "`NAME` of the image, with a tag; without an output the image is stored (slipway image)")
	fs.StringVar(&o.Target, "target", "", "`STAGE` to build (default the last one)")
	fs.StringArrayVar(&f.args, "build-arg", nil, "value of an ARG: `KEY=VALUE`, or KEY for the one of the environment")
	fs.StringArrayVar(&f.labels, "label", nil, "label of the image: `KEY=VALUE`")
	fs.StringArrayVar(&f.annotations, "annotation", nil, "annotation of the image: `[TYPE[PLATFORM]:]KEY=VALUE`, types manifest, manifest-descriptor, index")
	fs.StringArrayVar(&f.contexts, "build-context", nil, "another context: `NAME=DIRECTORY`, docker-image://, oci-layout://, docker-archive://FILE[:NAME], http(s)://, git")
	fs.StringSliceVar(&o.Platforms, "platform", nil, "`PLATFORMS` to build for (default the builder's own)")
	fs.StringArrayVar(&f.secrets, "secret", nil, "secret: `id=ID[,src=FILE|env=NAME]`")
	fs.StringArrayVar(&f.ssh, "ssh", nil, "SSH agent or keys: `default|ID[=SOCKET|KEY,...]`")
	fs.StringVar(&o.Network, "network", "default", "network of steps: default, none or host")
	fs.StringSliceVar(&f.hosts, "add-host", nil, "name of a host: `HOST:IP`")
	fs.StringVar(&f.shmSize, "shm-size", "", "size of /dev/shm in `BYTES`, or with a unit")
	fs.StringArrayVar(&o.Ulimits, "ulimit", nil, "limit of processes: `NAME=SOFT[:HARD]`")
	fs.StringVar(&o.CgroupParent, "cgroup-parent", "", "control group that contains those of steps")
	fs.StringArrayVar(&o.Allow, "allow", nil, "`PRIVILEGE` that steps may ask for: network.host, security.insecure")
	f.defineResults(fs)
	f.defineCache(fs)
	f.defineBuilder(fs)
}

// defineResults declares the flags for outputs and progress.
func (f *buildFlags) defineResults(fs *pflag.FlagSet) {
	fs.StringArrayVarP(&f.outputs, "output", "o", nil, "where the result goes: `type=TYPE,dest=PATH`, types oci, docker, tar, local, image; a directory; or - for a tar archive")
	fs.BoolVar(&f.push, "push", false, "push the image: the same as --output type=registry")
	fs.BoolVar(&f.load, "load", false, "load the image into the Docker Engine that the program docker talks to")
	fs.StringVar(&f.iidFile, "iidfile", "", "`FILE` to write the ID of the image to")
	fs.StringVar(&f.metadataFile, "metadata-file", "", "`FILE` to write digests and names of the image to, as JSON")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "show no progress, print the ID of the image")
	fs.StringVar(&f.progress, "progress", "auto", "how progress is shown: auto, plain, tty, rawjson, quiet or none")
	fs.StringVar(&f.call, "call", "build", "`WHAT` to do: build, check, convertllb, outline or targets; ,format=json prints the answer as JSON")
	fs.BoolVar(&f.check, "check", false, "check the Dockerfile: the same as --call=check")
	fs.StringArrayVar(&f.attests, "attest", nil, "attestation: `type=sbom|provenance[,KEY=VALUE]`; --builder only")
	fs.StringVar(&f.sbom, "sbom", "", "the same as --attest type=sbom: `true|false|KEY=VALUE`")
	fs.StringVar(&f.provenance, "provenance", "", "the same as --attest type=provenance: `true|false|KEY=VALUE`")
}

func (f *buildFlags) defineCache(fs *pflag.FlagSet) {
	o := &f.opt
	fs.BoolVar(&o.NoCache, "no-cache", false, "run all steps")
	fs.StringSliceVar(&o.NoCacheFilter, "no-cache-filter", nil, "run all steps of these `STAGES`")
	fs.BoolVar(&o.Pull, "pull", false, "look images up even if they are known")
	fs.StringArrayVar(&f.cacheTo, "cache-to", nil, "where the cache is exported to: `type=TYPE,KEY=VALUE` or an image")
	fs.StringArrayVar(&f.cacheFrom, "cache-from", nil, "where a cache is imported from: `type=TYPE,KEY=VALUE` or an image")
	fs.StringVar(&f.explain, "explain", "", "print why each step missed the cache; --explain=keys prints the cache key of each step and source")
	fs.Lookup("explain").NoOptDefVal = "misses"
}

func (f *buildFlags) defineBuilder(fs *pflag.FlagSet) {
	o, b := &f.opt, &f.builder
	fs.StringVar(&o.Runner, "runner", "auto", "how steps run: auto, namespace, oci (runc or crun) or portable")
	fs.StringVar(&f.keepStorage, "keep-storage", "", "`SIZE` that the state directory may keep after the build: 20GB, 10% of the disk or unlimited (default as buildkitd)")
	fs.IntVar(&o.Jobs, "jobs", 0, "limit of steps that run concurrently (default no limit)")
	fs.StringVar(&o.State, "state", "", "`DIRECTORY` of cache and results (default the user's cache directory)")
	fs.StringArrayVar(&f.mirrors, "mirror", nil, "registry that is asked instead of another: `HOST=MIRROR`, or HOST=http://MIRROR without TLS")
	fs.StringVar(&b.Address, "builder", "", "BuildKit that builds: `unix://PATH`, tcp://HOST:PORT or docker-container://NAME (default this process)")
	fs.StringVar(&b.CACert, "tlscacert", "", "`FILE` of the authorities that may vouch for the builder (default the system's)")
	fs.StringVar(&b.Cert, "tlscert", "", "`FILE` of our certificate for the builder")
	fs.StringVar(&b.Key, "tlskey", "", "`FILE` of its key")
	fs.StringVar(&f.tlsDir, "tlsdir", "", "`DIRECTORY` of ca.pem, cert.pem and key.pem")
	fs.StringVar(&b.ServerName, "tlsservername", "", "`NAME` in the builder's certificate (default the host of the address)")
	f.defineIgnored(fs)
	// Steps leave no containers, and contexts are not copied, so these flags have no
	// effect.
	for _, name := range []string{"rm", "force-rm", "compress"} {
		fs.Bool(name, name == "rm", "")
		_ = fs.MarkHidden(name)
	}
}
