package llbtext

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Lines formats a definition like [Operations], and adds a line with a digest of the complete
// definition. The digest does not cover the ids of progress groups, which are random:
//
//	definition 2c7ce11bcb88
func Lines(def *pb.Definition) (string, error) {
	g, err := load(def)
	if err != nil {
		return "", err
	}
	sum, err := g.digest()
	return g.operations() + fmt.Sprintf("definition %s\n", sum), err
}

// Operations formats the operations of a definition in compact form:
//
//	0 source docker-image://docker.io/library/alpine:latest@sha256:… platform=linux/amd64
//	  "[1/2] FROM docker.io/library/alpine:latest@sha256:…" Dockerfile 1, needs source.image
//	1 exec(0) args=["/bin/sh" "-c" "a"] env=["PATH=/bin"] cwd="/" mounts={input: 0 dest: "/" output: 0} platform=linux/amd64
//	  "[2/2] RUN a" Dockerfile 2, needs exec.meta.base exec.mount.bind
//	result 1, needs platform
//
// The numbers in parentheses are inputs. A number after a point is the index of an output. A
// long value that an earlier operation N also has is printed as "(as in N)".
func Operations(def *pb.Definition) (string, error) {
	g, err := load(def)
	if err != nil {
		return "", err
	}
	return g.operations(), nil
}

func (g *graph) operations() string {
	l := &linePrinter{printer: printer{g: g, omitUnset: true}, seen: map[string]int{}}
	for i := range g.nodes {
		l.operation(i)
	}
	if g.result == nil {
		l.b.WriteString("no result\n")
	} else {
		fmt.Fprintf(&l.b, "result %s%s\n", l.input(g.result), l.capabilities(len(g.nodes), g.final.meta))
	}
	return l.b.String()
}

// digest returns the first 12 hex digits of a digest of the definition. Before hashing, it
// replaces the random ids of progress groups with numbers.
func (g *graph) digest() (string, error) {
	def := proto.CloneOf(g.def)
	for _, m := range def.GetMetadata() {
		if group := m.GetProgressGroup(); group != nil {
			group.Id = strconv.Itoa(g.groups[group.Id])
		}
	}
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(def)
	if err != nil {
		return "", err
	}
	return digest.FromBytes(data).Encoded()[:12], nil
}

// linePrinter formats operations in the compact form of [Operations].
type linePrinter struct {
	printer
	b    strings.Builder
	seen map[string]int // number of the first operation with a long value, by field name and value
}

func (l *linePrinter) input(in *pb.Input) string {
	n := strconv.Itoa(l.g.number[in.Digest])
	if in.Index != 0 {
		n += fmt.Sprintf(".%d", in.Index)
	}
	return n
}

func (l *linePrinter) operation(i int) {
	n := l.g.nodes[i]
	fmt.Fprintf(&l.b, "%d %s", i, kind(n.op))
	var inputs []string
	for _, in := range n.op.Inputs {
		inputs = append(inputs, l.input(in))
	}
	if len(inputs) > 0 {
		fmt.Fprintf(&l.b, "(%s)", strings.Join(inputs, ", "))
	}
	l.fields(i, n.op.ProtoReflect())
	l.b.WriteByte('\n')
	fmt.Fprintf(&l.b, "  %s", l.abbreviate(i, "name", strconv.Quote(n.meta.GetDescription()["llb.customname"])))
	for j, at := range n.at {
		if j == 0 || !proto.Equal(at, n.at[j-1]) {
			fmt.Fprintf(&l.b, " %s", l.g.location(at))
		}
	}
	l.metadata(i, n.meta)
	l.b.WriteByte('\n')
}

// fields prints the fields of the message m, each as "name=value" after a space. The message is
// operation i or a part of it. Some fields have a shorter form, such as the identifier of a
// source.
func (l *linePrinter) fields(i int, m protoreflect.Message) {
	for _, fd := range fields(m) {
		v := m.Get(fd)
		switch {
		case fd.FullName() == "pb.Op.inputs":
		case fd.FullName() == "pb.SourceOp.identifier":
			l.b.WriteString(" " + v.String())
		case fd.FullName() == "pb.Op.platform":
			l.b.WriteString(" platform=" + platform(v.Message().Interface().(*pb.Platform)))
		case fd.IsMap():
			for _, k := range sortedKeys(v.Map()) {
				fmt.Fprintf(&l.b, " %s=%s", k, l.value(fd.MapValue(), v.Map().Get(k)))
			}
		case fd.IsList() && fd.Message() != nil:
			l.messages(fd, v.List())
		case fd.IsList():
			fmt.Fprintf(&l.b, " %s=%s", fd.Name(), l.abbreviate(i, string(fd.Name()), l.list(fd, v.List())))
		case fd.Message() != nil && multiLine(fd):
			l.fields(i, v.Message())
		case fd.Message() != nil && l.inline(v.Message()) == "{}":
		default:
			fmt.Fprintf(&l.b, " %s=%s", fd.Name(), l.value(fd, v))
		}
	}
}

// messages prints a list of messages, each as "name=value". The field fd is the repeated field
// that contains the messages. A single message stays on the line of the operation, while
// several messages get one line each.
func (l *linePrinter) messages(fd protoreflect.FieldDescriptor, list protoreflect.List) {
	sep := " "
	if list.Len() > 1 {
		sep = "\n    "
	}
	for i := range list.Len() {
		fmt.Fprintf(&l.b, "%s%s=%s", sep, fd.Name(), l.value(fd, list.Get(i)))
	}
}

func (l *linePrinter) list(fd protoreflect.FieldDescriptor, list protoreflect.List) string {
	items := make([]string, list.Len())
	for i := range items {
		items[i] = l.value(fd, list.Get(i))
	}
	return "[" + strings.Join(items, " ") + "]"
}

// metadata prints meta, the LLB metadata of operation i, without the name of the operation. An
// example is ", needs source.image".
func (l *linePrinter) metadata(i int, meta *pb.OpMetadata) {
	if meta == nil {
		return
	}
	rest := proto.CloneOf(meta)
	delete(rest.Description, "llb.customname")
	for _, key := range slices.Sorted(maps.Keys(rest.Description)) {
		short, text := key[strings.LastIndexByte(key, '.')+1:], rest.Description[key]
		if text != "" && strings.HasSuffix(meta.Description["llb.customname"], "] "+text) {
			fmt.Fprintf(&l.b, ", %s as named", short)
			continue
		}
		fmt.Fprintf(&l.b, ", %s %q", short, text)
	}
	rest.Description, rest.Caps = nil, nil
	if s := l.inline(rest.ProtoReflect()); s != "{}" {
		fmt.Fprintf(&l.b, ", %s", s)
	}
	l.b.WriteString(l.capabilities(i, meta))
}

// capabilities returns the capabilities that operation i requires, for example
// ", needs exec.meta.base exec.mount.bind", or "" if it requires none.
func (l *linePrinter) capabilities(i int, meta *pb.OpMetadata) string {
	list := slices.Sorted(maps.Keys(meta.GetCaps()))
	if len(list) == 0 {
		return ""
	}
	return ", needs " + l.abbreviate(i, "needs", strings.Join(list, " "))
}

// abbreviate shortens the text of the given field of operation i. If the text is long and the
// same field of an earlier operation N has the same text, it returns "(as in N)". Otherwise it
// returns the text unchanged.
func (l *linePrinter) abbreviate(i int, field, value string) string {
	const long = 40
	key := field + " " + value
	if first, ok := l.seen[key]; ok && len(value) > long {
		return fmt.Sprintf("(as in %d)", first)
	}
	l.seen[key] = i
	return value
}

func platform(p *pb.Platform) string {
	return platforms.FormatAll(ocispecs.Platform{
		OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion, OSFeatures: p.OSFeatures,
	})
}
