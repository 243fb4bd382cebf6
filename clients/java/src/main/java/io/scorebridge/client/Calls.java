package io.scorebridge.client;

import com.google.protobuf.Message;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
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
import java.nio.channels.ClosedChannelException;
import java.util.concurrent.CompletableFuture;

/** Calls of the gateway's methods, as futures. May be used by any thread; nothing here waits. */
final class Calls {
  static final MethodDescriptor<ScoreRequest, ScoreResponse> SCORE =
      method("Score", ScoreRequest.getDefaultInstance(), ScoreResponse.getDefaultInstance());
  static final MethodDescriptor<ListModelsRequest, ListModelsResponse> LIST_MODELS =
      method("ListModels", ListModelsRequest.getDefaultInstance(), ListModelsResponse.getDefaultInstance());
  static final MethodDescriptor<GetModelRequest, GetModelResponse> GET_MODEL =
      method("GetModel", GetModelRequest.getDefaultInstance(), GetModelResponse.getDefaultInstance());

  private static final int MOST_ATTEMPTS = 3; // the same number as in the channel's retry policy

  private Calls() {}

  /**
   * Makes a call with gRPC's own options, which include the deadline.
   *
   * <p>If a connection closes just when a call is handed to it, grpc-java ends the call with UNKNOWN (its issue 7376),
   * which its own retries don't cover. Such a call is repeated here, as gRPC repeats any call whose connection was
   * lost: three attempts in all.
   *
   * @return a future that ends on a thread of gRPC, with the answer or a StatusRuntimeException. Cancelling the future
   *     cancels the call.
   */
  static <ReqT, RespT> CompletableFuture<RespT> ask(
      Channel channel, MethodDescriptor<ReqT, RespT> method, ReqT request, CallOptions options) {
    CompletableFuture<RespT> answer = new CompletableFuture<>();
    attempt(channel, method, request, options, answer, MOST_ATTEMPTS);
    return answer;
  }

  /** Cancels the second future when the first one is cancelled; deriving one future from another does not do that. */
  static void cancelWith(CompletableFuture<?> first, CompletableFuture<?> second) {
    first.whenComplete(
        (value, error) -> {
          if (first.isCancelled()) {
            second.cancel(true);
          }
        });
  }

  private static <ReqT, RespT> void attempt(
      Channel channel,
      MethodDescriptor<ReqT, RespT> method,
      ReqT request,
      CallOptions options,
      CompletableFuture<RespT> answer,
      int attempts) {
    Runnable again =
        attempts > 1 ? () -> attempt(channel, method, request, options, answer, attempts - 1) : null;
    ClientCall<ReqT, RespT> call = channel.newCall(method, options);
    call.start(new Ending<>(answer, again), new Metadata());
    call.request(2); // as generated stubs do: a second message would be noticed as a protocol error
    call.sendMessage(request);
    call.halfClose();
    answer.whenComplete(
        (response, error) -> {
          if (answer.isCancelled()) {
            call.cancel("cancelled by the caller", error);
          }
        });
  }

  /** Ends a call's future as the call ended, or runs {@code again} to repeat the call; null after the last attempt. */
  private static final class Ending<RespT> extends ClientCall.Listener<RespT> {
    private final CompletableFuture<RespT> answer;
    private final Runnable again;
    private RespT response;

    Ending(CompletableFuture<RespT> answer, Runnable again) {
      this.answer = answer;
      this.again = again;
    }

    @Override
    public void onMessage(RespT message) {
      response = message;
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
      if (status.isOk() && response != null) {
        answer.complete(response);
      } else if (!connectionClosed(status)) {
        Status told = status.isOk() ? Status.INTERNAL.withDescription("the gateway's answer has no message") : status;
        answer.completeExceptionally(told.asRuntimeException(trailers));
      } else if (again != null && !answer.isDone()) {
        again.run();
      } else {
        Status told = Status.UNAVAILABLE.withDescription("the connection was closed").withCause(status.getCause());
        answer.completeExceptionally(told.asRuntimeException());
      }
    }
  }

  /** Whether this side made the status because the connection closed: a status that a gateway sent has no cause. */
  private static boolean connectionClosed(Status status) {
    return status.getCode() == Status.Code.UNKNOWN && status.getCause() instanceof ClosedChannelException;
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
