package server

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/filesync"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"slipway/solver/tree"
)

// receiveFiles receives the files of a local source in the directory opt.DestDir. Unlike
// [filesync.FSSync], it does not trust the client: see [incoming].
func receiveFiles(ctx context.Context, c session.Caller, opt *filesync.FSSendRequestOpt) (received, error) {
	if !c.Supports(session.MethodURL(filesync.FileSync_ServiceDesc.ServiceName, "diffcopy")) {
		return received{}, errors.New("no local sources enabled")
	}
	ctx, cancel := context.WithCancel(metadata.NewOutgoingContext(c.Context(ctx), encoded(metadata.MD{
		"dir-name": {opt.Name}, "include-patterns": opt.IncludePatterns, "exclude-patterns": opt.ExcludePatterns, "followpaths": opt.FollowPaths,
	})))
	defer cancel()
	stream, err := filesync.NewFileSyncClient(c.Conn()).DiffCopy(ctx)
	if err != nil {
		return received{}, err
	}
	in := newIncoming(stream, tree.Limits{}.OrDefault())
	receive := fsutil.ReceiveOpt{ProgressCb: opt.ProgressCb, Filter: opt.Filter, Differ: opt.Differ}
	if opt.MetadataOnly {
		receive.MetadataOnly = func(name string, st *fstypes.Stat) bool {
			return opt.MetadataOnlyFilter != nil && opt.MetadataOnlyFilter(name, st)
		}
	}
	if err := fsutil.Receive(stream.Context(), in, opt.DestDir, receive); err != nil {
		return received{}, err
	}
	return received{listing: listing(in.hash.Sum(nil)), content: in.requested.Load()}, stream.CloseSend()
}

// listing is the digest of the names and metadata of files, in the order in which a client lists them.
type listing [sha256.Size]byte

// received describes a transfer of files from a client.
type received struct {
	listing listing
	content bool // whether the content of a file was sent
}

// encoded encodes values for headers, as clients decode them: if a value has characters outside
// of ASCII, all values with the same name are escaped.
func encoded(values metadata.MD) metadata.MD {
	out := metadata.MD{}
	for name, list := range values {
		if list = slices.Clone(list); slices.ContainsFunc(list, notASCII) {
			for i := range list {
				list[i] = url.QueryEscape(list[i])
			}
			out.Set(name+"-encoded", "1")
		}
		out.Set(name, list...)
	}
	return out
}

func notASCII(s string) bool {
	return slices.ContainsFunc([]byte(s), func(b byte) bool { return b >= 0x80 })
}

// incoming is the stream on which a client sends the files of a local source. It returns an error
// where the receiver in package fsutil would panic, or would fill the memory or the disk: for a file
// after the end of the list of files, and for a source that exceeds the limits of a layer.
type incoming struct {
	grpc.ClientStream
	left   tree.Limits // what the client can still send
	listed bool        // whether the list of files has ended
	done   bool        // whether the transfer has ended

	hash      hash.Hash   // of the list of files
	requested atomic.Bool // whether a file was requested from the client
}

func newIncoming(s grpc.ClientStream, limits tree.Limits) *incoming {
	return &incoming{ClientStream: s, left: limits, hash: sha256.New()}
}

// SendMsg implements [fsutil.Stream].
func (s *incoming) SendMsg(m any) error {
	if p, ok := m.(*fstypes.Packet); ok && p.Type == fstypes.PACKET_REQ {
		s.requested.Store(true)
	}
	return s.ClientStream.SendMsg(m)
}

// RecvMsg implements [fsutil.Stream].
func (s *incoming) RecvMsg(m any) error {
	if err := s.ClientStream.RecvMsg(m); err != nil {
		if errors.Is(err, io.EOF) && !s.done {
			return errors.New("the client ended the transfer before all files were sent")
		}
		return err
	}
	p, ok := m.(*fstypes.Packet)
	if !ok {
		return fmt.Errorf("unexpected message %T", m)
	}
	return s.check(p)
}

// check returns an error for a packet that the receiver in package fsutil must not get.
func (s *incoming) check(p *fstypes.Packet) error {
	switch p.Type {
	case fstypes.PACKET_STAT:
		if s.listed {
			return errors.New("the client lists a file after the end of its list")
		}
		s.listed = p.Stat == nil
		if err := s.hashFile(p.Stat); err != nil {
			return err
		}
		s.left.Files--
		s.left.Names -= int64(p.Size())
	case fstypes.PACKET_DATA:
		s.left.Bytes -= int64(len(p.Data))
	case fstypes.PACKET_FIN:
		s.done = true
	}
	switch {
	case s.left.Files < 0:
		return errors.New("the client sends too many files")
	case s.left.Names < 0:
		return errors.New("the client sends too long names and attributes")
	case s.left.Bytes < 0:
		return errors.New("the client sends too much data")
	}
	return nil
}

// hashFile adds a file to the digest of the list of files. The order of several extended attributes
// is random, so that the digest of equal files may differ.
func (s *incoming) hashFile(st *fstypes.Stat) error {
	data, err := st.MarshalVT()
	if err != nil {
		return err
	}
	s.hash.Write(binary.AppendUvarint(nil, uint64(len(data))))
	s.hash.Write(data)
	return nil
}

// sendFiles sends files to the client, as the output with the given index in the request. Unlike
// [filesync.CopyToCaller], it does not trust the client: see [outgoing].
func sendFiles(ctx context.Context, c session.Caller, output int, files fsutil.FS, progress func(int, bool)) error {
	method := session.MethodURL(filesync.FileSend_ServiceDesc.ServiceName, "diffcopy")
	if !c.Supports(method) {
		return fmt.Errorf("method %s not supported by the client", method)
	}
	ctx, cancel := context.WithCancel(c.Context(ctx))
	defer cancel()
	md, _ := metadata.FromOutgoingContext(ctx)
	md = maps.Clone(md)
	if md == nil {
		md = metadata.MD{}
	}
	md.Set("buildkit-attachable-exporter-id", strconv.Itoa(output))
	// A client removes other files only if a single transfer contains the files of all platforms.
	md.Set("buildkit-exporter-multi-platform", "1")
	stream, err := filesync.NewFileSendClient(c.Conn()).DiffCopy(metadata.NewOutgoingContext(ctx, md))
	if err != nil {
		return err
	}
	return fsutil.Send(stream.Context(), newOutgoing(stream), files, progress)
}

// maxRequests is the maximum number of files that a client requests before it has received one of
// them. The sender in package fsutil has a queue of this length.
const maxRequests = 128

// outgoing is the stream on which a client requests and receives files. It accepts no further
// request while maxRequests are open. Otherwise, the sender in package fsutil would wait forever
// for a client that requests many files, reads none and vanishes.
type outgoing struct {
	grpc.ClientStream
	open chan struct{} // has an element for each open request
}

func newOutgoing(s grpc.ClientStream) *outgoing {
	return &outgoing{ClientStream: s, open: make(chan struct{}, maxRequests)}
}

// RecvMsg implements [fsutil.Stream].
func (s *outgoing) RecvMsg(m any) error {
	if err := s.ClientStream.RecvMsg(m); err != nil {
		return err
	}
	if p, ok := m.(*fstypes.Packet); ok && p.Type == fstypes.PACKET_REQ {
		select {
		case s.open <- struct{}{}:
		case <-s.Context().Done():
			return context.Cause(s.Context())
		}
	}
	return nil
}

// SendMsg implements [fsutil.Stream]. A message without data ends the file of a request.
func (s *outgoing) SendMsg(m any) error {
	err := s.ClientStream.SendMsg(m)
	if p, ok := m.(*fstypes.Packet); ok && p.Type == fstypes.PACKET_DATA && len(p.Data) == 0 {
		select {
		case <-s.open:
		default:
		}
	}
	return err
}
