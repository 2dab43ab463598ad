package interp

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
	"runtime"
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"

	"slipway/solver/runner"
)

// process runs a [runner.Process] by interpreting its shell script.
type process struct {
	*runner.Process
	*files
}

// run interprets the process and returns its exit code. If the process uses unsupported
// operations, run returns the error about the first one.
func (p *process) run(ctx context.Context) (int, error) {
	// Like mkdir -p, create the directories before ".." as well: /x for /x/../y.
	dir := "/"
	for part := range strings.SplitSeq(p.Dir, "/") {
		dir = path.Join(dir, part)
		if _, err := p.Editor.MkdirAll(dir, p.Meta(0o755)); err != nil {
			return 0, fmt.Errorf("working directory: %w", err)
		}
	}
	env := p.Env
	if !slices.ContainsFunc(env, func(kv string) bool { return strings.HasPrefix(kv, "HOME=") }) {
		home, err := p.rootHome()
		if err != nil {
			return 0, err
		}
		env = append(slices.Clip(env), "HOME="+home)
	}
	r, err := p.interpreter(&environ{Environ: expand.ListEnviron(env...)}, p.Stdin, p.Stdout, p.Stderr)
	if err != nil {
		return 0, err
	}
	words := make([]string, 0, len(p.Args))
	for _, a := range p.Args {
		q, err := syntax.Quote(a, syntax.LangBash)
		if err != nil {
			return 0, unsupportedf("cannot pass the argument %q: %v", a, err)
		}
		words = append(words, q)
	}
	prog, err := syntax.NewParser().Parse(strings.NewReader(strings.Join(words, " ")), "")
	if err != nil {
		return 0, err
	}
	p.goroutines = runtime.NumGoroutine()
	code, err := exitCode(r.Run(withHeapLimit(ctx), prog))
	return code, cmp.Or(p.recordedError(), err)
}

// interpreter returns a shell with the positional parameters params. The shell accesses
// files, commands and directories only through p, never on the host.
func (p *process) interpreter(env *environ, in io.Reader, out, errs io.Writer, params ...string) (*interp.Runner, error) {
	r, err := interp.New(
		interp.Env(env),
		interp.StdIO(in, out, errs),
		interp.Params(params...),
		interp.OpenHandler(func(ctx context.Context, name string, flag int, _ os.FileMode) (io.ReadWriteCloser, error) {
			f, err := p.open(absolute(interp.HandlerCtx(ctx).Dir, name), flag)
			return f, p.recordError(err)
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
		interp.CallHandler(func(ctx context.Context, args []string) ([]string, error) {
			args, err := p.call(interp.HandlerCtx(ctx), args)
			return args, p.recordError(err)
		}),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc {
			return func(ctx context.Context, args []string) error { return p.recordError(p.exec(ctx, args)) }
		}),
	)
	if err != nil {
		return nil, err
	}
	r.Dir = p.Dir
	r.Reset()
	env.ready = true
	return r, nil
}

// exitCode returns the exit code that an error from the interpreter contains. If err
// contains no exit code, exitCode returns err.
func exitCode(err error) (int, error) {
	var status interp.ExitStatus
	if errors.As(err, &status) {
		return int(status), nil
	}
	return 0, err
}

// absolute returns name unchanged if it is an absolute path, and otherwise joins it to
// the directory dir.
func absolute(dir, name string) string {
	if path.IsAbs(name) {
		return name
	}
	return path.Join(dir, name)
}

// access returns an error if a command does not have the requested kind of access to a
// file, such as [interp.AccessExec]. If the file does not exist, it returns an error,
// too.
func (p *process) access(name string, mode interp.AccessMode) error {
	info, err := p.stat(name, true)
	if err != nil {
		return err
	}
	// Root may read and write every file, but execute only files with an execute bit.
	if mode&interp.AccessExec != 0 && !info.IsDir() && info.Mode()&0o111 == 0 {
		return fs.ErrPermission
	}
	return nil
}

// lookupCommand is the name of a command that replaces `command -v`, because the
// interpreter's builtin searches the host. No program has such a name.
const lookupCommand = "\x00lookup"

// call returns the command line that the interpreter runs instead of args. It replaces
// commands with which the interpreter would access the host. In commands that
// make the interpreter parse another script, such as eval, it rewrites that script.
func (p *process) call(hc interp.HandlerContext, args []string) ([]string, error) {
	if err := cmp.Or(p.recordedError(), p.checkLimits(args)); err != nil {
		return nil, err
	}
	at := 0
	for at < len(args)-1 && (args[at] == "command" || args[at] == "builtin") {
		at++
	}
	name, rest := args[at], args[at+1:]
	switch {
	case args[0] == "command" && len(args) == 3 && args[1] == "-v":
		return []string{lookupCommand, args[2]}, nil
	case args[0] == "command" && len(args) > 1 && strings.HasPrefix(args[1], "-"), name == "type":
		return nil, unsupportedf("does not support %s", strings.Join(args, " "))
	case name == "eval":
		text, err := rewriteText(strings.Join(rest, " "))
		return append(slices.Clone(args[:at+1]), text), err
	case name == "trap" && len(rest) > 1 && !strings.HasPrefix(rest[0], "-"):
		text, err := rewriteText(rest[0])
		return slices.Concat(args[:at+1], []string{text}, rest[1:]), err
	case (name == "source" || name == ".") && len(rest) > 0:
		file, err := p.rewriteSourced(hc, rest[0])
		return slices.Concat(args[:at+1], []string{file}, rest[1:]), err
	}
	return args, nil
}

// rewriteText returns the text of a script as changed by [rewrite]. A script with a
// syntax error is returned unchanged, because the interpreter reports the error.
func rewriteText(text string) (string, error) {
	prog, err := syntax.NewParser().Parse(strings.NewReader(text), "")
	if err != nil {
		return text, nil //nolint:nilerr // see above
	}
	if err := rewrite(prog); err != nil {
		return "", err
	}
	var b strings.Builder
	err = syntax.NewPrinter().Print(&b, prog)
	return b.String(), err
}

// sourcedPrefix is the prefix of names that replace the paths of sourced scripts. Only
// [files.open] resolves them to the rewritten scripts.
const sourcedPrefix = "/\x01sourced/"

// rewriteSourced rewrites a script that is about to be sourced (by "." or source) and
// returns a new name for the script. If the script cannot be read, rewriteSourced
// returns the path of the script, so that the interpreter reports the error.
func (p *process) rewriteSourced(hc interp.HandlerContext, name string) (string, error) {
	file := absolute(hc.Dir, name)
	if !strings.Contains(name, "/") {
		for _, dir := range strings.Split(hc.Env.Get("PATH").String(), ":") {
			if at := absolute(dir, name); p.isFile(at) {
				file = at
				break
			}
		}
	}
	data, err := p.read(file)
	if err != nil {
		return file, nil //nolint:nilerr // see above
	}
	text, err := rewriteText(string(data))
	if err != nil {
		return "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sources == nil {
		p.sources = map[string]string{}
	}
	file = sourcedPrefix + strconv.Itoa(len(p.sources))
	p.sources[file] = text
	return file, nil
}

// isFile reports whether name exists and is not a directory. It follows symbolic links.
func (p *process) isFile(name string) bool {
	info, err := p.stat(name, true)
	return err == nil && !info.IsDir()
}

// printPath prints the path of a command in the image, or the name of a builtin. If the
// command does not exist, it returns exit status 1, as `command -v` does.
func (p *process) printPath(hc interp.HandlerContext, name string) error {
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

// exec runs a command that is not a builtin of the interpreter: a shell, a tool of this
// package, or a shell script in the image.
func (p *process) exec(ctx context.Context, args []string) error {
	hc := interp.HandlerCtx(ctx)
	switch args[0] {
	case lookupCommand:
		return p.printPath(hc, args[1])
	case homeCommand:
		return p.printHome(hc, args[1])
	case pidCommand:
		return unsupportedf("has no process IDs for $%s", args[1])
	case boundCommand:
		return checkVariables(hc.Env, args[1])
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
	return unsupportedf("interprets shell commands and cannot run the program %s", file)
}

// lookPath returns the path of an executable file in the image. A name without a slash
// is searched for in PATH.
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

// isShell reports whether this package runs a program with this name as a shell, such
// as sh or bash.
func isShell(name string) bool {
	switch name {
	case "sh", "ash", "dash", "bash":
		return true
	}
	return false
}

// shell runs a shell with arguments as in `sh -c SCRIPT [NAME [PARAM…]]` or `sh FILE
// [PARAM…]`. The first element of args is the name of the shell.
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
		return unsupportedf("supports shells only with -c or a script file")
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
		rest = rest[1:] // the first argument after the script is $0
	}
	sub, err := p.subshell(hc, path.Base(args[0]) == "bash", append(append(opts, "--"), rest[1:]...))
	if err != nil {
		return err
	}
	return sub.Run(ctx, prog)
}

// parse parses and rewrites a script. If bash is false, syntax that POSIX does not
// define is an error. The result is a tree of bash's dialect in both cases, because the
// interpreter supports no other dialect.
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
	return prog, rewrite(prog)
}

// subshell returns a shell with the working directory, exported variables and streams
// of its parent.
func (p *process) subshell(hc interp.HandlerContext, bash bool, params []string) (*interp.Runner, error) {
	var env []string
	for name, v := range hc.Env.Each {
		if v.Exported && v.Kind == expand.String {
			env = append(env, name+"="+v.String())
		}
	}
	inner := &process{Process: &runner.Process{Dir: hc.Dir}, files: p.files}
	return inner.interpreter(&environ{Environ: expand.ListEnviron(env...), bash: bash}, hc.Stdin, hc.Stdout, hc.Stderr, params...)
}
