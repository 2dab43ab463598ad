package main

import (
	"fmt"

	"github.com/spf13/pflag"
)

// refusal is a flag of docker build that there is no use for here. It is known
// so that the error can say what to use.
type refusal struct {
	name, short string
	isBool      bool
	instead     string
}

func refused() []refusal {
	const limits = "run slipway itself in a control group with limits, such as systemd-run --scope -p MemoryMax=1G"
	const isolated = "steps run as --runner says"
	return []refusal{
		{name: "squash", isBool: true, instead: "end the Dockerfile with FROM scratch and COPY --from=STAGE / /"},
		{name: "isolation", instead: isolated},
		{name: "security-opt", instead: isolated},
		{name: "policy", instead: "check sources before the build, or with a policy of docker buildx"},
		{name: "resource", instead: limits},
		{name: "memory", short: "m", instead: limits},
		{name: "memory-swap", instead: limits},
		{name: "cpu-shares", short: "c", instead: limits},
		{name: "cpu-period", instead: limits},
		{name: "cpu-quota", instead: limits},
		{name: "cpuset-cpus", instead: limits},
		{name: "cpuset-mems", instead: limits},
	}
}

// define declares the flag so that setting it is an error.
func (r refusal) define(fs *pflag.FlagSet) {
	fs.VarPF(r, r.name, r.short, "").NoOptDefVal = map[bool]string{true: "true"}[r.isBool]
	_ = fs.MarkHidden(r.name)
}

// Set implements [pflag.Value].
func (r refusal) Set(v string) error {
	if v == "false" {
		return nil
	}
	return fmt.Errorf("slipway has no --%s: %s", r.name, r.instead)
}

// String implements [pflag.Value].
func (r refusal) String() string { return "" }

// Type implements [pflag.Value].
func (r refusal) Type() string { return "string" }
