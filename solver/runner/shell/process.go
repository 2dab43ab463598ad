package shell

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"

	"slipway/solver/runner"
)

// process is a process while it is interpreted.
type process struct {
	*runner.Process
	*files
}

// run interprets the process and returns its exit code.
func (p *process) run(ctx context.Context) (int, error) {
	// The directories that the name passes are made, too: /x/../y needs /x.
	dir := "/"
	for part := range strings.SplitSeq(p.Dir, "/") {
		dir = path.Join(dir, part)
		if _, err := p.Editor.MkdirAll(dir, p.Meta(0o755)); err != nil {
			return 0, fmt.Errorf("working directory: %w", err)
		}
	}
	r, err := p.interpreter(p.Stdin, p.Stdout, p.Stderr, nil)
	if err != nil {
		return 0, err
	}
	words := make([]string, 0, len(p.Args))
	for _, a := range p.Args {
		q, err := syntax.Quote(a, syntax.LangBash)
		if err != nil {
			return 0, unable("cannot pass the argument %q: %v", a, err)
		}
		words = append(words, q)
	}
	prog, err := syntax.NewParser().Parse(strings.NewReader(strings.Join(words, " ")), "")
	if err != nil {
		return 0, err
	}
	code, err := exitCode(r.Run(ctx, prog))
	return code, cmp.Or(p.noted(), err)
}

// interpreter is a shell whose files are those of the process.
func (p *process) interpreter(in io.Reader, out, errs io.Writer, params []string) (*interp.Runner, error) {
	r, err := interp.New(
		interp.Env(expand.ListEnviron(p.Env...)),
		interp.StdIO(in, out, errs),
		interp.Params(params...),
		interp.OpenHandler(func(ctx context.Context, name string, flag int, _ os.FileMode) (io.ReadWriteCloser, error) {
			f, err := p.open(absolute(interp.HandlerCtx(ctx).Dir, name), flag)
			return f, p.note(err)
		}),
		interp.StatHandler(func(ctx context.Context, name string, follow bool) (fs.FileInfo, error) {
			return p.stat(absolute(interp.HandlerCtx(ctx).Dir, name), follow)
		}),
		interp.ReadDirHandler2(func(ctx context.Context, name string) ([]fs.DirEntry, error) {
			return p.readDir(absolute(interp.HandlerCtx(ctx).Dir, name))
		}),
		interp.AccessHandler(func(ctx context.Context, name string, mode interp.AccessMode) error {
			return p.access(absolute(interp.HandlerCtx(ctx).Dir, name), mode)
		}),
		interp.CallHandler(func(_ context.Context, args []string) ([]string, error) {
			args, err := p.call(args)
			return args, p.note(err)
		}),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc {
			return func(ctx context.Context, args []string) error { return p.note(p.exec(ctx, args)) }
		}),
	)
	if err != nil {
		return nil, err
	}
	r.Dir = p.Dir
	return r, nil
}

func exitCode(err error) (int, error) {
	var status interp.ExitStatus
	if errors.As(err, &status) {
		return int(status), nil
	}
	return 0, err
}

func absolute(dir, name string) string {
	if path.IsAbs(name) {
		return name
	}
	return path.Join(dir, name)
}

func (p *process) access(name string, mode interp.AccessMode) error {
	info, err := p.stat(name, true)
	if err != nil {
		return err
	}
	// Root may do all, but run only what someone may run.
	if mode&interp.AccessExec != 0 && !info.IsDir() && info.Mode()&0o111 == 0 {
		return fs.ErrPermission
	}
	return nil
}

// lookup is what `command -v` is turned into: the interpreter's own looks at the
// host.
const lookup = "\x00lookup"

// call turns to what the interpreter would ask the host.
func (p *process) call(args []string) ([]string, error) {
	switch {
	case args[0] == "command" && len(args) == 3 && args[1] == "-v":
		return []string{lookup, args[2]}, nil
	case args[0] == "command" && len(args) > 1 && strings.HasPrefix(args[1], "-"), args[0] == "type":
		return nil, unable("does not know what %s finds", strings.Join(args, " "))
	}
	return args, nil
}

// found prints where a command is.
func (p *process) found(hc interp.HandlerContext, name string) error {
	file := name
	if !interp.IsBuiltin(name) {
		var err error
		if file, err = p.lookPath(hc, name); err != nil {
			return interp.ExitStatus(1)
		}
	}
	_, err := fmt.Fprintln(hc.Stdout, file)
	return err
}

// exec runs a command: a shell, a tool, or a script of the image.
func (p *process) exec(ctx context.Context, args []string) error {
	hc := interp.HandlerCtx(ctx)
	if args[0] == lookup {
		return p.found(hc, args[1])
	}
	file, err := p.lookPath(hc, args[0])
	if err != nil {
		fmt.Fprintf(hc.Stderr, "%s: %v\n", args[0], err)
		return interp.ExitStatus(127)
	}
	name := path.Base(args[0])
	if isShell(name) {
		return p.shell(ctx, hc, args)
	}
	if t, ok := tools()[name]; ok {
		c := &call{files: p.files, hc: hc, args: args[1:], name: name}
		return c.run(ctx, t)
	}
	data, err := p.read(file)
	if err != nil {
		return err
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	if interpreter, ok := bytes.CutPrefix(line, []byte("#!")); ok {
		f := strings.Fields(string(interpreter))
		if len(f) > 0 && isShell(path.Base(f[0])) {
			return p.shell(ctx, hc, append(append(f, file), args[1:]...))
		}
	}
	return unable("interprets shell commands and cannot run the program %s", file)
}

// lookPath finds a command in the image, as a shell does.
func (p *process) lookPath(hc interp.HandlerContext, name string) (string, error) {
	dirs := []string{hc.Dir}
	if !strings.Contains(name, "/") {
		dirs = strings.Split(hc.Env.Get("PATH").String(), ":")
	}
	for _, dir := range dirs {
		file := absolute(dir, name)
		if info, err := p.stat(file, true); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", errors.New("not found")
}

func isShell(name string) bool {
	switch name {
	case "sh", "ash", "dash", "bash":
		return true
	}
	return false
}

// shell interprets what a shell is called with: -c and a script, or a file.
func (p *process) shell(ctx context.Context, hc interp.HandlerContext, args []string) error {
	var opts []string
	rest, script := args[1:], false
	for len(rest) > 0 && len(rest[0]) > 1 && rest[0][0] == '-' {
		flag := rest[0]
		rest = rest[1:]
		if strings.Contains(flag, "c") && !strings.HasPrefix(flag, "--") {
			script = true
			if flag = strings.ReplaceAll(flag, "c", ""); flag == "-" {
				continue
			}
		}
		opts = append(opts, flag)
		if strings.HasSuffix(flag, "o") && len(rest) > 0 {
			opts, rest = append(opts, rest[0]), rest[1:]
		}
	}
	if len(rest) == 0 {
		return unable("runs no shell that reads its commands from elsewhere")
	}
	text, file := rest[0], args[0]
	if !script {
		data, err := p.read(absolute(hc.Dir, rest[0]))
		if err != nil {
			return err
		}
		text, file = string(data), rest[0]
	} else if len(rest) > 1 {
		file = rest[1]
	}
	prog, err := parse(text, file, path.Base(args[0]) == "bash")
	var wrong syntax.ParseError
	var other syntax.LangError
	if err != nil && !errors.As(err, &wrong) && !errors.As(err, &other) {
		return err
	}
	if err != nil {
		fmt.Fprintln(hc.Stderr, err)
		return interp.ExitStatus(2)
	}
	if script && len(rest) > 1 {
		rest = rest[1:] // the first argument behind the script is $0
	}
	sub, err := p.subshell(hc, append(append(opts, "--"), rest[1:]...))
	if err != nil {
		return err
	}
	return sub.Run(ctx, prog)
}

// parse parses a script. What is only known to bash is a mistake in others, but
// what can be interpreted is the tree of bash.
func parse(text, name string, bash bool) (*syntax.File, error) {
	if !bash {
		if _, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(text), name); err != nil {
			return nil, err
		}
	}
	prog, err := syntax.NewParser().Parse(strings.NewReader(text), name)
	if err != nil {
		return nil, err
	}
	syntax.Walk(prog, func(n syntax.Node) bool {
		if _, ok := n.(*syntax.ProcSubst); ok {
			err = unable("has no pipes of the host for <() and >()")
		}
		return err == nil
	})
	return prog, err
}

// subshell is a shell with the environment of the one that starts it.
func (p *process) subshell(hc interp.HandlerContext, params []string) (*interp.Runner, error) {
	var env []string
	for name, v := range hc.Env.Each {
		if v.Exported && v.Kind == expand.String {
			env = append(env, name+"="+v.String())
		}
	}
	inner := &process{Process: &runner.Process{Env: env, Dir: hc.Dir}, files: p.files}
	return inner.interpreter(hc.Stdin, hc.Stdout, hc.Stderr, params)
}
