package plan

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"slipway/diag"
	"slipway/gitref"
	"slipway/instructions"
	"slipway/parser"
	"slipway/source"
)

const epochKey = "SOURCE_DATE_EPOCH"

// setEpoch sets Plan.Epoch from SOURCE_DATE_EPOCH. A build argument of this name, even an empty
// one, takes precedence over the default of a global ARG. For the ARG instructions of the
// Dockerfile, setEpoch replaces the value of SOURCE_DATE_EPOCH with the time in seconds since
// 1970. If a build argument is empty or the source has no time, it unsets the variable.
func (b *builder) setEpoch(ctx context.Context) error {
	v, given := b.opt.BuildArgs[epochKey]
	if !given {
		if v, _ = b.current.Globals.Lookup(epochKey); v == "" {
			return nil
		}
	}
	t, err := b.epochOf(ctx, v)
	if err != nil {
		return b.epochError(err, given)
	}
	b.Epoch = t
	if given {
		b.opt.BuildArgs = maps.Clone(b.opt.BuildArgs)
		delete(b.opt.BuildArgs, epochKey)
	}
	_, global := b.current.Globals.Lookup(epochKey)
	if t == nil {
		b.current.Globals = b.current.Globals.Without(epochKey)
		return nil
	}
	v = strconv.FormatInt(t.Unix(), 10)
	if given {
		b.opt.BuildArgs[epochKey] = v
	}
	if global {
		b.current.Globals = b.current.Globals.Set(epochKey, v)
	}
	return nil
}

// epochError adds a range to err, an error about the value of SOURCE_DATE_EPOCH. The range is
// the default of the global ARG that sets the value. If given is true, a build argument sets
// the value, and the error gets no range. An error that already has a range is returned
// unchanged.
func (b *builder) epochError(err error, given bool) error {
	var d *diag.Diagnostic
	if errors.As(err, &d) && !d.Shown().IsZero() {
		return err
	}
	for _, g := range b.current.Declarations {
		if !given && g.Decl.Key == epochKey && g.Set {
			d = diag.Errorf(g.Decl.Default.Text.Range(), "%w", err).In(g.In.In.Rng)
		}
	}
	if d == nil {
		return diag.Errorf(source.Range{}, "%w", err)
	}
	return d
}

// epochOf returns the time for a value of SOURCE_DATE_EPOCH. The value is one of:
//
//   - a number of seconds since 1970
//   - "context", the time of the main context
//   - the name of a named context
//   - the name of a stage with exactly one remote ADD, whose time is used
//
// It returns nil if the value is empty or the source has no time.
func (b *builder) epochOf(ctx context.Context, v string) (*time.Time, error) {
	if v == "" {
		return nil, nil
	}
	if sec, err := strconv.ParseInt(v, 10, 64); err == nil {
		t := time.Unix(sec, 0).UTC()
		return &t, nil
	}
	if v == "context" {
		return b.opt.Resolver.Time(ctx, TimeSource{LogName: "[internal] resolve main build context metadata"})
	}
	nc, err := b.opt.Resolver.Context(ctx, v, nil)
	if err != nil {
		return nil, err
	}
	if nc != nil {
		res, err := nc.Load(ctx)
		if err != nil {
			return nil, err
		}
		return b.opt.Resolver.Time(ctx, TimeSource{Input: res.Input, LogName: "[internal] resolve SOURCE_DATE_EPOCH named context " + v})
	}
	for _, st := range b.current.Dockerfile.Stages {
		if strings.EqualFold(st.Name, v) {
			return b.epochOfStage(ctx, st)
		}
	}
	return nil, diag.Errorf(source.Range{}, "invalid %s: %s", epochKey, v)
}

// epochOfStage returns the time of the git repository or download that the only ADD of the stage
// st fetches.
func (b *builder) epochOfStage(ctx context.Context, st *instructions.Stage) (*time.Time, error) {
	s := epochStage{b: b, env: b.current.Globals.Without(epochKey)}
	place := st.From.In.Rng
	if d := s.read(st); d != nil {
		return nil, d.In(place)
	}
	t, err := b.opt.Resolver.Time(ctx, TimeSource{Copy: s.source, LogName: "[internal] resolve SOURCE_DATE_EPOCH source stage " + st.Name})
	if err != nil {
		return nil, diag.Errorf(s.location, "%w", err)
	}
	return t, nil
}

// epochStage evaluates the stage that SOURCE_DATE_EPOCH refers to. Such a stage consists of
// FROM scratch, any number of ARGs, and exactly one ADD with one remote source. It need not be
// part of the build.
type epochStage struct {
	b        *builder
	env      Env
	source   CopySource   // the source of the ADD; nil until found
	location source.Range // the range of the ADD
}

// read evaluates the stage st and sets s.source to the source of its only ADD.
func (s *epochStage) read(st *instructions.Stage) *diag.Diagnostic {
	base, err := s.b.current.expand.Expand(st.From.Base.Value, s.env)
	at := st.From.Base.Text.Range()
	if err != nil {
		return diag.Errorf(errorRange(st.From.Base, err), "failed to process source stage base name %q: %w", st.From.Base.Value, err)
	}
	if base.Value != scratch {
		return diag.Errorf(at, "%s stage must use FROM scratch", epochKey)
	}
	for _, c := range st.Commands {
		in := c.Syntax()
		var d *diag.Diagnostic
		switch c := c.(type) {
		case *instructions.Arg:
			d = s.args(c)
		case *instructions.Copy:
			if !c.Add {
				return s.unsupported(in)
			}
			if s.source != nil {
				return diag.Errorf(in.Rng, "%s stage must contain exactly one remote ADD", epochKey)
			}
			s.location = in.Rng
			d = s.add(c)
		default:
			return s.unsupported(in)
		}
		if d != nil {
			return d
		}
	}
	if s.source == nil {
		return diag.Errorf(at, "%s stage must contain exactly one remote ADD", epochKey)
	}
	return nil
}

// unsupported returns the error for an instruction other than ARG and ADD in the stage
// that SOURCE_DATE_EPOCH refers to.
func (s *epochStage) unsupported(in *parser.Instruction) *diag.Diagnostic {
	return diag.Errorf(in.Keyword.Range(), "%s stage does not meet source-only requirements: unsupported %s instruction", epochKey, in.Keyword)
}

// args adds the variables of an ARG instruction to the environment s.env.
func (s *epochStage) args(c *instructions.Arg) *diag.Diagnostic {
	for i := range c.Args {
		decl := &c.Args[i]
		if v, ok := s.b.opt.BuildArgs[decl.Key]; ok {
			s.env = s.env.Set(decl.Key, v)
		} else if decl.Default != nil {
			res, d := expandWord(s.b.current.expand, *decl.Default, s.env)
			if d != nil {
				return d
			}
			s.env = s.env.Set(decl.Key, res.Value)
		}
	}
	return nil
}

// add sets s.source to the only source of an ADD instruction: a git repository or a download.
// It validates the instruction less strictly than a build does.
//
// Upstream: --keep-git-dir and --checksum may contradict the query of the URL, and the query
// parameter fetch-by-commit is ignored.
func (s *epochStage) add(c *instructions.Copy) *diag.Diagnostic {
	if len(c.Inline) > 0 || len(c.Sources) != 1 {
		return diag.Errorf(c.In.Rng, "%s stage must contain exactly one remote ADD source", epochKey)
	}
	w := c.Sources[0]
	src, d := expandWord(s.b.current.expand, w, s.env)
	if d != nil {
		return d
	}
	sum, d := expandWord(s.b.current.expand, c.Checksum, s.env)
	ref, isGit, err := gitref.Parse(src.Value)
	switch {
	case isHTTP(src.Value) && (!isGit || err != nil):
		if d == nil && c.Checksum.Value != "" {
			if _, err := digest.Parse(sum.Value); err != nil {
				d = diag.Errorf(c.Checksum.Text.Range(), "%w", err)
			}
		}
		s.source = &CopyURL{URL: src.Value, Filename: urlFilename(src.Value), Checksum: sum.Value}
	case isGit && err != nil:
		return diag.Errorf(w.Text.Range(), "%w", err)
	case isGit && !ref.IndistinguishableFromLocal:
		if c.Checksum.Value == "" {
			sum.Value = ref.Checksum
		}
		s.source = &CopyGit{
			Remote:         ref.Remote,
			Ref:            ref.Ref,
			SubDir:         ref.SubDir,
			Checksum:       sum.Value,
			KeepGitDir:     c.KeepGit != nil && *c.KeepGit || ref.KeepGitDir != nil && *ref.KeepGitDir,
			SkipSubmodules: ref.Submodules != nil && !*ref.Submodules,
		}
	default:
		return diag.Errorf(w.Text.Range(), "%s stage source must be a single HTTP(S) or Git ADD", epochKey)
	}
	return d
}
