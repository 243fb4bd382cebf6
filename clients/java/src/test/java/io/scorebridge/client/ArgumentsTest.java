package io.scorebridge.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.scorebridge.v1.ScoreRequest;
import java.io.IOException;
import java.time.Duration;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.function.Executable;

class ArgumentsTest {
  private static final Batch ONE = Batch.of(new double[][] {{1, 2}});
  private static final String LONG = "x".repeat(1025);
  private static final String HALF = "\ud800";

  private static DynamicTest refused(String beginning, Executable call) {
    return DynamicTest.dynamicTest(
        beginning,
        () -> {
          String message = assertThrows(IllegalArgumentException.class, call).getMessage();
          assertTrue(message.startsWith(beginning), message);
        });
  }

  private static ScoreOptions.Builder options() {
    return ScoreOptions.newBuilder();
  }

  private static ScoringClient.Builder client() {
    return ScoringClient.newBuilder("127.0.0.1:1");
  }

  private static Map<String, String> labels(int count) {
    return IntStream.range(0, count).boxed().collect(Collectors.toMap(String::valueOf, String::valueOf));
  }

  @TestFactory
  Stream<DynamicTest> anOptionThatTheGatewayWouldRefuseIsRefusedByName() {
    return Stream.of(
        refused("timeout must not be null", () -> options().timeout(null)),
        refused("timeout must be over 0", () -> options().timeout(Duration.ZERO)),
        refused("timeout must be over 0", () -> options().timeout(Duration.ofNanos(-1))),
        refused("timeout must be over 0", () -> options().timeout(Duration.ofSeconds(100_000_000, 1))),
        refused("timeout must be over 0", () -> options().timeout(Duration.ofSeconds(Long.MAX_VALUE))),
        refused("defaultScore must be a finite", () -> options().defaultScore(Double.NaN)),
        refused("defaultScore must be a finite", () -> options().defaultScore(Double.NEGATIVE_INFINITY)),
        refused("version must be 0 or more", () -> options().version(-1)),
        refused("requestId must not be null", () -> options().requestId(null)),
        refused("requestId must be 1 to 128", () -> options().requestId("")),
        refused("requestId must be 1 to 128", () -> options().requestId("x".repeat(129))),
        refused("requestId must be 1 to 128", () -> options().requestId("a\nb")),
        refused("batchId must not be null", () -> options().batchId(null)),
        refused("batchId has 1025 bytes; the gateway takes at most 1024", () -> options().batchId(LONG)),
        refused("batchId has half of a surrogate pair", () -> options().batchId(HALF)),
        refused("rowKeys must not be null", () -> options().rowKeys(null)),
        refused("the row key of row 1 must not be null", () -> options().rowKeys(Arrays.asList("a", null))),
        refused("the row key of row 1 has 1025 bytes", () -> options().rowKeys(List.of("a", LONG))),
        refused("the row key of row 0 has 1026 bytes", () -> options().rowKeys(List.of("\u00e9".repeat(513)))),
        refused("the row key of row 0 has half", () -> options().rowKeys(List.of("a" + HALF + "b"))),
        refused("the row key of row 2 is a java.lang.Double", () -> options().rowKeys(List.of(1, 2L, 3.0))),
        refused("the row key of row 0 is a java.lang.Short", () -> options().rowKeys(List.of((short) 1))),
        refused("labels must not be null", () -> options().labels(null)),
        refused("labels has 65 entries; the gateway takes at most 64", () -> options().labels(labels(65))),
        refused("a label's name must not be null", () -> options().labels(Collections.singletonMap(null, "b"))),
        refused("the label 'a' must not be null", () -> options().labels(Collections.singletonMap("a", null))),
        refused("a label's name has 1025 bytes", () -> options().labels(Map.of(LONG, "b"))),
        refused("the label 'a' has 1025 bytes", () -> options().labels(Map.of("a", LONG))));
  }

  @TestFactory
  Stream<DynamicTest> anArgumentOfAClientIsRefusedByName() {
    return Stream.of(
        refused("target must not be null", () -> ScoringClient.newBuilder(null)),
        refused("timeout must not be null", () -> client().timeout(null)),
        refused("timeout must be over 0", () -> client().timeout(Duration.ZERO)),
        refused("defaultScore must be a finite", () -> client().defaultScore(Double.POSITIVE_INFINITY)),
        refused("failures must be 0 or more", () -> client().circuit(-1, Duration.ofSeconds(1))),
        refused("open must not be null", () -> client().circuit(1, null)),
        refused("open must be over 0", () -> client().circuit(1, Duration.ZERO)),
        refused("open must be over 0", () -> client().circuit(1, Duration.ofDays(10_000))),
        refused("keepAlive time must not be null", () -> client().keepAlive(null, Duration.ofSeconds(1))),
        refused("keepAlive time must be over 0", () -> client().keepAlive(Duration.ZERO, Duration.ofSeconds(1))),
        refused(
            "keepAlive time must be at least 10",
            () -> client().keepAlive(Duration.ofMillis(9999), Duration.ofSeconds(1))),
        refused("keepAlive timeout must not be null", () -> client().keepAlive(Duration.ofSeconds(10), null)),
        refused("keepAlive timeout must be", () -> client().keepAlive(Duration.ofSeconds(10), Duration.ZERO)),
        refused("token must not be null", () -> client().token(null)),
        refused("file must not be null", () -> client().tokenFile(null)),
        refused("channel must not be null", () -> client().channel(null)),
        refused("trustedCertificates must not be null", () -> client().tls(null)),
        refused("certificateChain must not be null", () -> client().clientCertificate(null, null)),
        refused("defaultsLog must not be null", () -> client().defaultsLog(null)),
        refused("onCall must not be null", () -> client().onCall(null)));
  }

  @Test
  void whatACallIsAboutIsRefusedByNameBeforeAnythingIsSent() throws IOException {
    try (ScoringClient client = ScoringClient.newBuilder(World.get().target("status")).defaultScore(0.5).build()) {
      Map<String, Executable> calls =
          Map.of(
              "model must not be null", () -> client.score(null, ONE),
              "model is empty", () -> client.scoreAsync("", ONE),
              "model has 1025 bytes", () -> client.score(LONG, ONE),
              "model has half", () -> client.score(HALF, ONE),
              "batch must not be null", () -> client.score("affine", null),
              "options must not be null", () -> client.score("affine", ONE, null),
              "name must not be null", () -> client.model(null),
              "name is empty", () -> client.model(""));
      calls.forEach(
          (beginning, call) -> {
            String message = assertThrows(IllegalArgumentException.class, call).getMessage();
            assertTrue(message.startsWith(beginning), message);
          });
      assertEquals(Map.of(), client.clientDefaults());
    }
  }

  @Test
  void whatIsJustAllowedIsTaken() {
    ScoreOptions all =
        options()
            .timeout(Duration.ofSeconds(100_000_000))
            .requestId("~".repeat(128))
            .batchId("x".repeat(1024))
            .labels(labels(64))
            .rowKeys(List.of("\ud83d\ude00".repeat(256)))
            .build();
    assertEquals(64, all.labels.size());
    assertEquals(1, all.rowKeys.size());
  }

  @Test
  void keysOfRowsTravelAsText() {
    UUID id = UUID.fromString("0188a1c0-0000-7000-8000-000000000001");
    assertEquals(
        List.of("9007199254740993", "-7", "a", "0188a1c0-0000-7000-8000-000000000001"),
        options().rowKeys(List.of(9007199254740993L, -7, "a", id)).build().rowKeys);
  }

  @Test
  void aTokenThatIsNoneIsNotSent() throws IOException {
    try (ScoringClient client = ScoringClient.newBuilder(World.get().target("status")).token(() -> null).build()) {
      assertThrows(IllegalArgumentException.class, () -> client.score("any", ONE));
    }
  }

  @Test
  void aBatchOfNoRowsIsAnsweredWithNoScores() throws IOException {
    try (ScoringClient client = ScoringClient.newBuilder(World.get().target("healthy")).build()) {
      for (Batch none :
          List.of(
              Batch.of(new double[0][]),
              Batch.of(List.of("a", "b"), new double[0][]),
              Batch.of(List.of("a", "b"), new float[0][]),
              Batch.ofMaps(List.of()),
              Batch.ofBeans(List.of()),
              Batch.columns().doubles("a").values("b", List.of()).build())) {
        ScoreRequest.Builder request = ScoreRequest.newBuilder();
        none.fill(request, 0, 0);
        Scores scores = client.score("affine", none);
        assertEquals(0, scores.rows());
        assertEquals(Source.MODEL, scores.source());
      }
    }
  }
}
