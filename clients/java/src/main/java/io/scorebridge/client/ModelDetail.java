package io.scorebridge.client;

import io.scorebridge.v1.DefaultScore;
import java.time.Duration;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * All there is to know of one version of a model, as {@link ScoringClient#model} tells it. Immutable; may be shared by
 * threads. Made by the client: a newer one may have further components, so read it by its accessors.
 *
 * @param version the version in short.
 * @param engine what computes the scores, such as "xgboost 3.2.0"; empty while the version is not resident.
 * @param engineReason why that engine computes them; empty if there is nothing to say.
 * @param features the model's inputs, in its own order.
 * @param outputs the columns of its answers; empty while they are not known.
 * @param defaults the default score of each output that has one, by the output's name and in the order of the outputs: a
 *     Double, String or Boolean.
 * @param timeout what a call without a deadline gets.
 * @param rowWise true if the rows of a batch are scored independently, so that a big batch is sent in chunks.
 * @param rowWiseReason why rows are not scored independently; empty if they are.
 * @param workers how many calls can run at once.
 * @param circuit the state of the gateway's own circuit for this version: "closed", "open" or "half-open"; empty while the
 *     version is not resident.
 * @param booster what the file of an xgboost model says of itself; null for another model.
 */
public record ModelDetail(
    ModelVersion version,
    String engine,
    String engineReason,
    List<Feature> features,
    List<OutputColumn> outputs,
    Map<String, Object> defaults,
    Duration timeout,
    boolean rowWise,
    String rowWiseReason,
    int workers,
    String circuit,
    BoosterDetail booster) {
  /** Copies the lists and the map. */
  public ModelDetail {
    features = List.copyOf(features);
    outputs = List.copyOf(outputs);
    defaults = Collections.unmodifiableMap(new LinkedHashMap<>(defaults));
  }

  /** What a gateway says of a version; a DateTimeException or ArithmeticException if it names a time that there is not. */
  static ModelDetail read(io.scorebridge.v1.ModelDetail detail) {
    return new ModelDetail(
        ModelVersion.read(detail.getVersion()),
        detail.getEngine(),
        detail.getEngineReason(),
        detail.getFeaturesList().stream().map(Feature::read).toList(),
        detail.getOutputsList().stream().map(OutputColumn::read).toList(),
        defaults(detail.getDefaultScoresList()),
        Duration.ofSeconds(detail.getTimeout().getSeconds(), detail.getTimeout().getNanos()),
        detail.getRowWise(),
        detail.getRowWiseReason(),
        detail.getWorkers(),
        detail.getCircuit(),
        detail.hasBooster() ? BoosterDetail.read(detail.getBooster()) : null);
  }

  private static Map<String, Object> defaults(List<DefaultScore> scores) {
    Map<String, Object> defaults = new LinkedHashMap<>();
    for (DefaultScore score : scores) {
      switch (score.getValueCase()) {
        case NUMBER -> defaults.put(score.getOutput(), score.getNumber());
        case TEXT -> defaults.put(score.getOutput(), score.getText());
        case TRUTH -> defaults.put(score.getOutput(), score.getTruth());
        case VALUE_NOT_SET -> {} // of a kind that only a newer client knows
      }
    }
    return defaults;
  }
}
