package main

import (
	"fmt"
	"slices"
	"strings"

	"slipway/integration/checkout"
)

// target is a platform for which the program is compiled.
type target struct {
	os, arch string // as in GOOS and GOARCH
	variant  string // v7 for arm, otherwise ""
}

func allTargets() []target {
	return []target{
		{"linux", "amd64", ""},
		{"linux", "arm64", ""},
		{"linux", "arm", "v7"},
		{"linux", "ppc64le", ""},
		{"linux", "s390x", ""},
		{"linux", "riscv64", ""},
		{"darwin", "amd64", ""},
		{"darwin", "arm64", ""},
		{"windows", "amd64", ""},
		{"windows", "arm64", ""},
	}
}

// selectTargets returns the targets of a list such as linux/amd64,linux/arm/v7. If list is "", it
// returns all targets.
func selectTargets(list string) ([]target, error) {
	if list == "" {
		return allTargets(), nil
	}
	var all []string
	for _, t := range allTargets() {
		all = append(all, t.String())
	}
	var targets []target
	for name := range strings.SplitSeq(list, ",") {
		i := slices.Index(all, name)
		if i < 0 {
			return nil, fmt.Errorf("unknown target %q (use %s)", name, strings.Join(all, ", "))
		}
		if slices.Contains(targets, allTargets()[i]) {
			return nil, fmt.Errorf("target %q is given twice", name)
		}
		targets = append(targets, allTargets()[i])
	}
	return targets, nil
}

// String returns the platform as in OCI images, such as linux/arm/v7.
func (t target) String() string {
	return strings.TrimSuffix(t.os+"/"+t.arch+"/"+t.variant, "/")
}

// fileName returns the part of file names that identifies t, such as linux_armv7.
func (t target) fileName() string { return t.os + "_" + t.arch + t.variant }

// program returns the file name of the program.
func (t target) program() string {
	if t.os == "windows" {
		return "slipway.exe"
	}
	return "slipway"
}

// archive returns the extension of the archive.
func (t target) archive() string {
	if t.os == "windows" {
		return ".zip"
	}
	return ".tar.gz"
}

// env returns the settings of Go for t.
func (t target) env() []string { return checkout.PlatformEnv(t.os, t.arch) }
