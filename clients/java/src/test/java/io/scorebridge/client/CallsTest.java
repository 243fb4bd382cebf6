package io.scorebridge.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ClientInterceptors;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.nio.channels.ClosedChannelException;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class CallsTest {
  private static final Batch ONE = Batch.of(new double[][] {{1, 2}});

  @Test
  void aCallIsMadeAnewIfItsConnectionWasClosedBeforeItWasSent() throws Exception {
    ManagedChannel plain =
        Grpc.newChannelBuilder(World.get().target("healthy"), InsecureChannelCredentials.create()).build();
    try {
      for (int closed : List.of(0, 1, 2)) {
        AtomicInteger asked = new AtomicInteger();
        Channel channel = ClientInterceptors.intercept(plain, closing(asked, closed));
        try (ScoringClient client = ScoringClient.newBuilder("unused").channel(channel).build()) {
          assertArrayEquals(new double[] {5}, client.score("affine", ONE).scores());
        }
        assertEquals(closed + 1, asked.get());
      }
      AtomicInteger asked = new AtomicInteger();
      Channel channel = ClientInterceptors.intercept(plain, closing(asked, Integer.MAX_VALUE));
      try (ScoringClient client = ScoringClient.newBuilder("unused").channel(channel).build()) {
        assertThrows(ScoringException.Unavailable.class, () -> client.score("affine", ONE));
      }
      assertEquals(3, asked.get());
    } finally {
      plain.shutdownNow();
    }
  }

  /** Ends the first calls as grpc-java does where a connection closes while a call is handed to it. */
  private static ClientInterceptor closing(AtomicInteger asked, int first) {
    return new ClientInterceptor() {
      @Override
      public <ReqT, RespT> ClientCall<ReqT, RespT> interceptCall(
          MethodDescriptor<ReqT, RespT> method, CallOptions options, Channel next) {
        if (asked.incrementAndGet() > first) {
          return next.newCall(method, options);
        }
        return new SilentCall<>() {
          @Override
          public void start(Listener<RespT> listener, Metadata headers) {
            Status closed = Status.UNKNOWN.withDescription("channel closed").withCause(new ClosedChannelException());
            listener.onClose(closed, new Metadata());
          }
        };
      }
    };
  }

  @Test
  void whoStopsWaitingForAnAnswerAboutModelsCancelsTheCall() throws Exception {
    List<String> cancelled = new CopyOnWriteArrayList<>();
    ManagedChannel plain =
        Grpc.newChannelBuilder(World.get().target("black_hole"), InsecureChannelCredentials.create()).build();
    Channel channel = ClientInterceptors.intercept(plain, watching(cancelled));
    try (ScoringClient client = ScoringClient.newBuilder("unused").channel(channel).defaultScore(1).build()) {
      CompletableFuture<Scores> big = client.scoreAsync("affine", Batch.of(new double[30_000][2]));
      big.cancel(true);
      assertThrows(CancellationException.class, big::join);
      assertEquals(List.of("GetModel"), cancelled);
      Thread.currentThread().interrupt();
      assertThrows(ScoringException.Cancelled.class, () -> client.model("affine"));
      Thread.interrupted();
      Thread.currentThread().interrupt();
      assertThrows(ScoringException.Cancelled.class, client::models);
      Thread.interrupted();
      Thread.currentThread().interrupt();
      assertThrows(ScoringException.Cancelled.class, client::warmUp);
      Thread.interrupted();
      assertEquals(List.of("GetModel", "GetModel", "ListModels", "ListModels"), cancelled);
    } finally {
      plain.shutdownNow();
    }
  }

  /** Keeps the names of the methods whose calls are cancelled. */
  private static ClientInterceptor watching(List<String> cancelled) {
    return new ClientInterceptor() {
      @Override
      public <ReqT, RespT> ClientCall<ReqT, RespT> interceptCall(
          MethodDescriptor<ReqT, RespT> method, CallOptions options, Channel next) {
        return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
          @Override
          public void cancel(String message, Throwable cause) {
            cancelled.add(method.getBareMethodName());
            super.cancel(message, cause);
          }
        };
      }
    };
  }
}
