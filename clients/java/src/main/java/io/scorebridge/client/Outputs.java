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
 * The outputs of models that a client has seen, so that its client defaults come in the same columns. May be shared by
 * threads.
 */
final class Outputs {
  private static final List<Known> NOT_KNOWN = List.of(new Known("score", false, false));

  private final Map<String, List<Known>> known = new ConcurrentHashMap<>();

  /**
   * One output of a model.
   *
   * @param text whether the output is text, rather than numbers or truth values.
   * @param additional whether the output explains the scores, and is missing in rows that have a default score.
   */
  private record Known(String name, boolean text, boolean additional) {}

  /** Remembers a model's outputs from an answer. Which of them are additional, only a description tells. */
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

  /** Remembers the outputs of the serving versions among those that a gateway described. */
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
   * Returns one default score for every row and output of a model: double[] or String[], by the name of the output. A
   * model that is not known has the one output "score". Additional outputs are missing (NaN), and so is an output of
   * text beside numeric ones (null), because the default score is a number.
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
