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
  private static final List<Known> NOT_KNOWN = List.of(new Known("score", false, false, false));

  private final Map<String, List<Known>> known = new ConcurrentHashMap<>();

  /**
   * One output of a model.
   *
   * @param text whether the output is text, rather than numbers or truth values.
   * @param whole whether the output is whole numbers of 64 bits.
   * @param additional whether the output explains the scores, and is missing in rows that have a default score.
   */
  private record Known(String name, boolean text, boolean whole, boolean additional) {}

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
                        one.getValuesCase() == Column.ValuesCase.INT64S,
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
                .map(one -> new Known(one.name(), one.isText(), "INT64".equals(one.type()), one.additional()))
                .toList());
      }
    }
  }

  /**
   * Returns one default score for every row and output of a model, by the name of the output: as Scores has them. A
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
        double own = one.additional ? Double.NaN : score;
        columns.put(one.name, one.whole ? filled(rows, WholeScores.of(own)) : filled(rows, own));
      }
    }
    return columns;
  }

  private static double[] filled(int rows, double score) {
    double[] values = new double[rows];
    Arrays.fill(values, score);
    return values;
  }

  private static Number[] filled(int rows, Number score) {
    Number[] values = new Number[rows];
    Arrays.fill(values, score);
    return values;
  }
}
