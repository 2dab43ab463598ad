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
)

// ignoredFlag is a flag of docker build that has no effect. Setting it is a
// warning, as with buildx.
type ignoredFlag struct {
	name   string
	isBool bool
	why    string
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

// limits maps docker build's flags for resource limits to frontend options. The flag
// --resource NAME=VALUE sets the same options.
func limits() map[string]string {
	return map[string]string{
		"memory": "memory", "memory-swap": "memswap", "cpu-shares": "cpushares", "cpu-period": "cpuperiod",
		"cpu-quota": "cpuquota", "cpuset-cpus": "cpusetcpus", "cpuset-mems": "cpusetmems",
	}
}

// defineIgnored declares flags without an effect and flags for limits.
func (f *buildFlags) defineIgnored(fs *pflag.FlagSet) {
	for _, i := range ignoredFlags() {
		set := func(string) error {
			f.warnings = append(f.warnings, fmt.Sprintf("--%s has no effect: %s", i.name, i.why))
			return nil
		}
		if i.isBool {
			fs.BoolFunc(i.name, "", set)
		} else {
			fs.Func(i.name, "", set)
		}
		_ = fs.MarkHidden(i.name)
	}
	for _, name := range slices.Sorted(maps.Keys(limits())) {
		short := map[string]string{"memory": "m", "cpu-shares": "c"}[name]
		fs.FuncP(name, short, "", func(v string) error { f.resources = append(f.resources, name+"="+v); return nil })
		_ = fs.MarkHidden(name)
	}
	fs.Func("resource", "limit of a step: `NAME=VALUE`, such as memory=1g", func(v string) error {
		f.resources = append(f.resources, v)
		return nil
	})
	fs.Func("policy", "", func(string) error {
		return errors.New("slipway has no --policy: check sources before the build, or with a policy of docker buildx")
	})
	_ = fs.MarkHidden("policy")
}

// parseResources parses the limits of steps.
func (f *buildFlags) parseResources(flagSet) error {
	f.opt.Resources = map[string]string{}
	for _, r := range f.resources {
		name, value, _ := strings.Cut(r, "=")
		option, ok := limits()[name]
		if !ok {
			return fmt.Errorf("--resource %q: unknown resource (want %s)", r, strings.Join(slices.Sorted(maps.Keys(limits())), ", "))
		}
		var err error
		if f.opt.Resources[option], err = limit(name, value); err != nil {
			return fmt.Errorf("--resource %q: %w", r, err)
		}
	}
	return nil
}

// limit returns the value of a resource limit in the format of frontends, "" for no
// limit.
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

// nonZero returns "" for 0, which is no limit.
func nonZero(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
