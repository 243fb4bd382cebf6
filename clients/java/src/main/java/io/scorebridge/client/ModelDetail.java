package io.scorebridge.client;

import java.time.Duration;
import java.util.List;

/**
 * All there is to know of one version of a model, as {@link ScoringClient#model} tells it. Immutable; may be shared by
 * threads. Made by the client: a newer one may have further components, so read it by its accessors.
 *
 * @param version the version in short.
 * @param engine what computes the scores, such as "xgboost 3.2.0"; empty while the version is not resident.
 * @param engineReason why that engine computes them; empty if there is nothing to say.
 * @param features the model's inputs, in its own order.
 * @param outputs the columns of its answers; empty while they are not known.
 * @param defaultScores what rows get where the model can't score them in time, in the order of the outputs; empty if
 *     nothing is configured.
 * @param timeout how long a call without a deadline may take; null if the gateway does not say.
 * @param rowWise true if the rows of a batch are scored independently, so that a big batch is sent in chunks.
 * @param rowWiseReason why rows are not scored independently; empty if they are.
 * @param workers how many calls can run at once.
 * @param circuit the state of the gateway's own circuit for this version: "closed", "open" or "half-open"; empty while
 *     the version is not resident.
 * @param booster what the file of an xgboost model says of itself; null for another model.
 */
public record ModelDetail(
    ModelVersion version,
    String engine,
    String engineReason,
    List<Feature> features,
    List<Output> outputs,
    List<DefaultScore> defaultScores,
    Duration timeout,
    boolean rowWise,
    String rowWiseReason,
    int workers,
    String circuit,
    BoosterDetail booster) {
  /** What a gateway says of a version; a StatusRuntimeException if it names a time that there is not. */
  static ModelDetail read(io.scorebridge.v1.ModelDetail detail) {
    return new ModelDetail(
        ModelVersion.read(detail.getVersion()),
        detail.getEngine(),
        detail.getEngineReason(),
        detail.getFeaturesList().stream().map(Feature::read).toList(),
        detail.getOutputsList().stream().map(Output::read).toList(),
        detail.getDefaultScoresList().stream().map(DefaultScore::read).toList(),
        detail.hasTimeout() ? ProtoTimes.duration(detail.getTimeout()) : null,
        detail.getRowWise(),
        detail.getRowWiseReason(),
        detail.getWorkers(),
        detail.getCircuit(),
        detail.hasBooster() ? BoosterDetail.read(detail.getBooster()) : null);
  }
}
