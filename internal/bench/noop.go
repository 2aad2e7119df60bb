package main

import (
	"net"
	"os"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
)

// playNoop is the reference beside Envoy: an external processor that looks at nothing and answers everything, as cheaply as
// grpc-go and the generated types of the protocol can. Answers that are the same for every call are made once.
func playNoop(f *roleFlags) error {
	ln, err := net.Listen("unix", f.socket)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.socket) }()
	s := grpc.NewServer(grpc.MaxRecvMsgSize(16<<20), grpc.InitialWindowSize(1<<20), grpc.InitialConnWindowSize(16<<20)) // as Spanway's
	extprocv3.RegisterExternalProcessorServer(s, noop{})
	go func() { _ = s.Serve(ln) }()
	ctl, err := control(nil)
	if err != nil {
		return err
	}
	return announce(f.socket, ctl)
}

// What the no-op answers to everything but bodies of responses.
var (
	requestHeaders = &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestHeaders{
		RequestHeaders: &extprocv3.HeadersResponse{}}}
	requestBodies = &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestBody{
		RequestBody: &extprocv3.BodyResponse{}}}
	responseHeaders = &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseHeaders{
		ResponseHeaders: &extprocv3.HeadersResponse{}}}
	responseTrailers = &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseTrailers{
		ResponseTrailers: &extprocv3.TrailersResponse{}}}
)

type noop struct {
	extprocv3.UnimplementedExternalProcessorServer
}

// Process implements extprocv3.ExternalProcessorServer.
func (noop) Process(stream extprocv3.ExternalProcessor_ProcessServer) error {
	var body extprocv3.StreamedBodyResponse
	chunk := &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseBody{ResponseBody: &extprocv3.BodyResponse{
		Response: &extprocv3.CommonResponse{BodyMutation: &extprocv3.BodyMutation{Mutation: &extprocv3.BodyMutation_StreamedResponse{StreamedResponse: &body}}}}}}
	var req extprocv3.ProcessingRequest
	for {
		if err := stream.RecvMsg(&req); err != nil {
			return err
		}
		answer := chunk
		switch r := req.GetRequest().(type) {
		case *extprocv3.ProcessingRequest_RequestHeaders:
			answer = requestHeaders
		case *extprocv3.ProcessingRequest_RequestBody:
			answer = requestBodies
		case *extprocv3.ProcessingRequest_ResponseHeaders:
			answer = responseHeaders
		case *extprocv3.ProcessingRequest_ResponseTrailers:
			answer = responseTrailers
		case *extprocv3.ProcessingRequest_ResponseBody:
			body.Body, body.EndOfStream = r.ResponseBody.GetBody(), r.ResponseBody.GetEndOfStream()
		}
		if err := stream.Send(answer); err != nil {
			return err
		}
	}
}
