package server

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// reflection serves the descriptions of the services of a gRPC server, from which tools such as
// grpcurl learn the calls. The package reflection of gRPC does the same, but its dependencies would
// delay each start of the program, also for a build, by 4 ms.
type reflection struct {
	reflectionpb.UnimplementedServerReflectionServer
	server *grpc.Server
}

// registerReflection adds the service to a server, in both versions that tools use. Their messages
// are the same.
func registerReflection(g *grpc.Server) {
	r := &reflection{server: g}
	reflectionpb.RegisterServerReflectionServer(g, r)
	alpha := reflectionpb.ServerReflection_ServiceDesc
	alpha.ServiceName = "grpc.reflection.v1alpha.ServerReflection"
	g.RegisterService(&alpha, r)
}

// ServerReflectionInfo implements [reflectionpb.ServerReflectionServer].
func (r *reflection) ServerReflectionInfo(stream reflectionpb.ServerReflection_ServerReflectionInfoServer) error {
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(r.answer(req)); err != nil {
			return err
		}
	}
}

// answer returns the response to a request.
func (r *reflection) answer(req *reflectionpb.ServerReflectionRequest) *reflectionpb.ServerReflectionResponse {
	resp := &reflectionpb.ServerReflectionResponse{ValidHost: req.Host, OriginalRequest: req}
	var err error
	switch q := req.MessageRequest.(type) {
	case *reflectionpb.ServerReflectionRequest_ListServices:
		list := &reflectionpb.ListServiceResponse{}
		for _, name := range slices.Sorted(maps.Keys(r.server.GetServiceInfo())) {
			list.Service = append(list.Service, &reflectionpb.ServiceResponse{Name: name})
		}
		resp.MessageResponse = &reflectionpb.ServerReflectionResponse_ListServicesResponse{ListServicesResponse: list}
	case *reflectionpb.ServerReflectionRequest_FileByFilename:
		var file protoreflect.FileDescriptor
		if file, err = protoregistry.GlobalFiles.FindFileByPath(q.FileByFilename); err == nil {
			err = setFiles(resp, file)
		}
	case *reflectionpb.ServerReflectionRequest_FileContainingSymbol:
		var d protoreflect.Descriptor
		if d, err = protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(q.FileContainingSymbol)); err == nil {
			err = setFiles(resp, d.ParentFile())
		}
	default:
		err = status.Errorf(codes.Unimplemented, "unsupported request %T", q)
	}
	if err != nil {
		code := codes.NotFound
		if st, ok := status.FromError(err); ok {
			code = st.Code()
		}
		resp.MessageResponse = &reflectionpb.ServerReflectionResponse_ErrorResponse{
			ErrorResponse: &reflectionpb.ErrorResponse{ErrorCode: int32(code), ErrorMessage: err.Error()},
		}
	}
	return resp
}

// setFiles makes the description of a file, and of all files that it imports, the response to a
// request.
func setFiles(resp *reflectionpb.ServerReflectionResponse, file protoreflect.FileDescriptor) error {
	files := &reflectionpb.FileDescriptorResponse{}
	seen := map[string]bool{}
	var add func(protoreflect.FileDescriptor) error
	add = func(f protoreflect.FileDescriptor) error {
		if seen[f.Path()] {
			return nil
		}
		seen[f.Path()] = true
		data, err := encodedFile(f)
		if err != nil {
			return err
		}
		files.FileDescriptorProto = append(files.FileDescriptorProto, data)
		for i := range f.Imports().Len() {
			if err := add(f.Imports().Get(i).FileDescriptor); err != nil {
				return err
			}
		}
		return nil
	}
	if err := add(file); err != nil {
		return err
	}
	resp.MessageResponse = &reflectionpb.ServerReflectionResponse_FileDescriptorResponse{FileDescriptorResponse: files}
	return nil
}

// encodedFile returns the description of a file as the code generated for its first message contains
// it. A file without messages, which only defines options for the generator of the code, gets a
// description without content.
func encodedFile(f protoreflect.FileDescriptor) ([]byte, error) {
	if f.Messages().Len() == 0 {
		return emptyFile(f), nil
	}
	m, err := protoregistry.GlobalTypes.FindMessageByName(f.Messages().Get(0).FullName())
	if err != nil {
		return nil, err
	}
	described, ok := m.Zero().Interface().(interface{ Descriptor() ([]byte, []int) })
	if !ok {
		return nil, fmt.Errorf("%s: its description is not available", f.Path())
	}
	compressed, _ := described.Descriptor()
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// emptyFile returns the description of a file that declares nothing: a FileDescriptorProto with the
// fields name, package and syntax.
func emptyFile(f protoreflect.FileDescriptor) []byte {
	var data []byte
	for _, field := range []struct {
		number protowire.Number
		value  string
	}{{1, f.Path()}, {2, string(f.Package())}, {12, f.Syntax().String()}} {
		data = protowire.AppendTag(data, field.number, protowire.BytesType)
		data = protowire.AppendString(data, field.value)
	}
	return data
}
