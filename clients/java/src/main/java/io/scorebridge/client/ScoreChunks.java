package io.scorebridge.client;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** Puts the scores of a batch's chunks together again. May be used by any thread. */
final class ScoreChunks {
  private ScoreChunks() {}

  /**
   * The scores of a whole batch: its times are the longest of its chunks, its attempts their sum, its source MIXED if
   * they have several.
   *
   * @param requestId of the batch.
   * @param chunks in the order of their rows; one at least.
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
            longest(chunks, Scores::backendTime));
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

  /** The chunk that knows best which outputs there are: one that a gateway answered, else one with any. */
  private static Scores shown(List<Scores> chunks) {
    List<Scores> known = chunks.stream().filter(chunk -> !chunk.outputs.isEmpty()).toList();
    return known.stream()
        .filter(chunk -> chunk.source() != Source.CLIENT_DEFAULT)
        .findFirst()
        .orElseGet(() -> known.isEmpty() ? chunks.get(0) : known.get(0));
  }

  /** One output of all rows, of the type that the values of the shown chunk have. */
  private static Object output(String name, Object values, List<Scores> chunks, int rows) {
    Object whole = values instanceof double[] ? new double[rows] : new String[rows];
    int first = 0;
    for (Scores chunk : chunks) {
      copy(chunk, name, whole, first);
      first += chunk.rows();
    }
    return whole;
  }

  private static void copy(Scores chunk, String name, Object whole, int first) {
    Map<String, Object> outputs = chunk.outputs;
    // A client default knows the outputs' names only if the model has answered before, a call that failed none.
    Object own = outputs.getOrDefault(name, outputs.size() == 1 ? outputs.values().iterator().next() : null);
    if (own != null && own.getClass() == whole.getClass()) {
      System.arraycopy(own, 0, whole, first, chunk.rows());
    } else if (whole instanceof double[] numbers) {
      Arrays.fill(numbers, first, first + chunk.rows(), Double.NaN);
    }
  }

  private static Duration longest(List<Scores> chunks, Function<Scores, Duration> time) {
    return chunks.stream().map(time).max(Duration::compareTo).orElseThrow();
  }
}
