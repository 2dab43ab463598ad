package gitref

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// Ref is a git source.
type Ref struct {
	// Remote is what git calls the repository: the source without options.
	Remote string
	// ShortName is the last part of Remote's path without ".git".
	ShortName string
	// Ref is the branch, tag or commit to check out; "" is the default branch.
	Ref string
	// Checksum is the commit that Ref must turn out to be, or its beginning;
	// "" is any.
	Checksum string
	// SubDir is the directory to use, "" for the root: as it is written in the
	// query, cleaned and without leading slash from the fragment.
	SubDir string
	// KeepGitDir says whether .git is kept; nil where the source does not say.
	KeepGitDir *bool
	// Submodules says whether submodules are fetched; nil where the source
	// does not say, which means that they are.
	Submodules *bool
	// MTime is where files have their times from: "checkout" or "commit", or
	// "" where the source does not say.
	MTime string
	// FetchByCommit says that Checksum is fetched without asking what Ref is.
	FetchByCommit bool

	// IndistinguishableFromLocal is set for github.com/path, which may be a
	// path of the context too. Only a main context may be written so.
	IndistinguishableFromLocal bool
	// UnencryptedTCP is set for http:// and git://.
	UnencryptedTCP bool
}

// ErrNotGit is what errors about strings that are no git source wrap.
var ErrNotGit = errors.New("not a git source")

// remote is a source taken apart.
type remote struct {
	scheme   string
	path     string // without escapes
	query    url.Values
	fragment string // without escapes, if the source is a URL
	text     string // the source without query and fragment
}

// Parse reads a git source. isGit is false if s is none, and then the error
// wraps ErrNotGit; an error with isGit set is about the options of a source
// that is one, and should be shown.
//
// ADD takes a source with isGit set that is not IndistinguishableFromLocal; a
// main context takes any.
func Parse(s string) (ref *Ref, isGit bool, err error) {
	if strings.HasPrefix(s, "./") || strings.HasPrefix(s, "../") {
		return nil, false, fmt.Errorf("%w: %q is a local path", ErrNotGit, s)
	}
	var r remote
	ref = &Ref{}
	if strings.HasPrefix(s, "github.com/") {
		ref.IndistinguishableFromLocal = true
		r, err = parseURL("https", s)
		r.text = strings.TrimPrefix(r.text, "https://")
	} else {
		r, err = split(s)
		ref.UnencryptedTCP = r.scheme == "http" || r.scheme == "git"
	}
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrNotGit, err)
	}
	ref.Remote = r.text
	ref.ShortName = strings.TrimSuffix(r.text[strings.LastIndexByte(r.text, '/')+1:], ".git")
	if r.fragment != "" {
		var dir string
		ref.Ref, dir, _ = strings.Cut(r.fragment, ":")
		ref.SubDir = strings.TrimPrefix(path.Join("/", dir), "/")
	}
	if err := ref.readQuery(r.query); err != nil {
		return nil, true, err
	}
	return ref, true, nil
}

var scheme = regexp.MustCompile(`^[a-zA-Z0-9]+://`)

// split takes a source apart that is not github.com/path.
func split(s string) (remote, error) {
	found := scheme.FindString(s)
	switch strings.ToLower(found) {
	case "git://", "ssh://":
		return parseURL("", s)
	case "http://", "https://":
		r, err := parseURL("", s)
		if err == nil && !strings.HasSuffix(r.path, ".git") {
			err = errors.New("the path of the URL does not end with .git")
		}
		return r, err
	case "":
		return splitSCP(s)
	}
	return remote{}, fmt.Errorf("unknown scheme %q", found)
}

// parseURL takes a URL apart; it gets the default scheme if there is one.
// Upstream: options that are no proper query are left out, and a lone "?"
// stays with the remote.
func parseURL(defaultScheme, s string) (remote, error) {
	u, err := url.Parse(s)
	if err != nil {
		return remote{}, err
	}
	if defaultScheme != "" {
		u.Scheme = defaultScheme
	}
	r := remote{scheme: u.Scheme, path: u.Path, query: u.Query(), fragment: u.Fragment}
	u.RawQuery, u.Fragment = "", ""
	r.text = u.String()
	return r, nil
}

var scp = regexp.MustCompile(`^[a-zA-Z0-9_-]+@[a-zA-Z0-9.-]+:[^\n]*$`)

// splitSCP takes user@host:path apart. Upstream: options that are no proper
// query make it no git source, and nothing but the query has escapes.
func splitSCP(s string) (remote, error) {
	if !scp.MatchString(s) {
		return remote{}, errors.New("neither a URL nor user@host:path")
	}
	s, fragment, _ := strings.Cut(s, "#")
	s, query, _ := strings.Cut(s, "?")
	values, err := url.ParseQuery(query)
	return remote{scheme: "ssh", query: values, fragment: fragment, text: s}, err
}
