package io.scorebridge.client;

import io.scorebridge.v1.Column;
import io.scorebridge.v1.ScoreResponse;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;

/**
 * The columns that models answer with, as far as a client has seen: its own defaults come in the columns of the model.
 * May be shared by threads.
 */
final class Outputs {
  private static final List<Known> NOT_KNOWN = List.of(new Known("score", false, false));

  private final Map<String, List<Known>> known = new ConcurrentHashMap<>();

  /**
   * One column of a model's answers: text, or numbers and truth values. An additional one explains the scores, and is
   * missing in rows that have a default score.
   */
  private record Known(String name, boolean text, boolean additional) {}

  /**
   * Takes note of the columns of a model's answer. An answer does not say which of them are additional: what the model
   * was described with still holds.
   */
  void answered(String model, ScoreResponse response) {
    Set<String> additional =
        known.getOrDefault(model, List.of()).stream()
            .filter(Known::additional)
            .map(Known::name)
            .collect(Collectors.toSet());
    known.put(
        model,
        response.getScoresList().stream()
            .map(
                one ->
                    new Known(
                        one.getName(),
                        one.getValuesCase() == Column.ValuesCase.STRINGS,
                        additional.contains(one.getName())))
            .toList());
  }

  /**
   * Takes note of the outputs of versions that a gateway described; those that serve are what calls are answered by.
   */
  void described(List<ModelDetail> details) {
    for (ModelDetail detail : details) {
      if (detail.version().serving() && !detail.outputs().isEmpty()) {
        known.put(
            detail.version().model(),
            detail.outputs().stream()
                .map(one -> new Known(one.name(), one.isText(), one.additional()))
                .toList());
      }
    }
  }

  /**
   * The columns of a client's default: one score in all rows and outputs, as double[] or String[] by the output's name.
   * A model that is not known has the output "score" alone. Additional outputs are missing (NaN, null), and so is text
   * beside numbers: a number is no text.
   */
  Map<String, Object> defaults(String model, int rows, double score) {
    List<Known> outputs = known.getOrDefault(model, NOT_KNOWN);
    boolean numbers = !outputs.stream().allMatch(Known::text);
    Map<String, Object> columns = new LinkedHashMap<>();
    for (Known one : outputs) {
      if (one.text && numbers) {
        columns.put(one.name, new String[rows]);
      } else {
        double[] values = new double[rows];
        Arrays.fill(values, one.additional ? Double.NaN : score);
        columns.put(one.name, values);
      }
    }
    return columns;
  }
}
