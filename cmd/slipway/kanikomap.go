package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// kanikoBuild converts kaniko's flags to flags of slipway build.
type kanikoBuild struct {
	kanikoValues
	env func(string) (string, bool) // looks up an environment variable

	args         []string // flags of slipway build
	context      string
	archive      string // file that is the standard input of the build; "" means standard input itself
	warnings     []string
	destinations []name.Tag
	digestFiles  []digestFile
}

// convert converts the flags. An error names the flag that has no equivalent.
func (k *kanikoBuild) convert() error {
	for _, f := range kanikoFlags() {
		value, given := k.last(f.name), len(k.kanikoValues[f.name]) > 0
		switch {
		case f.effect == kanikoRefused && given && value != "" && value != "false":
			return fmt.Errorf("--%s: %s", f.name, f.text)
		case f.effect == kanikoIgnored && given:
			k.warnings = append(k.warnings, fmt.Sprintf("--%s has no effect: %s", f.name, f.text))
		}
	}
	for _, part := range []func() error{k.readEnvironment, k.parseDestinations, k.parseContext, k.parseInputs, k.parseRegistries, k.parseCaches, k.parseOutputs, k.parseDigestFiles, k.parseVerbosity} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// flag adds a flag of slipway build.
func (k *kanikoBuild) flag(name, value string) { k.args = append(k.args, "--"+name+"="+value) }

// readEnvironment applies the environment variables that kaniko reads.
func (k *kanikoBuild) readEnvironment() error {
	if v, ok := k.env("KANIKO_REGISTRY_MIRROR"); ok && v != "" {
		k.kanikoValues["registry-mirror"] = append(k.kanikoValues["registry-mirror"], v)
	}
	if v, ok := k.env("KANIKO_REGISTRY_MAP"); ok && v != "" {
		k.kanikoValues["registry-map"] = append(k.kanikoValues["registry-map"], v)
	}
	if v, ok := k.env("KANIKO_NO_PUSH"); ok {
		on, err := strconv.ParseBool(v)
		if err != nil {
			return fmt.Errorf("KANIKO_NO_PUSH: %q is neither true nor false", v)
		}
		k.kanikoValues["no-push"] = []string{strconv.FormatBool(on)}
	}
	return nil
}

// parseDestinations parses --destination.
func (k *kanikoBuild) parseDestinations() error {
	for _, d := range k.kanikoValues["destination"] {
		tag, err := name.NewTag(d, name.WeakValidation)
		if err != nil {
			return fmt.Errorf("--destination: %w", err)
		}
		k.destinations = append(k.destinations, tag)
	}
	if len(k.destinations) == 0 && !k.on("no-push") {
		return errors.New("--destination: no image is named (add --destination IMAGE, or --no-push)")
	}
	return nil
}

// parseContext parses --context and --dockerfile.
func (k *kanikoBuild) parseContext() error {
	given, sub := cmp.Or(k.last("context"), "/workspace/"), k.last("context-sub-path")
	scheme, rest, found := strings.Cut(given, "://")
	if !found {
		scheme, rest = "", given
	}
	switch scheme {
	case "":
		if k.context = rest; sub != "" {
			k.warnings = append(k.warnings, "--context-sub-path has no effect: kaniko applies it only to a --context with a scheme, such as dir://")
		}
		return k.parseDockerfile(k.context)
	case "dir":
		k.context = filepath.Join(rest, sub)
		return k.parseDockerfile(k.context)
	case "git":
		if err := k.parseGit(rest, sub); err != nil {
			return err
		}
	case "tar":
		if k.context = "-"; rest != "stdin" {
			k.archive = rest
		}
	case "https":
		k.context = given
	default:
		return fmt.Errorf("--context %s: slipway reads no %s:// (download the archive and use tar://FILE)", given, scheme)
	}
	if sub != "" && scheme != "git" {
		return fmt.Errorf("--context-sub-path: an archive has no sub path (extract it and use dir://DIR)")
	}
	return k.parseDockerfile("")
}

// parseGit converts a git:// context and the values of --git to the URL of a repository. kaniko fetches
// it over HTTPS unless GIT_PULL_METHOD is http.
func (k *kanikoBuild) parseGit(rest, sub string) error {
	parts := strings.Split(rest, "#")
	ref := ""
	if len(parts) > 1 {
		ref = parts[len(parts)-1] // the commit, if there is one
	}
	for _, v := range k.kanikoValues["git"] {
		key, value, ok := strings.Cut(v, "=")
		switch {
		case !ok:
			return fmt.Errorf("--git %s is not KEY=VALUE", v)
		case key == "branch" && ref == "":
			ref = value
		case key == "insecure-skip-tls" && value != "false":
			return errors.New("--git insecure-skip-tls: slipway verifies the certificates of git servers (add the authority to the certificates of the system)")
		}
	}
	method := "https"
	if v, _ := k.env("GIT_PULL_METHOD"); v == "http" {
		method = v
	}
	k.context = method + "://" + parts[0]
	if !strings.HasSuffix(parts[0], ".git") {
		k.context += ".git"
	}
	if ref != "" || sub != "" {
		k.context += "#" + ref
	}
	if sub != "" {
		k.context += ":" + sub
	}
	if v, _ := k.env("GIT_TOKEN"); v != "" {
		k.flag("secret", "id=GIT_AUTH_TOKEN,env=GIT_TOKEN")
	} else if v, _ := k.env("GIT_PASSWORD"); v != "" {
		return errors.New("GIT_PASSWORD: slipway authenticates to git servers with a token (set GIT_TOKEN)")
	}
	return nil
}

// parseDockerfile converts --dockerfile. As with kaniko, a file in the working directory takes precedence
// over a file in the directory of the context. If the context is not a directory, dir is "".
func (k *kanikoBuild) parseDockerfile(dir string) error {
	file := cmp.Or(k.last("dockerfile"), "Dockerfile")
	if strings.HasPrefix(file, "http://") || strings.HasPrefix(file, "https://") {
		return fmt.Errorf("--dockerfile %s: slipway reads no Dockerfile from a server (download it)", file)
	}
	if dir != "" {
		if _, err := os.Stat(file); err != nil && !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
	}
	k.flag("file", file)
	return nil
}

// parseInputs converts the flags that have an equivalent of the same meaning.
func (k *kanikoBuild) parseInputs() error {
	for _, a := range k.kanikoValues["build-arg"] {
		if _, ok := k.env(a); !ok && !strings.Contains(a, "=") {
			a += "="
		}
		k.flag("build-arg", a)
	}
	for _, l := range k.kanikoValues["label"] {
		k.flag("label", l)
	}
	if v := k.last("target"); v != "" {
		k.flag("target", v)
	}
	if v := k.last("customPlatform", "custom-platform"); v != "" {
		k.flag("platform", v)
	}
	if k.on("reproducible") {
		k.flag("build-arg", "SOURCE_DATE_EPOCH=0")
	}
	return nil
}

// parseVerbosity converts --verbosity.
func (k *kanikoBuild) parseVerbosity() error {
	switch v := k.last("verbosity"); v {
	case "", "trace", "debug", "info":
	case "warn", "warning", "error", "fatal", "panic":
		k.flag("progress", "quiet")
	default:
		return fmt.Errorf("--verbosity: unknown level %q (want trace, debug, info, warn, error, fatal or panic)", v)
	}
	return nil
}

// parseRegistries converts the flags for mirrors and for registries without TLS.
func (k *kanikoBuild) parseRegistries() error {
	mirrors := map[string]string{}
	add := func(flag, host, mirror string) error {
		if host == "index.docker.io" {
			host = "docker.io"
		}
		if other, ok := mirrors[host]; ok && other != mirror {
			return fmt.Errorf("--%s: %s has the mirrors %s and %s (name one, or list them in hosts.toml)", flag, host, other, mirror)
		}
		if _, ok := mirrors[host]; !ok {
			k.flag("mirror", host+"="+mirror)
		}
		mirrors[host] = mirror
		return nil
	}
	for _, m := range k.kanikoValues["registry-mirror"] {
		if err := add("registry-mirror", "docker.io", m); err != nil {
			return err
		}
	}
	for _, list := range k.kanikoValues["registry-map"] {
		for pair := range strings.SplitSeq(list, ";") {
			host, mirror, ok := strings.Cut(pair, "=")
			if !ok || host == "" || mirror == "" {
				return fmt.Errorf("--registry-map %s is not HOST=MIRROR", pair)
			}
			if err := add("registry-map", host, mirror); err != nil {
				return err
			}
		}
	}
	for _, host := range k.kanikoValues["insecure-registry"] {
		if err := add("insecure-registry", host, "http://"+host); err != nil {
			return err
		}
	}
	for _, host := range k.kanikoValues["skip-tls-verify-registry"] {
		at := func(t name.Tag) bool { return t.RegistryStr() == host }
		cache, _ := k.cacheRepository()
		if !slices.ContainsFunc(k.destinations, at) && !strings.HasPrefix(cache, host+"/") {
			return fmt.Errorf("--skip-tls-verify-registry %s: images come from verified registries only (set skip_verify in its hosts.toml)", host)
		}
	}
	return nil
}

// isInsecure reports whether a registry that the build pushes to may lack TLS or a valid certificate.
func (k *kanikoBuild) isInsecure(host string) bool {
	return slices.Contains(k.kanikoValues["insecure-registry"], host) || slices.Contains(k.kanikoValues["skip-tls-verify-registry"], host)
}
