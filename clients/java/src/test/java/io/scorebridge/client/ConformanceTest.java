package io.scorebridge.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** The cases that the Python client passes too: clients/conformance. */
class ConformanceTest {
  @TestFactory
  List<DynamicTest> cases() throws IOException {
    World world = World.get();
    List<DynamicTest> tests = new ArrayList<>();
    try (Stream<Path> files = Files.list(World.CLIENTS.resolve("conformance"))) {
      for (Path file : files.filter(one -> one.toString().endsWith(".json")).sorted().toList()) {
        for (JsonElement one : JsonParser.parseString(Files.readString(file)).getAsJsonArray()) {
          JsonObject given = one.getAsJsonObject();
          tests.add(DynamicTest.dynamicTest(given.get("name").getAsString(), () -> check(world, given)));
        }
      }
    }
    assertFalse(tests.isEmpty());
    return tests;
  }

  private static void check(World world, JsonObject given) {
    JsonObject expected = given.getAsJsonObject("expect");
    if (given.has("target_text")) {
      String text = given.get("target_text").getAsString();
      ScoringClient.Builder builder = ScoringClient.newBuilder(text);
      if (given.has("token")) {
        builder.token(world::token);
      }
      assertThrows(IllegalArgumentException.class, () -> builder.build().close());
      return;
    }
    try (ScoringClient client = client(world, given)) {
      if (given.has("before")) {
        JsonObject before = given.getAsJsonObject("before");
        for (int call = 0; call < before.get("calls").getAsInt(); call++) {
          outcome(client, with(given, before));
        }
      }
      callsBeforeTheLast(client, world, given);
      verifyLast(client, given, expected);
    }
  }

  private static void callsBeforeTheLast(ScoringClient client, World world, JsonObject given) {
    int calls = given.has("calls") ? given.get("calls").getAsInt() : 1;
    int killAfter = given.has("kill_first_after") ? given.get("kill_first_after").getAsInt() : -1;
    for (int call = 1; call < calls; call++) {
      if (killAfter < 0) {
        outcome(client, given);
      } else {
        verify(score(client, given), given.getAsJsonObject("expect"));
        if (call == killAfter) {
          world.killFirst();
        }
      }
    }
  }

  private static void verifyLast(ScoringClient client, JsonObject given, JsonObject expected) {
    if (!expected.has("error")) {
      verify(score(client, given), expected);
    } else if (expected.get("error").getAsString().equals("ARGUMENT")) {
      assertThrows(IllegalArgumentException.class, () -> score(client, given));
    } else {
      ScoringException raised = assertThrows(ScoringException.class, () -> score(client, given));
      assertEquals(expected.get("error").getAsString(), raised.getClass().getSimpleName());
      assertEquals(expected.get("reason").getAsString(), raised.reason());
      if (expected.has("message")) {
        assertEquals(expected.get("message").getAsString(), raised.getMessage());
      }
    }
  }

  private static Scores score(ScoringClient client, JsonObject given) {
    return client.score(given.get("model").getAsString(), batch(given), options(given));
  }

  /** The case with some of it exchanged. */
  private static JsonObject with(JsonObject given, JsonObject exchanged) {
    JsonObject copy = given.deepCopy();
    exchanged.entrySet().forEach(entry -> copy.add(entry.getKey(), entry.getValue()));
    return copy;
  }

  private static void outcome(ScoringClient client, JsonObject given) {
    try {
      score(client, given);
    } catch (ScoringException expected) {
      // Only the last of several calls is looked at.
    }
  }

  private static void verify(Scores scores, JsonObject expected) {
    assertEquals(expected.get("source").getAsString(), scores.source().name());
    if (expected.has("lookups")) {
      List<JsonElement> lookups = expected.getAsJsonArray("lookups").asList();
      assertEquals(lookups.stream().map(ConformanceTest::lookup).toList(), scores.lookups());
    }
    if (expected.has("outputs")) {
      expected
          .getAsJsonObject("outputs")
          .entrySet()
          .forEach(output -> verify(scores, output.getKey(), output.getValue().getAsJsonArray()));
      return;
    }
    // What is expected of some rows holds for each of so many neighbours, and again for the rows behind them.
    int each = expected.has("each") ? expected.get("each").getAsInt() : 1;
    List<Double> pattern = numbers(expected.get("scores"));
    JsonArray reasons = expected.has("reasons") ? expected.getAsJsonArray("reasons") : null;
    JsonArray failed = expected.has("failed") ? expected.getAsJsonArray("failed") : null;
    double[] values = scores.scores();
    assertEquals(scores.rows(), values.length);
    for (int row = 0; row < values.length; row++) {
      int at = row / each % pattern.size();
      assertEquals(pattern.get(at), values[row], "row " + row);
      if (row < 1000 || row >= values.length - 10) {
        JsonElement reason = reasons == null ? null : reasons.get(at);
        String wanted = reason == null || reason.isJsonNull() ? null : reason.getAsString();
        boolean missing = failed != null && failed.get(at).getAsBoolean();
        assertEquals(wanted, scores.reason(row).orElse(null), "row " + row);
        assertEquals(missing, scores.failed(row), "row " + row);
        assertEquals(wanted != null && !missing, scores.defaultedRows().get(row), "row " + row);
      }
    }
  }

  private static Lookup lookup(JsonElement expected) {
    JsonObject one = expected.getAsJsonObject();
    assertEquals(Set.of("name", "group", "batch", "age_s", "previous_rows", "missing_rows", "failure"), one.keySet());
    return new Lookup(
        one.get("name").getAsString(),
        one.get("group").getAsString(),
        one.get("batch").getAsString(),
        one.get("age_s").isJsonNull() ? null : Duration.ofMillis(Math.round(one.get("age_s").getAsDouble() * 1000)),
        one.get("previous_rows").getAsInt(),
        one.get("missing_rows").getAsInt(),
        one.get("failure").isJsonNull() ? null : one.get("failure").getAsString());
  }

  private static ScoringClient client(World world, JsonObject given) {
    ScoringClient.Builder builder = ScoringClient.newBuilder(world.target(given.get("target").getAsString()));
    if (given.has("client_default")) {
      builder.defaultScore(given.get("client_default").getAsDouble());
    }
    if (given.has("circuit_failures")) {
      long openMillis = given.has("circuit_open_ms") ? given.get("circuit_open_ms").getAsLong() : 1000;
      builder.circuit(given.get("circuit_failures").getAsInt(), Duration.ofMillis(openMillis));
    }
    if (given.has("token")) {
      builder.token(world::token);
    }
    if (given.has("tls")) {
      builder.tls(world.certificate());
      if (given.get("tls").getAsString().equals("mutual")) {
        builder.clientCertificate(world.certificate(), world.key());
      }
    }
    return builder.build();
  }

  private static ScoreOptions options(JsonObject given) {
    ScoreOptions.Builder options =
        ScoreOptions.newBuilder().timeout(Duration.ofMillis(given.get("timeout_ms").getAsLong()));
    if (given.has("ignore_extra")) {
      options.ignoreExtra(given.get("ignore_extra").getAsBoolean());
    }
    if (given.has("default")) {
      options.defaultScore(given.get("default").getAsDouble());
    }
    if (given.has("allow_default")) {
      options.allowDefault(given.get("allow_default").getAsBoolean());
    }
    if (given.has("partial")) {
      options.partial(given.get("partial").getAsBoolean());
    }
    if (given.has("version")) {
      options.version(given.get("version").getAsInt());
    }
    if (given.has("request_id")) {
      options.requestId(given.get("request_id").getAsString());
    }
    if (given.has("row_keys")) {
      options.rowKeys(IntStream.range(0, given.get("row_keys").getAsInt()).mapToObj(String::valueOf).toList());
    }
    if (given.has("labels")) {
      Map<String, String> labels = new TreeMap<>();
      given.getAsJsonObject("labels").entrySet().forEach(one -> labels.put(one.getKey(), one.getValue().getAsString()));
      options.labels(labels);
    }
    return options.build();
  }

  private static Batch batch(JsonObject given) {
    int repeat = given.has("repeat") ? given.get("repeat").getAsInt() : 1;
    if (given.has("columns")) {
      ColumnBatch.Builder columns = Batch.columns();
      given
          .getAsJsonObject("columns")
          .entrySet()
          .forEach(column -> columns.doubles(column.getKey(), repeated(array(column.getValue()), repeat)));
      return columns.build();
    }
    JsonArray rows = given.getAsJsonArray("rows");
    double[][] values = new double[rows.size() * repeat][];
    for (int row = 0; row < values.length; row++) {
      values[row] = array(rows.get(row % rows.size()));
    }
    return Batch.of(values);
  }

  private static double[] repeated(double[] values, int repeat) {
    return IntStream.range(0, values.length * repeat).mapToDouble(at -> values[at % values.length]).toArray();
  }

  private static double[] array(JsonElement values) {
    return numbers(values).stream().mapToDouble(Double::doubleValue).toArray();
  }

  private static List<Double> numbers(JsonElement values) {
    List<Double> numbers = new ArrayList<>();
    values.getAsJsonArray().forEach(one -> numbers.add(one.isJsonNull() ? Double.NaN : one.getAsDouble()));
    return numbers;
  }

  /** Numbers, or texts of which some are missing. */
  private static void verify(Scores scores, String output, JsonArray expected) {
    List<String> texts = new ArrayList<>();
    for (JsonElement one : expected) {
      if (one.isJsonPrimitive() && one.getAsJsonPrimitive().isNumber()) {
        assertEquals(numbers(expected), Arrays.stream(scores.scores(output)).boxed().toList());
        return;
      }
      texts.add(one.isJsonNull() ? null : one.getAsString());
    }
    assertEquals(texts, Arrays.asList(scores.texts(output)));
  }
}
