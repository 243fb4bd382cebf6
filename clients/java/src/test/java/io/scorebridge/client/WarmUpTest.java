package io.scorebridge.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class WarmUpTest {
  private static final Batch ONE = Batch.of(new double[][] {{1, 2}});

  @Test
  void aClientThatIsWarmHasAConnectionToEveryAddress() throws Exception {
    String gateway = World.get().target("healthy");
    try (TcpProxy one = new TcpProxy(gateway);
        TcpProxy other = new TcpProxy(gateway);
        ScoringClient client = ScoringClient.newBuilder(one.target() + "," + other.target()).build()) {
      client.warmUp();
      while (one.connections() + other.connections() < 2) {
        Thread.onSpinWait(); // the second may come behind the answer of the first
      }
      client.warmUp(Duration.ofSeconds(20));
      client.score("affine", ONE);
      assertEquals(2, one.connections() + other.connections());
      assertEquals(Map.of(), client.clientDefaults());
    }
  }

  @Test
  void aClientThatNobodyAnswersIsNotWarm() throws Exception {
    for (String target : List.of("refused", "black_hole")) {
      try (ScoringClient client = ScoringClient.newBuilder(World.get().target(target)).defaultScore(1).build()) {
        assertThrows(ScoringException.DeadlineExceeded.class, () -> client.warmUp(Duration.ofMillis(300)));
        assertThrows(IllegalArgumentException.class, () -> client.warmUp(Duration.ZERO));
        assertThrows(IllegalArgumentException.class, () -> client.warmUp(null));
      }
    }
  }

  @Test
  void aClientWaitsForAGatewayThatStarts() throws Exception {
    try (TcpProxy path = new TcpProxy(World.get().target("healthy"));
        ScoringClient client = ScoringClient.newBuilder(path.target()).build()) {
      path.hangUp();
      CompletableFuture<Void> warm = CompletableFuture.runAsync(() -> client.warmUp(Duration.ofSeconds(20)));
      while (path.connections() == 0) {
        Thread.onSpinWait();
      }
      path.pass();
      warm.get(20, TimeUnit.SECONDS);
    }
  }

  @Test
  void aGivenChannelIsWarmedUpAndOtherwiseLeftAsItIs() throws Exception {
    AtomicInteger touched = new AtomicInteger();
    ManagedChannel real =
        Grpc.newChannelBuilder(World.get().target("refused"), InsecureChannelCredentials.create()).build();
    ManagedChannel watched = new UntouchedChannel(real, touched);
    try (ScoringClient client =
        ScoringClient.newBuilder("unused")
            .channel(watched)
            .keepAlive(Duration.ofSeconds(10), Duration.ofSeconds(1))
            .build()) {
      assertThrows(ScoringException.DeadlineExceeded.class, () -> client.warmUp(Duration.ofMillis(300)));
      assertThrows(ScoringException.Unavailable.class, () -> client.score("affine", ONE));
    } finally {
      real.shutdownNow();
    }
    assertEquals(0, touched.get());
  }
}
