package io.scorebridge.client;

import com.google.protobuf.Message;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.Deadline;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.protobuf.ProtoUtils;
import io.scorebridge.v1.GetModelRequest;
import io.scorebridge.v1.GetModelResponse;
import io.scorebridge.v1.ListModelsRequest;
import io.scorebridge.v1.ListModelsResponse;
import io.scorebridge.v1.ScoreRequest;
import io.scorebridge.v1.ScoreResponse;
import java.util.concurrent.CompletableFuture;

/** The methods of the service, each as a future. */
final class Calls {
  static final MethodDescriptor<ScoreRequest, ScoreResponse> SCORE =
      method("Score", ScoreRequest.getDefaultInstance(), ScoreResponse.getDefaultInstance());
  static final MethodDescriptor<ListModelsRequest, ListModelsResponse> LIST_MODELS =
      method("ListModels", ListModelsRequest.getDefaultInstance(), ListModelsResponse.getDefaultInstance());
  static final MethodDescriptor<GetModelRequest, GetModelResponse> GET_MODEL =
      method("GetModel", GetModelRequest.getDefaultInstance(), GetModelResponse.getDefaultInstance());

  private Calls() {}

  /** Makes the call; cancelling the future cancels it. A failure is a StatusRuntimeException. */
  static <ReqT, RespT> CompletableFuture<RespT> ask(
      Channel channel, MethodDescriptor<ReqT, RespT> method, ReqT request, Deadline deadline) {
    ClientCall<ReqT, RespT> call = channel.newCall(method, CallOptions.DEFAULT.withDeadline(deadline));
    CompletableFuture<RespT> answer = new CompletableFuture<>();
    call.start(
        new ClientCall.Listener<RespT>() {
          private RespT response;

          @Override
          public void onMessage(RespT message) {
            response = message;
          }

          @Override
          public void onClose(Status status, Metadata trailers) {
            if (status.isOk() && response != null) {
              answer.complete(response);
            } else {
              Status told = status.isOk() ? Status.INTERNAL.withDescription("an answer without a message") : status;
              answer.completeExceptionally(told.asRuntimeException(trailers));
            }
          }
        },
        new Metadata());
    call.request(2); // as generated stubs do: the second would be a protocol error
    call.sendMessage(request);
    call.halfClose();
    answer.whenComplete(
        (response, error) -> {
          if (answer.isCancelled()) {
            call.cancel("cancelled by the caller", error);
          }
        });
    return answer;
  }

  private static <ReqT extends Message, RespT extends Message> MethodDescriptor<ReqT, RespT> method(
      String name, ReqT request, RespT response) {
    return MethodDescriptor.<ReqT, RespT>newBuilder()
        .setType(MethodDescriptor.MethodType.UNARY)
        .setFullMethodName(MethodDescriptor.generateFullMethodName("scorebridge.v1.ScoringService", name))
        .setRequestMarshaller(ProtoUtils.marshaller(request))
        .setResponseMarshaller(ProtoUtils.marshaller(response))
        .build();
  }
}
