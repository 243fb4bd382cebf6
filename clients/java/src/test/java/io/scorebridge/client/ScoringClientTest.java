package io.scorebridge.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ScoringClientTest {
  private static final Batch ONE = Batch.of(new double[][] {{1, 2}});

  @Test
  void aFutureIsTheSameCall() throws Exception {
    try (ScoringClient client = ScoringClient.newBuilder(World.get().target("healthy")).build()) {
      Scores scores = client.scoreAsync("affine", ONE).get(20, TimeUnit.SECONDS);
      assertArrayEquals(new double[] {5}, scores.scores());
      assertEquals(1, scores.version());
      assertTrue(scores.digest().startsWith("sha256:"), scores.digest());
      assertEquals(1, scores.attempts());
      CompletableFuture<Scores> failed = client.scoreAsync("nobody", ONE);
      ExecutionException raised = assertThrows(ExecutionException.class, () -> failed.get(20, TimeUnit.SECONDS));
      assertEquals(ScoringException.ModelNotFound.class, raised.getCause().getClass());
    }
  }

  @Test
  void aCancelledFutureCancelsTheCallAndIsNoDefault() throws Exception {
    CountDownLatch ended = new CountDownLatch(1);
    try (ScoringClient client = ScoringClient.newBuilder(World.get().target("black_hole")).defaultScore(1).build()) {
      CompletableFuture<Scores> call = client.scoreAsync("affine", ONE);
      call.whenComplete((scores, error) -> ended.countDown());
      assertTrue(call.cancel(true));
      assertThrows(CancellationException.class, call::join);
      assertTrue(ended.await(20, TimeUnit.SECONDS));
      assertEquals(Map.of(), client.clientDefaults());
    }
  }

  @Test
  void anInterruptCancelsABlockingCall() throws Exception {
    try (ScoringClient client = ScoringClient.newBuilder(World.get().target("black_hole")).defaultScore(1).build()) {
      Thread.currentThread().interrupt();
      assertThrows(ScoringException.Cancelled.class, () -> client.score("affine", ONE));
      assertTrue(Thread.interrupted());
    }
  }

  @Test
  void everyDefaultIsCountedWrittenAndTold(@TempDir Path folder) throws Exception {
    Path file = folder.resolve("defaults.jsonl");
    List<CallEvent> events = new CopyOnWriteArrayList<>();
    try (ScoringClient client =
        ScoringClient.newBuilder(World.get().target("refused"))
            .defaultScore(0.5)
            .circuit(2, Duration.ofSeconds(30))
            .defaultsLog(file)
            .onCall(events::add)
            .build()) {
      for (String id : List.of("one", "two", "say \"three\"")) {
        client.score("affine", ONE, ScoreOptions.newBuilder().requestId(id).timeout(Duration.ofSeconds(5)).build());
      }
      assertEquals(Map.of("UNAVAILABLE", 2L, "CLIENT_CIRCUIT_OPEN", 1L), client.clientDefaults());
    }
    assertEquals(
        List.of("UNAVAILABLE", "UNAVAILABLE", "CLIENT_CIRCUIT_OPEN"), events.stream().map(CallEvent::reason).toList());
    List<String> lines = Files.readAllLines(file);
    assertEquals(3, lines.size());
    JsonObject last = JsonParser.parseString(lines.get(2)).getAsJsonObject();
    assertEquals("say \"three\"", last.get("request_id").getAsString());
    assertEquals("affine", last.get("model").getAsString());
    assertEquals(1, last.get("rows").getAsInt());
    assertEquals("CLIENT_CIRCUIT_OPEN", last.get("reason").getAsString());
    assertEquals(0.5, last.get("default_score").getAsDouble());
  }

  @Test
  void aHookThatRaisesDoesNotHarmTheCall() throws Exception {
    try (ScoringClient client =
        ScoringClient.newBuilder(World.get().target("healthy"))
            .onCall(
                event -> {
                  throw new IllegalStateException("a hook's own bug");
                })
            .build()) {
      assertArrayEquals(new double[] {5}, client.score("affine", ONE).scores());
    }
  }

  @Test
  void aDefaultHasTheOutputsThatTheModelAnsweredWith() throws Exception {
    try (ScoringClient client = ScoringClient.newBuilder(World.get().target("healthy")).defaultScore(0.5).build()) {
      client.score("both", ONE);
      Scores late =
          client.score("both", ONE, ScoreOptions.newBuilder().timeout(Duration.ofNanos(1)).build());
      assertEquals(Source.CLIENT_DEFAULT, late.source());
      assertEquals(List.of("low", "high"), late.outputs());
      assertArrayEquals(new double[] {0.5}, late.scores("high"));
      assertThrows(IllegalStateException.class, late::scores);
    }
  }

  @Test
  void aDefaultHasTheOutputsThatTheGatewayTellsOf() throws Exception {
    try (ScoringClient client = ScoringClient.newBuilder(World.get().target("status")).defaultScore(0.5).build()) {
      client.model("explained");
      Scores late = client.score("explained", ONE);
      assertEquals(List.of("score", "share", "reason_1"), late.outputs());
      assertArrayEquals(new double[] {0.5}, late.scores("score"));
      assertArrayEquals(new double[] {Double.NaN}, late.scores("share"));
      assertArrayEquals(new String[1], late.texts("reason_1"));
    }
  }

  @Test
  void aGivenChannelIsUsedAndStaysOpen() throws Exception {
    ManagedChannel channel =
        Grpc.newChannelBuilder(World.get().target("healthy"), InsecureChannelCredentials.create()).build();
    try {
      for (int use = 0; use < 2; use++) {
        try (ScoringClient client = ScoringClient.newBuilder("unused").channel(channel).build()) {
          assertArrayEquals(new double[] {5}, client.score("affine", ONE).scores());
        }
      }
    } finally {
      channel.shutdownNow();
    }
  }

  @Test
  void modelsAreListed() throws Exception {
    try (ScoringClient client =
        ScoringClient.newBuilder(World.get().target("healthy")).timeout(Duration.ofSeconds(20)).build()) {
      assertEquals(
          List.of("affine", "both", "counts", "guarded", "together"),
          client.models().stream().map(version -> version.model()).toList());
      assertEquals(List.of("a", "b"), client.model("affine").get(0).features().stream().map(Feature::name).toList());
      assertThrows(ScoringException.ModelNotFound.class, () -> client.model("nobody"));
    }
  }

  @Test
  void aBigBatchEndsWhateverGoesWrongInside() throws Exception {
    double[][] rows = new double[30_000][2];
    AtomicInteger asked = new AtomicInteger();
    try (ScoringClient client =
        ScoringClient.newBuilder(World.get().target("healthy"))
            .token(
                () -> {
                  if (asked.incrementAndGet() == 3) {
                    throw new IllegalStateException("no token to be had");
                  }
                  return "token";
                })
            .build()) {
      CompletableFuture<Scores> call = client.scoreAsync("affine", Batch.of(rows));
      ExecutionException raised = assertThrows(ExecutionException.class, () -> call.get(20, TimeUnit.SECONDS));
      assertEquals("no token to be had", raised.getCause().getMessage());
    }
  }

  @Test
  void anAnswerThatMakesNoSenseIsToldAsAnError() throws Exception {
    List<CallEvent> events = new CopyOnWriteArrayList<>();
    try (ScoringClient client =
        ScoringClient.newBuilder(World.get().target("status")).onCall(events::add).build()) {
      ScoringException raised = assertThrows(ScoringException.class, () -> client.score("answer:short", ONE));
      assertEquals("the gateway's answer makes no sense: it has 0 scores for 1 rows", raised.getMessage());
    }
    assertEquals(List.of("INTERNAL"), events.stream().map(CallEvent::reason).toList());
  }

  @Test
  void aClosedClientSaysSo() throws Exception {
    ScoringClient client = ScoringClient.newBuilder(World.get().target("healthy")).defaultScore(0.5).build();
    client.close();
    assertThrows(IllegalStateException.class, () -> client.score("affine", ONE));
    assertThrows(IllegalStateException.class, () -> client.scoreAsync("affine", Batch.of(new double[30_000][2])));
    assertThrows(IllegalStateException.class, client::models);
    assertThrows(IllegalStateException.class, client::warmUp);
    assertThrows(IllegalStateException.class, () -> client.model("affine"));
  }
}
