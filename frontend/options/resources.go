package options

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/tonistiigi/go-csvvalue"

	"slipway/plan"
)

// setShmSize sets the size of /dev/shm in RUN steps.
func setShmSize(o *Options, _, v string) error {
	if v == "" {
		return nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return fmt.Errorf("failed to parse shm size: %w", err)
	}
	o.Plan.ShmSize = n
	return nil
}

// setUlimits parses a comma-separated list of ulimits, such as nofile=1024:2048.
func setUlimits(o *Options, _, v string) error {
	if v == "" {
		return nil
	}
	fields, err := csvvalue.Fields(v, nil)
	if err != nil {
		return fmt.Errorf("failed to parse ulimit: %w", err)
	}
	for _, f := range fields {
		u, err := units.ParseUlimit(f)
		if err != nil {
			return fmt.Errorf("failed to parse ulimit: %w", err)
		}
		o.Plan.Ulimits = append(o.Plan.Ulimits, plan.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	return nil
}

// setHosts parses comma-separated host=ip pairs. It converts host names to lower case,
// because they are case-insensitive.
func setHosts(o *Options, _, v string) error {
	if v == "" {
		return nil
	}
	fields, err := csvvalue.Fields(v, nil)
	if err != nil {
		return fmt.Errorf("failed to parse additional hosts: %w", err)
	}
	for _, f := range fields {
		host, addr, ok := strings.Cut(strings.ToLower(f), "=")
		if !ok {
			return fmt.Errorf("failed to parse additional hosts: invalid key-value pair %s", f)
		}
		ip := net.ParseIP(addr)
		if ip == nil {
			return fmt.Errorf("failed to parse additional hosts: failed to parse IP %s", addr)
		}
		o.Plan.ExtraHosts = append(o.Plan.ExtraHosts, plan.HostIP{Host: host, IP: ip})
	}
	return nil
}

// setCacheImports parses a JSON list of caches to import.
func setCacheImports(o *Options, _, v string) error {
	if v == "" {
		return nil
	}
	var list []CacheImport
	if err := json.Unmarshal([]byte(v), &list); err != nil {
		return fmt.Errorf("failed to unmarshal cache-imports (%q): %w", v, err)
	}
	o.CacheImports = append(o.CacheImports, list...)
	return nil
}

// setCacheFrom parses the legacy form of cache imports, a list of image references.
func setCacheFrom(o *Options, _, v string) error {
	if v == "" {
		return nil
	}
	for ref := range strings.SplitSeq(v, ",") {
		o.CacheImports = append(o.CacheImports, CacheImport{Type: "registry", Attrs: map[string]string{"ref": ref}})
	}
	return nil
}

// errLimit returns the error for the invalid value v of a resource limit.
func errLimit(key, v string, err error) error {
	return fmt.Errorf("failed to parse resource limits: invalid %s value: %s: %w", key, v, err)
}

// resources returns the resource limits in o. If o has none yet, it first adds empty limits to
// o.
func (o *Options) resources() *plan.Resources {
	if o.Plan.Resources == nil {
		o.Plan.Resources = &plan.Resources{}
	}
	return o.Plan.Resources
}

// setLimit returns a setter for a resource limit in bytes or microseconds. The parameter key is
// the key of the frontend option, and field returns a pointer to the field to set. A limit must
// be positive. If the parameter least is -1, a limit of -1 is also valid and means unlimited.
func setLimit(key string, field func(*plan.Resources) *int64, least int64) setter {
	return func(o *Options, _, v string) error {
		if v == "" {
			return nil
		}
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return errLimit(key, v, err)
		}
		if n < least || n == 0 {
			if least < 0 {
				return errLimit(key, v, errors.New("must be -1 (unlimited) or > 0"))
			}
			return errLimit(key, v, errors.New("must be > 0"))
		}
		*field(o.resources()) = n
		return nil
	}
}

// setUint returns a setter for an option whose value is a positive integer.
func setUint(key string, field func(*plan.Resources) *uint64) setter {
	return func(o *Options, _, v string) error {
		if v == "" {
			return nil
		}
		n, err := strconv.ParseUint(v, 10, 64)
		if err == nil && n == 0 {
			err = errors.New("must be > 0")
		}
		if err != nil {
			return errLimit(key, v, err)
		}
		*field(o.resources()) = n
		return nil
	}
}

// maxCPU is the maximum id of a CPU or of a memory node.
const maxCPU = 8192

// setCPUList returns a setter for a list of CPUs or memory nodes, such as 0-3,5.
func setCPUList(key string, field func(*plan.Resources) *string) setter {
	return func(o *Options, _, v string) error {
		if v == "" {
			return nil
		}
		for part := range strings.SplitSeq(v, ",") {
			if err := checkCPUs(strings.TrimSpace(part)); err != nil {
				return errLimit(key, v, err)
			}
		}
		*field(o.resources()) = v
		return nil
	}
}

// checkCPUs checks one element of a list of CPUs, a number or a range.
func checkCPUs(part string) error {
	if part == "" {
		return nil
	}
	kind := "element"
	first, last, isRange := strings.Cut(part, "-")
	if !isRange {
		last = first
	} else {
		kind = "range"
	}
	a, err1 := strconv.Atoi(strings.TrimSpace(first))
	b, err2 := strconv.Atoi(strings.TrimSpace(last))
	if err1 != nil || err2 != nil || a < 0 || b < a {
		return fmt.Errorf("invalid cpuset %s %q", kind, part)
	}
	if b > maxCPU {
		return fmt.Errorf("cpuset %s %q exceeds maximum %d", kind, part, maxCPU)
	}
	return nil
}
