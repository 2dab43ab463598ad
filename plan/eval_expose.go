package plan

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"slipway/diag"
	"slipway/instructions"
	"slipway/parser"
	"slipway/shell"
	"slipway/source"
)

// PortSpec is an argument of EXPOSE: [ip:][hostport[-range]:]port[-range][/proto]. The
// address and the host port are checked, but not stored in the image config.
type PortSpec struct {
	Raw         string // with variables expanded
	IP          string
	Host        string // host port or range; "" if absent
	Port        string // container port or range
	Proto       string // as written; "tcp" if absent
	first, last int
	portOffset  int // byte offset of Port in Raw
}

// expose adds ports to the config. Unlike in other instructions, one variable may expand
// to several words, and so to several ports.
func (e *evaluator) expose(c *instructions.Expose) *diag.Diagnostic {
	fields := make([][]shell.Field, len(c.Ports))
	for i, w := range c.Ports {
		var err error
		if fields[i], err = e.expand.Fields(w.Value, e.b.countReads(e.state.Env)); err != nil {
			return diag.Errorf(errorRange(w, err), "%w", err)
		}
	}
	ports := []string{}
	for i, w := range c.Ports {
		for _, f := range fields[i] {
			spec, err := parsePort(f.Text)
			if err == nil {
				e.recordFact(&Exposed{Port: spec, Word: w})
				err = spec.check()
			}
			if err != nil {
				return diag.Errorf(portPart(w, f.Text, err), "%w", err)
			}
			ports = append(ports, spec.Ports()...)
			e.b.charge(32 * (spec.last - spec.first))
			if d := e.b.tooLarge(w.Text.Range()); d != nil {
				return d
			}
		}
	}
	cfg := &e.st.Image.Config
	if cfg.ExposedPorts == nil {
		cfg.ExposedPorts = map[string]struct{}{}
	}
	for _, p := range ports {
		cfg.ExposedPorts[p] = struct{}{}
	}
	e.commit(fmt.Sprintf("EXPOSE %v", ports), false)
	return nil
}

// portError is an error about part of an EXPOSE argument.
type portError struct {
	text     string
	from, to int // offsets in PortSpec.Raw
}

// Error implements error.
func (e *portError) Error() string { return e.text }

// portPart returns the source range of the invalid part of an EXPOSE argument. err
// describes the invalid part, w is the argument as written, and raw is the expanded
// argument. If variables or quotes make w differ from raw, the range is the whole word.
func portPart(w parser.Word, raw string, err error) source.Range {
	var e *portError
	if errors.As(err, &e) && w.Text.String() == raw && e.from < e.to {
		return w.Text.Slice(e.from, e.to).Range()
	}
	return w.Text.Range()
}

// parsePort splits an argument of EXPOSE into address, ports and protocol. It checks only
// the protocol.
func parsePort(raw string) (PortSpec, error) {
	s := PortSpec{Raw: raw}
	parts := strings.Split(raw, ":")
	n := len(parts)
	s.Port = parts[n-1]
	s.portOffset = len(raw) - len(s.Port)
	if n > 1 {
		s.Host = parts[n-2]
	}
	if n > 2 {
		s.IP = strings.Join(parts[:n-2], ":")
	}
	s.Port, s.Proto, _ = strings.Cut(s.Port, "/")
	if s.Port == "" {
		return s, fmt.Errorf("invalid port: %q: no port specified", raw)
	}
	switch strings.ToLower(s.Proto) {
	case "":
		s.Proto = "tcp"
	case "tcp", "udp", "sctp":
	default:
		return s, &portError{fmt.Sprintf("invalid port: %q: invalid proto: %s", raw, s.Proto), len(raw) - len(s.Proto), len(raw)}
	}
	return s, nil
}

// check validates the address and the port numbers of the EXPOSE argument s, and stores
// the parsed port numbers in s.
func (s *PortSpec) check() error {
	ip := s.IP
	if strings.HasPrefix(ip, "[") {
		host, _, err := net.SplitHostPort(ip + ":")
		if err != nil {
			return &portError{fmt.Sprintf("invalid IP address %v: %v", ip, err), 0, len(s.IP)}
		}
		ip = host
	}
	if ip != "" && net.ParseIP(ip) == nil {
		return &portError{"invalid IP address: " + ip, 0, len(s.IP)}
	}
	var ok bool
	if s.first, s.last, ok = portRange(s.Port); !ok {
		return &portError{"invalid containerPort: " + s.Port, s.portOffset, s.portOffset + len(s.Port)}
	}
	if s.Host == "" {
		return nil
	}
	first, last, ok := portRange(s.Host)
	if !ok {
		return &portError{"invalid hostPort: " + s.Host, s.portOffset - 1 - len(s.Host), s.portOffset - 1}
	}
	// A single port may be published on any one of a range of host ports.
	if last-first != s.last-s.first && s.last != s.first {
		return fmt.Errorf("invalid ranges specified for container and host Ports: %s and %s", s.Port, s.Host)
	}
	return nil
}

// Ports returns each port of the range in the format of image configs, such as 80/tcp.
func (s PortSpec) Ports() []string {
	list := make([]string, 0, s.last-s.first+1)
	for p := s.first; p <= s.last; p++ {
		list = append(list, strconv.Itoa(p)+"/"+strings.ToLower(s.Proto))
	}
	return list
}

// portRange parses a port or a range of ports such as 8000-8010.
func portRange(s string) (first, last int, ok bool) {
	a, b, isRange := strings.Cut(s, "-")
	first, ok = parsePortNumber(a)
	if !ok || !isRange || a == b {
		return first, first, ok
	}
	last, ok = parsePortNumber(b)
	return first, last, ok && last >= first
}

// parsePortNumber parses a port number from 0 to 65535.
func parsePortNumber(s string) (int, bool) {
	n, err := strconv.ParseInt(s, 10, 0)
	return int(n), err == nil && n >= 0 && n <= 65535
}
