// Package device finds the CDI devices of this machine, which RUN steps can request. The Container
// Device Interface (CDI) describes a device in a file: device files, mounts and environment
// variables that containers need to use the device.
package device

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tags.cncf.io/container-device-interface/pkg/cdi"
	"tags.cncf.io/container-device-interface/pkg/parser"
)

// These are the annotations of BuildKit: the class of a device, by which steps can request it, and
// whether steps can use it without an entitlement.
const (
	classAnnotation = "org.mobyproject.buildkit.device.class"
	allowAnnotation = "org.mobyproject.buildkit.device.autoallow"
)

// DefaultDirs returns the directories in which BuildKit looks for descriptions of devices.
func DefaultDirs() []string { return []string{"/etc/cdi", "/var/run/cdi", "/etc/buildkit/cdi"} }

// Registry contains the devices of this machine at one moment. Safe for concurrent use.
type Registry struct{ cache *cdi.Cache }

// Read reads the descriptions of devices in the given directories. It ignores directories that do
// not exist and invalid descriptions.
func Read(dirs []string) (*Registry, error) {
	cache, err := cdi.NewCache(cdi.WithAutoRefresh(false), cdi.WithSpecDirs(dirs...))
	return &Registry{cache}, err
}

// Device describes a device.
type Device struct {
	Name        string // fully qualified: VENDOR/CLASS=NAME
	Allowed     bool   // whether steps can use the device without an entitlement
	Annotations map[string]string
}

// Devices returns all devices, sorted by name.
func (r *Registry) Devices() []Device {
	var list []Device
	for _, name := range r.cache.ListDevices() {
		annotations := r.annotations(name)
		allowed, err := strconv.ParseBool(annotations[allowAnnotation])
		list = append(list, Device{Name: name, Allowed: err == nil && allowed, Annotations: annotations})
	}
	slices.SortFunc(list, func(a, b Device) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// annotations returns the annotations of a device, including the annotations of its file.
func (r *Registry) annotations(name string) map[string]string {
	out := map[string]string{}
	if d := r.cache.GetDevice(name); d != nil {
		maps.Copy(out, d.GetSpec().Annotations)
		maps.Copy(out, d.Annotations)
	}
	return out
}

// Request is a request of a step for devices: VENDOR/CLASS=NAME for one device, VENDOR/CLASS for
// the first and VENDOR/CLASS=* for all devices of a kind, or the class that devices have as an
// annotation.
type Request struct {
	Name     string
	Optional bool // no error if no device matches
}

// find returns the devices that match the name in a request.
func find(all []Device, name string) []Device {
	kind, device, _ := strings.Cut(name, "=")
	var list []Device
	if vendor, _ := parser.ParseQualifier(kind); vendor != "" {
		for _, d := range all {
			if d.Name == name || (device == "" || device == "*") && strings.HasPrefix(d.Name, kind+"=") {
				list = append(list, d)
			}
		}
		if device == "" && len(list) > 1 {
			list = list[:1]
		}
	}
	if len(list) > 0 {
		return list
	}
	for _, d := range all {
		if d.Annotations[classAnnotation] == name {
			list = append(list, d)
		}
	}
	return list
}

// Resolve returns the fully qualified names of the requested devices, each once. It returns an
// error if no device matches a request that is not optional, or if a device is not allowed.
func (r *Registry) Resolve(requests []Request, granted *Grants) ([]string, error) {
	all := r.Devices()
	allowed := map[string]bool{}
	for name := range granted.names {
		for _, d := range find(all, name) {
			allowed[d.Name] = true
		}
	}
	var names, forbidden []string
	for _, req := range requests {
		device, renamed := granted.aliases[req.Name]
		if !renamed {
			device = req.Name
		}
		found := find(all, device)
		if len(found) == 0 && !req.Optional {
			return nil, fmt.Errorf("required device %q is not registered (describe it in a file below %s, or make it optional)", device, strings.Join(r.cache.GetSpecDirectories(), " or "))
		}
		for _, d := range found {
			if !renamed && !granted.all && !allowed[d.Name] && !d.Allowed && !slices.Contains(forbidden, d.Name) {
				forbidden = append(forbidden, d.Name)
			}
			if !slices.Contains(names, d.Name) {
				names = append(names, d.Name)
			}
		}
	}
	switch len(forbidden) {
	case 0:
		return names, nil
	case 1:
		return nil, fmt.Errorf("device %s is requested by the build but not allowed (grant it with --allow device=%[1]s)", forbidden[0])
	}
	return nil, fmt.Errorf("devices %s are requested by the build but not allowed (grant them with --allow device)", strings.Join(forbidden, ", "))
}

// Grants are the devices that a build may use.
type Grants struct {
	all     bool
	names   map[string]bool
	aliases map[string]string // devices by the names in requests
}

// ParseGrants parses those entitlements of a build that grant devices: "device" for all devices, or
// device=NAME[,alias=ALIAS]. A request for the alias is a request for the device. ParseGrants
// ignores other entitlements.
func ParseGrants(entitlements []string) (*Grants, error) {
	g := &Grants{names: map[string]bool{}, aliases: map[string]string{}}
	for _, e := range entitlements {
		key, value, _ := strings.Cut(e, "=")
		if key != "device" {
			continue
		}
		if value == "" {
			g.all = true
			continue
		}
		name, rest, _ := strings.Cut(value, ",")
		alias, ok := strings.CutPrefix(rest, "alias=")
		switch {
		case rest == "":
			g.names[name] = true
		case ok && alias != "" && name != "" && !strings.Contains(alias, ","):
			g.aliases[alias] = name
		default:
			return nil, fmt.Errorf("entitlement %q: want device, device=NAME or device=NAME,alias=ALIAS", e)
		}
	}
	return g, nil
}
