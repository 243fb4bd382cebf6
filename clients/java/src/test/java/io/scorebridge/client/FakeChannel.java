package io.scorebridge.client;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ConnectivityState;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ForwardingClientCallListener.SimpleForwardingClientCallListener;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Counts what is asked of it, and ends its one call as a test says. */
final class FakeChannel extends EndlessChannel {
  int resets;
  int idles;
  int probes;
  int ready;
  ManagedChannel real; // makes the call, if there is one
  Runnable watcher;
  final CompletableFuture<Status> ended = new CompletableFuture<>(); // of the call that the real one makes
  private CallOptions options;
  private ClientCall.Listener<?> listener;
  private ConnectivityState state = ConnectivityState.IDLE;

  void answer(Status status) {
    listener.onClose(status, new Metadata());
  }

  void move(ConnectivityState to) {
    state = to;
    Runnable told = watcher;
    watcher = null;
    told.run();
  }

  long timeout() {
    return options.getDeadline().timeRemaining(TimeUnit.NANOSECONDS);
  }

  @Override
  public void resetConnectBackoff() {
    resets++;
  }

  @Override
  public void enterIdle() {
    idles++;
  }

  @Override
  public ConnectivityState getState(boolean requestConnection) {
    return state;
  }

  @Override
  public void notifyWhenStateChanged(ConnectivityState source, Runnable callback) {
    watcher = callback;
  }

  @Override
  public <ReqT, RespT> ClientCall<ReqT, RespT> newCall(
      MethodDescriptor<ReqT, RespT> method, CallOptions callOptions) {
    assertEquals("grpc.health.v1.Health/Check", method.getFullMethodName());
    options = callOptions;
    probes++;
    if (real != null) {
      return forwarded(real.newCall(method, callOptions));
    }
    return new SilentCall<>() {
      @Override
      public void start(Listener<RespT> started, Metadata headers) {
        listener = started;
      }
    };
  }

  private <ReqT, RespT> ClientCall<ReqT, RespT> forwarded(ClientCall<ReqT, RespT> call) {
    return new SimpleForwardingClientCall<>(call) {
      @Override
      public void start(Listener<RespT> started, Metadata headers) {
        super.start(
            new SimpleForwardingClientCallListener<>(started) {
              @Override
              public void onClose(Status status, Metadata trailers) {
                super.onClose(status, trailers);
                ended.complete(status);
              }
            },
            headers);
      }
    };
  }

  @Override
  public String authority() {
    return "fake";
  }
}
