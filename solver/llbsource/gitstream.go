package llbsource

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"

	"slipway/internal/oneline"
)

// gitStream is a [gitService] over a TCP or SSH connection. go-git's clients for these
// protocols have no time limit and ignore contexts.
type gitStream struct {
	timer      *stallTimer
	in         io.WriteCloser
	out        io.Reader
	stderr     *prefixBuffer // standard error of the service; nil for git://
	waitStderr func()        // blocks until stderr is complete
	conn       io.Closer
	adv        *packp.AdvRefs
	start      refsStart
}

func (g *gitStream) refsStart() *refsStart { return &g.start }

// gitPort is the default port of git://.
const gitPort = 9418

// dialGit connects to a git daemon and requests the repository.
//
// See https://git-scm.com/docs/gitprotocol-pack#_git_transport.
func (s *Sources) dialGit(ctx context.Context, ep *transport.Endpoint) (*gitStream, error) {
	host, port := ep.Host, ep.Port
	if port <= 0 {
		port = gitPort
	}
	p := newStallTimer(ctx, host, s.Stall)
	conn, err := dial(p, host, port)
	if err != nil {
		return nil, err
	}
	ask := packp.GitProtoRequest{RequestCommand: transport.UploadPackServiceName, Pathname: ep.Path, Host: host}
	if port != gitPort {
		ask.Host = net.JoinHostPort(host, strconv.Itoa(port))
	}
	g := &gitStream{timer: p, in: conn, out: conn, conn: conn}
	if err := ask.Encode(conn); err != nil {
		return nil, errors.Join(p.cause(err), g.Close())
	}
	return g, nil
}

// dial opens a TCP connection to a host and port. The timer p limits the time to connect.
// When the timer's context ends, the connection is closed.
func dial(p *stallTimer, host string, port int) (net.Conn, error) {
	p.wait()
	conn, err := (&net.Dialer{}).DialContext(p.ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	p.stop()
	if err != nil {
		err = p.cause(err)
		p.end()
		return nil, err
	}
	context.AfterFunc(p.ctx, func() { _ = conn.Close() })
	return conn, nil
}

// Read implements [io.Reader]. It reads the response of git-upload-pack, within the time
// limit.
func (g *gitStream) Read(data []byte) (int, error) { return g.timer.read(g.out, data) }

// Close implements [io.Closer].
func (g *gitStream) Close() error {
	err := g.conn.Close()
	g.timer.end()
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
		return nil // the server closed it first
	}
	return err
}

// AdvertisedReferencesContext returns the refs of the repository.
func (g *gitStream) AdvertisedReferencesContext(context.Context) (*packp.AdvRefs, error) {
	if g.adv != nil {
		return g.adv, nil
	}
	adv := packp.NewAdvRefs()
	err := adv.Decode(&limitedReader{io.NopCloser(g), maxGitRefs, &g.start})
	var refused *pktline.ErrorLine
	switch {
	case errors.As(err, &refused):
		return nil, fmt.Errorf("the server answers %q", oneline.Excerpt(refused.Text))
	case errors.Is(err, packp.ErrEmptyInput):
		return nil, g.noAnswer()
	case errors.Is(err, packp.ErrEmptyAdvRefs), err == nil && adv.IsEmpty():
		return nil, transport.ErrEmptyRemoteRepository
	case err != nil:
		return nil, err
	}
	transport.FilterUnsupportedCapabilities(adv.Capabilities)
	g.adv = adv
	return adv, nil
}

// noAnswer returns the error for a git server that closed the connection without sending
// refs. If the server wrote to standard error, noAnswer quotes this text.
func (g *gitStream) noAnswer() error {
	if g.stderr != nil {
		g.timer.wait()
		g.waitStderr()
		g.timer.stop()
		if text := oneline.Excerpt(g.stderr.String()); text != "" {
			return fmt.Errorf("the server answers %q", text)
		}
	}
	return g.timer.cause(errors.New("the server closed the connection without an answer"))
}

// UploadPack requests a pack. The caller reads the pack from the response.
func (g *gitStream) UploadPack(_ context.Context, req *packp.UploadPackRequest) (*packp.UploadPackResponse, error) {
	if err := req.Validate(); err != nil {
		return nil, err
	}
	var ask bytes.Buffer
	if err := errors.Join(req.UploadRequest.Encode(&ask), req.UploadHaves.Encode(&ask, true), pktline.NewEncoder(&ask).Encodef("done\n")); err != nil {
		return nil, err
	}
	g.timer.wait()
	_, sent := g.in.Write(ask.Bytes())
	g.timer.stop()
	answer := bufio.NewReader(g)
	if sent != nil {
		// A server may answer, and close the connection, before it has read the whole request.
		if _, err := answer.Peek(1); err != nil {
			return nil, g.timer.cause(sent)
		}
	}
	resp := packp.NewUploadPackResponse(req)
	return resp, resp.Decode(io.NopCloser(answer))
}

// prefixBuffer is a writer that keeps the first 4096 bytes and drops the others.
type prefixBuffer struct{ bytes.Buffer }

// Write implements [io.Writer].
func (f *prefixBuffer) Write(p []byte) (int, error) {
	const most = 4096
	f.Buffer.Write(p[:min(len(p), most-f.Len())])
	return len(p), nil
}
