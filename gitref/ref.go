package gitref

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// Ref is a reference to a git source.
type Ref struct {
	// Remote is the URL or path of the repository for git, without options.
	Remote string
	// ShortName is the last element of Remote's path, without ".git".
	ShortName string
	// Ref is the branch, tag or commit to check out. "" selects the default branch.
	Ref string
	// Checksum is the expected commit of Ref, or a prefix of it. If it is "", any commit
	// is valid.
	Checksum string
	// SubDir is the directory to use, or "" for the root. A directory from the query is
	// as written. A directory from the fragment is clean and has no leading slash.
	SubDir string
	// KeepGitDir is whether .git is included. It is nil if the source does not specify
	// it.
	KeepGitDir *bool
	// Submodules is whether submodules are fetched. If the source does not specify it,
	// Submodules is nil, and submodules are fetched.
	Submodules *bool
	// MTime selects the modification times of files: "checkout", "commit", or "" if the
	// source does not specify it.
	MTime string
	// FetchByCommit is whether Checksum is fetched directly, without resolving Ref.
	FetchByCommit bool

	// IndistinguishableFromLocal is set for github.com/path, which may also be
	// a path in the context. Only a main context may have this form.
	IndistinguishableFromLocal bool
	// UnencryptedTCP is set for http:// and git://.
	UnencryptedTCP bool
}

// ErrNotGit is wrapped by the errors that Parse returns for strings that are not git
// sources.
var ErrNotGit = errors.New("not a git source")

// remote is a git source, split into scheme, path, query and fragment.
type remote struct {
	scheme   string
	path     string // the path of the repository, unescaped
	query    url.Values
	fragment string // the part after #, unescaped if the source is a URL
	text     string // the source without query and fragment
}

// Parse parses a git source. If s is not a git source, isGit is false and the error wraps
// ErrNotGit. If isGit is true, an error is about the options of the git source and must
// be shown to the user.
//
// ADD accepts git sources that are not IndistinguishableFromLocal. A main context may be
// any git source.
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
		r, err = splitSource(s)
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

// schemePattern matches the scheme at the start of a URL.
var schemePattern = regexp.MustCompile(`^[a-zA-Z0-9]+://`)

// splitSource splits a source that does not start with github.com/ into its parts.
func splitSource(s string) (remote, error) {
	found := schemePattern.FindString(s)
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

// parseURL splits a URL into its parts. If defaultScheme is not empty, it replaces the
// scheme of the URL.
//
// Upstream: options that are not a valid query are dropped, and a lone "?" remains part
// of the remote.
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

// scpPattern matches user@host:path, the syntax of the program scp.
var scpPattern = regexp.MustCompile(`^[a-zA-Z0-9_-]+@[a-zA-Z0-9.-]+:[^\n]*$`)

// splitSCP splits user@host:path into its parts. It unescapes only the query.
//
// Upstream: if the options are not a valid query, the string is not a git source.
func splitSCP(s string) (remote, error) {
	if !scpPattern.MatchString(s) {
		return remote{}, errors.New("neither a URL nor user@host:path")
	}
	s, fragment, _ := strings.Cut(s, "#")
	s, query, _ := strings.Cut(s, "?")
	values, err := url.ParseQuery(query)
	return remote{scheme: "ssh", query: values, fragment: fragment, text: s}, err
}
