package dockerfile2llb

import (
	"errors"
	"path"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"
	"github.com/moby/buildkit/util/gitutil"
)

// HostKeys asks the SSH server at an address, such as example.com:2222, for its host key. It
// returns a line of the file known_hosts.
type HostKeys func(address string) (string, error)

// Git returns the LLB source of a git repository, like [llb.Git]. That function contains an SSH
// client, which asks the server of an SSH repository for its host key. This function calls
// hostKeys instead, so that a program without a network needs no SSH client. If hostKeys is nil
// or returns an error, the source contains no host key, as if the server could not be reached.
//
// Of the options, those for secrets, host keys, sockets and bundles have no effect.
func Git(remote string, hostKeys HostKeys, opts ...llb.GitOption) llb.State {
	info := &llb.GitInfo{}
	for _, o := range opts {
		o.SetGitOption(info)
	}
	s := &gitSource{attrs: map[string]string{
		pb.AttrAuthHeaderSecret: llb.GitAuthHeaderKey,
		pb.AttrAuthTokenSecret:  llb.GitAuthTokenKey,
	}, caps: map[apicaps.CapID]bool{pb.CapSourceGit: true}}
	id := s.setRemote(remote, info, hostKeys)
	s.set(pb.AttrKeepGitDir, isSet(info.KeepGitDir), pb.CapSourceGitKeepDir)
	s.set(pb.AttrGitChecksum, info.Checksum, pb.CapSourceGitChecksum)
	s.set(pb.AttrGitSkipSubmodules, isSet(info.SkipSubmodules), pb.CapSourceGitSkipSubmodules)
	s.set(pb.AttrGitMTime, info.MTime, pb.CapSourceGitMTime)
	s.set(pb.AttrGitFetchByCommit, isSet(info.FetchByCommit), pb.CapSourceGitFetchByCommit)
	if info.Advice {
		s.attrs[pb.AttrGitAdvice] = "true" // needs no capability
	}
	c := info.Constraints
	c.Metadata.Caps = s.caps
	return llb.NewState(llb.NewSource("git://"+id, s.attrs, c).Output())
}

// gitSource collects the attributes of a git source and the capabilities that it requires.
type gitSource struct {
	attrs map[string]string
	caps  map[apicaps.CapID]bool
}

// set sets an attribute that requires a capability, unless value is "".
func (s *gitSource) set(attr, value string, needs apicaps.CapID) {
	if value != "" {
		s.attrs[attr], s.caps[needs] = value, true
	}
}

// isSet returns the value of a boolean attribute.
func isSet(b bool) string {
	if b {
		return "true"
	}
	return ""
}

// setRemote sets the attributes of the repository and returns the identifier of the source. The
// identifier has no protocol, so that sources with different protocols share a cache entry. The
// identifier of an invalid URL is the URL: the builder reports the error.
func (s *gitSource) setRemote(remote string, info *llb.GitInfo, hostKeys HostKeys) (id string) {
	u, err := gitutil.ParseURL(remote)
	if errors.Is(err, gitutil.ErrUnknownProtocol) {
		remote = "https://" + remote
		u, err = gitutil.ParseURL(remote)
	}
	if err != nil {
		s.set(pb.AttrFullRemoteURL, remote, pb.CapSourceGitFullURL)
		return remote
	}
	s.set(pb.AttrFullRemoteURL, u.Remote, pb.CapSourceGitFullURL)
	if u.Scheme == gitutil.SSHProtocol {
		if hostKeys != nil {
			if key, err := hostKeys(u.Host); err == nil {
				s.attrs[pb.AttrKnownSSHHosts] = key
			}
		}
		s.caps[pb.CapSourceGitKnownSSHHosts] = true
		s.set(pb.AttrMountSSHSock, "default", pb.CapSourceGitMountSSHSock)
	}
	id = u.Host + path.Join("/", u.Path)
	if info.Ref != "" || info.SubDir != "" {
		id += "#" + info.Ref
	}
	if info.SubDir != "" {
		id += ":" + info.SubDir
	}
	return id
}
