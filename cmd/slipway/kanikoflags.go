package main

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/pflag"
)

// kanikoEffect specifies what slipway kaniko does with a flag of kaniko.
type kanikoEffect string

// The effects of kaniko's flags.
const (
	kanikoMapped  kanikoEffect = "mapped"  // to flags of slipway build
	kanikoIgnored kanikoEffect = "ignored" // with a warning, because it has no meaning for slipway
	kanikoRefused kanikoEffect = "refused" // with an error
)

// kanikoFlag is a flag of kaniko's executor.
type kanikoFlag struct {
	name, short string
	value       string // name of the value; "" for a boolean
	effect      kanikoEffect
	text        string // the flags of slipway build, the reason why the flag has no effect, or the remedy
}

// kanikoFlags lists the flags of kaniko 1.24.
func kanikoFlags() []kanikoFlag {
	return slices.Concat(kanikoInputFlags(), kanikoCacheFlags(), kanikoOutputFlags(), kanikoRegistryFlags(), kanikoRunFlags())
}

// kanikoRetried is the reason why the flags for retries have no effect.
const kanikoRetried = "failed requests to registries are repeated anyway"

// kanikoInputFlags lists the flags for what is built, sorted by name.
func kanikoInputFlags() []kanikoFlag {
	return []kanikoFlag{
		{"bucket", "b", "BUCKET", kanikoRefused, "slipway reads no buckets (download the archive and use --context tar://FILE)"},
		{"build-arg", "", "KEY=VALUE", kanikoMapped, "`--build-arg`; a KEY without a value that is not in the environment is empty"},
		{"context", "c", "CONTEXT", kanikoMapped, "CONTEXT: a directory, `dir://DIR`, `tar://FILE`, `tar://stdin`, `git://HOST/PATH#REF#COMMIT` or `https://`; default `/workspace/`"},
		{"context-sub-path", "", "PATH", kanikoMapped, "CONTEXT, for `dir://` and `git://`"},
		{"custom-platform", "", "PLATFORM", kanikoMapped, "`--platform`"},
		{"customPlatform", "", "PLATFORM", kanikoMapped, "`--platform`"},
		{"dockerfile", "f", "PATH", kanikoMapped, "`--file`: a path in the working directory, else in the context"},
		{"git", "", "KEY=VALUE", kanikoMapped, "`branch=` becomes the ref of CONTEXT; submodules are always fetched; `insecure-skip-tls=true` is an error"},
		{"label", "", "KEY=VALUE", kanikoMapped, "`--label`"},
		{"skip-unused-stages", "", "", kanikoIgnored, "only stages that the target needs are built"},
		{"target", "", "STAGE", kanikoMapped, "`--target`"},
	}
}

// kanikoCacheFlags lists the flags for caches, sorted by name.
func kanikoCacheFlags() []kanikoFlag {
	return []kanikoFlag{
		{"cache", "", "", kanikoMapped, "the caches of `--cache-repo`; without it, `--no-cache`"},
		{"cache-copy-layers", "", "", kanikoIgnored, "all steps are cached"},
		{"cache-dir", "", "DIR", kanikoIgnored, "base images are cached in the state directory (--state)"},
		{"cache-repo", "", "REPOSITORY", kanikoMapped, "`--cache-from` and `--cache-to` with `type=registry,mode=max`, or `type=local` for `oci:DIR`; default the repository of the first destination with `/cache`"},
		{"cache-run-layers", "", "", kanikoMapped, "all steps are cached; `false` is an error"},
		{"cache-ttl", "", "DURATION", kanikoIgnored, "cached steps do not expire (leave out --cache to run all steps)"},
		{"compressed-caching", "", "", kanikoIgnored, "layers are compressed as they are written"},
		{"no-push-cache", "", "", kanikoMapped, "no `--cache-to`"},
	}
}

// kanikoOutputFlags lists the flags for the image, sorted by name.
func kanikoOutputFlags() []kanikoFlag {
	return []kanikoFlag{
		{"compression", "", "ALGORITHM", kanikoMapped, "`compression=` of the outputs"},
		{"compression-level", "", "LEVEL", kanikoMapped, "`compression-level=` of the outputs"},
		{"destination", "d", "IMAGE", kanikoMapped, "`--output type=image,push=true,name=IMAGE`"},
		{"digest-file", "", "FILE", kanikoMapped, "writes the digest of the image to FILE"},
		{"force-build-metadata", "", "", kanikoIgnored, "instructions without files are in the history of the image"},
		{"image-name-tag-with-digest-file", "", "FILE", kanikoMapped, "writes IMAGE:TAG@DIGEST of each destination to FILE"},
		{"image-name-with-digest-file", "", "FILE", kanikoMapped, "writes IMAGE@DIGEST of each destination to FILE"},
		{"no-push", "", "", kanikoMapped, "no pushed output"},
		{"oci-layout-path", "", "DIR", kanikoMapped, "`--output type=oci,tar=false,dest=DIR`"},
		{"push-ignore-immutable-tag-errors", "", "", kanikoIgnored, "a push that the registry refuses fails"},
		{"push-retry", "", "N", kanikoIgnored, kanikoRetried},
		{"reproducible", "", "", kanikoMapped, "`--build-arg SOURCE_DATE_EPOCH=0` and `rewrite-timestamp=true` of the outputs"},
		{"skip-push-permission-check", "", "", kanikoIgnored, "the check is a request without side effects"},
		{"tar-path", "", "FILE", kanikoMapped, "`--output type=docker,dest=FILE`"},
		{"tarPath", "", "FILE", kanikoMapped, "`--output type=docker,dest=FILE`"},
	}
}

// kanikoRegistryFlags lists the flags for access to registries, sorted by name.
func kanikoRegistryFlags() []kanikoFlag {
	return []kanikoFlag{
		{"image-download-retry", "", "N", kanikoIgnored, kanikoRetried},
		{"image-fs-extract-retry", "", "N", kanikoIgnored, kanikoRetried},
		{"insecure", "", "", kanikoMapped, "`registry.insecure=true` of the pushed output"},
		{"insecure-pull", "", "", kanikoRefused, "a registry without TLS needs a name (use --insecure-registry HOST)"},
		{"insecure-registry", "", "HOST", kanikoMapped, "`--mirror HOST=http://HOST` and `registry.insecure=true` of outputs and caches at HOST"},
		{"registry-certificate", "", "HOST=FILE", kanikoRefused, "certificates of registries are files (copy it to HOST/ca.crt below ~/.config/containerd/certs.d)"},
		{"registry-client-cert", "", "HOST=FILE,FILE", kanikoRefused, "certificates of clients are files (name them in HOST/hosts.toml below ~/.config/containerd/certs.d)"},
		{"registry-map", "", "HOST=MIRROR", kanikoMapped, "`--mirror`; several pairs are separated by semicolons"},
		{"registry-mirror", "", "MIRROR", kanikoMapped, "`--mirror docker.io=MIRROR`"},
		{"skip-default-registry-fallback", "", "", kanikoRefused, "an image that no mirror has comes from its registry (set server in hosts.toml to the mirror)"},
		{"skip-tls-verify", "", "", kanikoMapped, "`registry.insecure=true` of the pushed output"},
		{"skip-tls-verify-pull", "", "", kanikoRefused, "an unverified registry needs a name (set skip_verify in its hosts.toml)"},
		{"skip-tls-verify-registry", "", "HOST", kanikoMapped, "`registry.insecure=true` of outputs and caches at HOST; for a HOST without any, an error"},
	}
}

// kanikoRunFlags lists the flags for how kaniko runs, sorted by name.
func kanikoRunFlags() []kanikoFlag {
	return []kanikoFlag{
		{"cleanup", "", "", kanikoIgnored, "builds leave no files outside of the state directory"},
		{"force", "", "", kanikoIgnored, "builds do not change the files of the container or machine"},
		{"ignore-path", "", "PATH", kanikoRefused, "an image has all files that steps write (remove the path in the RUN that writes it, or mount a tmpfs there)"},
		{"ignore-var-run", "", "", kanikoIgnored, "an image has the files that steps write to /var/run"},
		{"kaniko-dir", "", "DIR", kanikoIgnored, "files of the build are in the state directory (--state)"},
		{"log-format", "", "FORMAT", kanikoIgnored, "--progress sets the format of the progress"},
		{"log-timestamp", "", "", kanikoIgnored, "the progress has the time since the start of each step"},
		{"single-snapshot", "", "", kanikoIgnored, "end the Dockerfile with FROM scratch and COPY --from=STAGE / /"},
		{"snapshot-mode", "", "MODE", kanikoIgnored, "changed files are found exactly"},
		{"snapshotMode", "", "MODE", kanikoIgnored, "changed files are found exactly"},
		{"use-new-run", "", "", kanikoIgnored, "changed files are found exactly"},
		{"verbosity", "v", "LEVEL", kanikoMapped, "`--progress quiet` for warn, error, fatal and panic"},
		{"whitelist-var-run", "", "", kanikoIgnored, "an image has the files that steps write to /var/run"},
	}
}

// kanikoValues contains the values that the user gave to kaniko's flags, by name.
type kanikoValues map[string][]string

// define declares kaniko's flags. Parsing stores their values in v.
func (v kanikoValues) define(fs *pflag.FlagSet) {
	for _, f := range kanikoFlags() {
		usage := string(f.effect) + ": " + f.text
		if f.value != "" {
			fs.VarP(&kanikoValue{v, f.name, f.value}, f.name, f.short, usage)
			continue
		}
		fs.BoolFuncP(f.name, f.short, usage, func(value string) error {
			on, err := strconv.ParseBool(value)
			if err != nil {
				return fmt.Errorf("%q is neither true nor false", value)
			}
			v[f.name] = []string{strconv.FormatBool(on)}
			return nil
		})
	}
}

// kanikoValue is the value of a flag that is not a boolean. It implements [pflag.Value].
type kanikoValue struct {
	values     kanikoValues
	name, kind string
}

// Set adds a value.
func (v *kanikoValue) Set(value string) error {
	v.values[v.name] = append(v.values[v.name], value)
	return nil
}

// String returns "", because the flag has no default value that the help could show.
func (v *kanikoValue) String() string { return "" }

// Type returns the name of the value for the help.
func (v *kanikoValue) Type() string { return v.kind }

// last returns the last value of the first of the named flags that was given, or "".
func (v kanikoValues) last(names ...string) string {
	for _, name := range names {
		if list := v[name]; len(list) > 0 {
			return list[len(list)-1]
		}
	}
	return ""
}

// on reports whether a boolean flag is set to true.
func (v kanikoValues) on(name string) bool { return v.last(name) == "true" }
