package llbtext

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// printer formats an operation, one line per field.
type printer struct {
	g         *graph
	lines     []string
	omitUnset bool // whether to omit modes and timestamps whose value is -1, which means unset
}

// message formats the fields of m, one per line. Each line starts with the given path, followed
// by the name of the field.
func (p *printer) message(path string, m protoreflect.Message) {
	for _, fd := range fields(m) {
		p.field(path+string(fd.Name()), fd, m.Get(fd))
	}
}

func (p *printer) field(path string, fd protoreflect.FieldDescriptor, v protoreflect.Value) {
	switch {
	case fd.IsMap():
		for _, k := range sortedKeys(v.Map()) {
			p.line(fmt.Sprintf("%s[%s]", path, k), p.value(fd.MapValue(), v.Map().Get(k)))
		}
	case fd.IsList():
		for i := range v.List().Len() {
			p.line(fmt.Sprintf("%s[%d]", path, i), p.value(fd, v.List().Get(i)))
		}
	case fd.Message() != nil && multiLine(fd):
		p.message(path+".", v.Message())
	default:
		p.line(path, p.value(fd, v))
	}
}

func (p *printer) line(path, value string) {
	p.lines = append(p.lines, path+" = "+value)
}

// value formats the value v on one line. The parameter fd is the protobuf field that contains
// v, either directly or in a list or map.
func (p *printer) value(fd protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch fd.Kind() {
	case protoreflect.MessageKind:
		return p.inline(v.Message())
	case protoreflect.StringKind:
		return p.stringText(fd, v.String())
	case protoreflect.BytesKind:
		return quoteBytes(v.Bytes())
	case protoreflect.EnumKind:
		if e := fd.Enum().Values().ByNumber(v.Enum()); e != nil {
			return string(e.Name())
		}
		return strconv.Itoa(int(v.Enum()))
	}
	if fd.Name() == "mode" && !strings.HasPrefix(v.String(), "-") {
		return fmt.Sprintf("%#o", v.Interface())
	}
	return v.String()
}

// stringText formats s, the value of the string field fd. It replaces digests of operations and
// ids of progress groups with numbers, because digests and ids vary between builds.
func (p *printer) stringText(fd protoreflect.FieldDescriptor, s string) string {
	switch fd.FullName() {
	case "pb.Input.digest":
		return strconv.Itoa(p.g.number[s])
	case "pb.ProgressGroup.id":
		return strconv.Itoa(p.g.groups[s])
	}
	return strconv.Quote(s)
}

func (p *printer) inline(m protoreflect.Message) string {
	var parts []string
	for _, fd := range fields(m) {
		v := m.Get(fd)
		name := string(fd.Name()) + ": "
		if p.omitUnset && (fd.Name() == "mode" || fd.Name() == "timestamp") && isUnset(v) {
			continue
		}
		switch {
		case fd.IsMap():
			for _, k := range sortedKeys(v.Map()) {
				parts = append(parts, fmt.Sprintf("%s[%s]: %s", fd.Name(), k, p.value(fd.MapValue(), v.Map().Get(k))))
			}
		case fd.IsList():
			var items []string
			for i := range v.List().Len() {
				items = append(items, p.value(fd, v.List().Get(i)))
			}
			parts = append(parts, name+"["+strings.Join(items, " ")+"]")
		default:
			parts = append(parts, name+p.value(fd, v))
		}
	}
	return "{" + strings.Join(parts, " ") + "}"
}

func isUnset(v protoreflect.Value) bool {
	switch n := v.Interface().(type) {
	case int32:
		return n == -1
	case int64:
		return n == -1
	}
	return false
}

// fields returns the fields of the message m that are printed, sorted by field number: all set
// fields, and unset fields whose zero value has a meaning.
func fields(m protoreflect.Message) []protoreflect.FieldDescriptor {
	var out []protoreflect.FieldDescriptor
	all := m.Descriptor().Fields()
	for i := range all.Len() {
		if fd := all.Get(i); m.Has(fd) || zeroIsSet(fd) {
			out = append(out, fd)
		}
	}
	slices.SortFunc(out, func(a, b protoreflect.FieldDescriptor) int { return int(a.Number()) - int(b.Number()) })
	return out
}

// zeroIsSet reports whether the field fd has a meaning even if its value is zero, such as an
// index or a mode. For other fields, zero means that the field is unset.
func zeroIsSet(fd protoreflect.FieldDescriptor) bool {
	switch fd.Name() {
	case "input", "secondaryInput", "output", "index", "mode":
		return fd.Message() == nil && !fd.IsList()
	}
	return false
}

// multiLine reports whether the field fd contains a message that is printed on several lines,
// one for each of its fields. Other messages are printed on one line.
func multiLine(fd protoreflect.FieldDescriptor) bool {
	switch fd.FullName() {
	case "pb.Op.exec", "pb.Op.source", "pb.Op.file", "pb.Op.build", "pb.Op.merge", "pb.Op.diff",
		"pb.Op.passthrough", "pb.ExecOp.meta":
		return true
	}
	return false
}

func sortedKeys(m protoreflect.Map) []protoreflect.MapKey {
	var keys []protoreflect.MapKey
	m.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		keys = append(keys, k)
		return true
	})
	slices.SortFunc(keys, func(a, b protoreflect.MapKey) int { return strings.Compare(a.String(), b.String()) })
	return keys
}

// quoteBytes returns the content of a file as a Go string literal, or its length if it is
// long.
func quoteBytes(data []byte) string {
	const enough = 4096
	if len(data) > enough || !utf8.Valid(data) && len(data) > 64 {
		return fmt.Sprintf("%d bytes", len(data))
	}
	return strconv.Quote(string(data))
}
