package io.scorebridge.client;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** Joins the scores of a batch's chunks. May be used by any thread. */
final class ScoreChunks {
  private ScoreChunks() {}

  /**
   * Returns the scores of a whole batch: the longest times of its chunks, and all their attempts and lookups. The
   * source is MIXED if the chunks have several sources.
   *
   * @param requestId the request id of the batch.
   * @param chunks the scores of each chunk, in the order of the rows; at least one.
   */
  static Scores together(String requestId, List<Scores> chunks) {
    Scores shown = shown(chunks);
    AnsweredBy by =
        new AnsweredBy(
            shown.model(),
            shown.version(),
            shown.digest(),
            chunks.stream().mapToInt(Scores::attempts).sum(),
            longest(chunks, Scores::queueTime),
            longest(chunks, Scores::backendTime),
            Lookup.together(chunks.stream().flatMap(chunk -> chunk.lookups().stream()).toList()));
    int rows = chunks.stream().mapToInt(Scores::rows).sum();
    Map<String, Object> outputs = new LinkedHashMap<>();
    shown.outputs.forEach((name, values) -> outputs.put(name, output(name, values, chunks, rows)));
    List<DefaultedRows> defaults = new ArrayList<>();
    List<FailedRows> failures = new ArrayList<>();
    int first = 0;
    for (Scores chunk : chunks) {
      for (DefaultedRows range : chunk.defaults()) {
        defaults.add(range.movedBy(first));
      }
      for (FailedRows range : chunk.failedRows()) {
        failures.add(range.movedBy(first));
      }
      first += chunk.rows();
    }
    boolean alike = chunks.stream().map(Scores::source).distinct().count() == 1;
    return new Scores(requestId, by, rows, outputs, alike ? shown.source() : Source.MIXED, defaults, failures);
  }

  /** Returns the chunk whose outputs the batch gets: one that a gateway answered, else one that has outputs. */
  private static Scores shown(List<Scores> chunks) {
    List<Scores> known = chunks.stream().filter(chunk -> !chunk.outputs.isEmpty()).toList();
    return known.stream()
        .filter(chunk -> chunk.source() != Source.CLIENT_DEFAULT)
        .findFirst()
        .orElseGet(() -> known.isEmpty() ? chunks.get(0) : known.get(0));
  }

  /** Returns one output of all rows, in the type that it has in the shown chunk. */
  private static Object output(String name, Object values, List<Scores> chunks, int rows) {
    Object whole =
        values instanceof double[] ? new double[rows] : values instanceof Number[] ? new Number[rows] : new String[rows];
    int first = 0;
    for (Scores chunk : chunks) {
      copy(chunk, name, whole, first);
      first += chunk.rows();
    }
    return whole;
  }

  private static void copy(Scores chunk, String name, Object whole, int first) {
    Map<String, Object> outputs = chunk.outputs;
    // A client default has the model's outputs only after an earlier answer or description; else it has one, "score". A
    // chunk whose call failed has none.
    Object own = outputs.getOrDefault(name, outputs.size() == 1 ? outputs.values().iterator().next() : null);
    if (own != null && own.getClass() == whole.getClass()) {
      System.arraycopy(own, 0, whole, first, chunk.rows());
    } else if (whole instanceof double[] numbers) {
      Arrays.fill(numbers, first, first + chunk.rows(), Double.NaN);
    } else if (whole instanceof Number[] numbers && own instanceof double[] defaults) {
      for (int row = 0; row < defaults.length; row++) {
        numbers[first + row] = WholeScores.of(defaults[row]);
      }
    }
  }

  private static Duration longest(List<Scores> chunks, Function<Scores, Duration> time) {
    return chunks.stream().map(time).max(Duration::compareTo).orElseThrow();
  }
}
