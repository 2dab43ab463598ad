package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/spf13/pflag"

	"slipway/builder"
)

// ignoredFlag is a flag of docker build that has no effect. Setting it causes a warning, as
// in buildx.
type ignoredFlag struct {
	name   string
	isBool bool
	reason string
}

func ignoredFlags() []ignoredFlag {
	const isolated = "steps run as --runner says"
	return []ignoredFlag{
		{"squash", true, "end the Dockerfile with FROM scratch and COPY --from=STAGE / /"},
		{"disable-content-trust", true, "support for Docker Content Trust was removed"},
		{"isolation", false, isolated},
		{"security-opt", false, isolated + ", and RUN --security=insecure with --allow security.insecure is privileged"},
	}
}

// defineIgnored declares the flags of docker build that have no effect, are errors, or limit
// the resources of steps.
func (f *buildFlags) defineIgnored(fs *pflag.FlagSet) {
	for _, i := range ignoredFlags() {
		set := func(string) error {
			f.warnings = append(f.warnings, fmt.Sprintf("--%s has no effect: %s", i.name, i.reason))
			return nil
		}
		if i.isBool {
			fs.BoolFunc(i.name, "", set)
		} else {
			fs.Func(i.name, "", set)
		}
		_ = fs.MarkHidden(i.name)
	}
	for _, name := range slices.Sorted(maps.Keys(builder.LimitOptions())) {
		short := map[string]string{"memory": "m", "cpu-shares": "c"}[name]
		fs.FuncP(name, short, "", func(v string) error {
			f.resources = append(f.resources, resource{fmt.Sprintf("--%s %q", name, v), name, v})
			return nil
		})
		_ = fs.MarkHidden(name)
	}
	fs.Func("resource", "limit of a step: `NAME=VALUE`, such as memory=1g", func(v string) error {
		name, value, _ := strings.Cut(v, "=")
		f.resources = append(f.resources, resource{fmt.Sprintf("--resource %q", v), name, value})
		return nil
	})
	fs.Func("policy", "", func(string) error {
		return errors.New("slipway has no --policy: check sources before the build, or with a policy of docker buildx")
	})
	_ = fs.MarkHidden("policy")
}

// resource is a flag that limits the resources of steps, such as --memory, together with the
// value that the user gave.
type resource struct {
	flag        string // flag with its value, for errors
	name, value string
}

// parseResources converts the resource limits to frontend options.
func (f *buildFlags) parseResources(flagSet) error {
	f.opt.Resources = map[string]string{}
	options := builder.LimitOptions()
	for _, r := range f.resources {
		option, ok := options[r.name]
		if !ok {
			return fmt.Errorf("%s: unknown resource (want %s)", r.flag, strings.Join(slices.Sorted(maps.Keys(options)), ", "))
		}
		var err error
		if f.opt.Resources[option], err = limit(r.name, r.value); err != nil {
			return fmt.Errorf("%s: %w", r.flag, err)
		}
	}
	return nil
}

// limit converts the value of a resource limit to the format of the frontend option. It
// returns "" if the value means no limit.
func limit(name, value string) (string, error) {
	value = strings.TrimSpace(value)
	switch {
	case strings.HasPrefix(name, "cpuset"), name == "memory-swap" && value == "-1":
		return value, nil
	case strings.HasPrefix(name, "memory"):
		n, err := parseSize(units.RAMInBytes, value)
		return nonZero(n), err
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return "", errors.New("not a number")
	}
	return nonZero(n), nil
}

// nonZero returns n as a decimal number, or "" if n is 0, which means no limit.
func nonZero(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
