package dialect

import (
	"fmt"
	"strings"

	"slipway/internal/suggest"
)

// Lookup evaluates the operator :@ of ${NAME:@TABLE}. It returns the entry of the table for a
// value. The table is a preset, such as uname, or a list of entries:
//
//	table = preset | key "=" text { "," key "=" text } .
//
// The key * matches every value.
func Lookup(value, table string) (string, error) {
	if !strings.Contains(table, "=") {
		return preset(value, table)
	}
	for entry := range strings.SplitSeq(table, ",") {
		key, text, ok := strings.Cut(entry, "=")
		if !ok {
			return "", fmt.Errorf("the entry %q has no =", entry)
		}
		if key == value || key == "*" {
			return text, nil
		}
	}
	return "", fmt.Errorf("no entry for %s", orEmpty(value))
}

// orEmpty returns s, or "an empty value" if s is empty.
func orEmpty(s string) string {
	if s == "" {
		return "an empty value"
	}
	return s
}

// presets returns the tables of architecture names, by name. Keys are values of TARGETARCH with
// the variant.
func presets() []struct{ name, entries string } {
	return []struct{ name, entries string }{
		{"uname", "amd64=x86_64,arm64=aarch64,arm/v6=armv6l,arm=armv7l,386=i686,ppc64le=ppc64le,s390x=s390x,riscv64=riscv64,loong64=loongarch64"},
		{"deb", "amd64=amd64,arm64=arm64,arm/v5=armel,arm=armhf,386=i386,ppc64le=ppc64el,s390x=s390x,riscv64=riscv64,loong64=loong64"},
		{"gnu", "amd64=x86_64-linux-gnu,arm64=aarch64-linux-gnu,arm/v5=arm-linux-gnueabi,arm=arm-linux-gnueabihf,386=i386-linux-gnu,ppc64le=powerpc64le-linux-gnu,s390x=s390x-linux-gnu,riscv64=riscv64-linux-gnu,loong64=loongarch64-linux-gnu"},
		{"musl", "amd64=x86_64-linux-musl,arm64=aarch64-linux-musl,arm/v6=arm-linux-musleabihf,arm=armv7-linux-musleabihf,386=i686-linux-musl,ppc64le=powerpc64le-linux-musl,s390x=s390x-linux-musl,riscv64=riscv64-linux-musl,loong64=loongarch64-linux-musl"},
		{"node", "amd64=x64,arm64=arm64,arm/v6=armv6l,arm=armv7l,386=x86,ppc64le=ppc64le,s390x=s390x,riscv64=riscv64,loong64=loong64"},
	}
}

// preset returns the entry of a preset for an architecture or a platform.
func preset(value, name string) (string, error) {
	var names []string
	for _, p := range presets() {
		names = append(names, p.name)
		if p.name != name {
			continue
		}
		for _, key := range architectures(value) {
			if v, err := Lookup(key, p.entries); err == nil {
				return v, nil
			}
		}
		return "", fmt.Errorf("no entry for %s", orEmpty(value))
	}
	return "", fmt.Errorf("unknown table %q%s (want KEY=VALUE,… or one of %s)", name, suggest.Hint(name, names, true), strings.Join(names, ", "))
}

// architectures returns the keys under which presets have an entry for a platform or an
// architecture: first with its variant, then without.
func architectures(value string) []string {
	parts := strings.Split(value, "/")
	if len(parts) > 1 && parts[0] != "arm" && parts[0] != "arm64" && parts[0] != "amd64" {
		parts = parts[1:] // without the operating system
	}
	if len(parts) > 1 && (parts[1] == "v7" || parts[1] == "v8") { // the default variants
		parts = parts[:1]
	}
	return []string{strings.Join(parts, "/"), parts[0]}
}
