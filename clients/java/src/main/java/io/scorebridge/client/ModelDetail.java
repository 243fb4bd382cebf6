package io.scorebridge.client;

import java.time.Duration;
import java.util.List;

/**
 * One version of a model with its features, outputs and settings, as {@link ScoringClient#model} describes it.
 * Immutable; may be shared by threads. Only the client makes it, and a later release may add components: read it by its
 * accessors.
 *
 * @param version the version in short.
 * @param engine the program that computes the scores, such as "xgboost 3.2.0"; empty while the version is not resident.
 * @param engineReason why the gateway uses this engine; empty if there is nothing to say.
 * @param features the model's inputs, in the model's order; empty while they are not known.
 * @param outputs the model's outputs; empty while they are not known.
 * @param defaultScores the configured default scores, in the order of the outputs; empty if there are none.
 * @param timeout how long a call without a deadline may take; null if the gateway does not say.
 * @param rowWise true if the rows of a batch are scored independently, so that a big batch is sent in chunks.
 * @param rowWiseReason why rows are not scored independently; empty if they are.
 * @param workers the number of calls that can run at once.
 * @param circuit the state of the gateway's own circuit for this version: "closed", "open" or "half-open"; empty while
 *     the version is not resident.
 * @param booster what the file of an xgboost model says about the model; null for any other model.
 * @param lookups how the gateway looks up features that a call does not send; empty if it looks up none.
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
    BoosterDetail booster,
    List<ModelLookup> lookups) {
  /** Reads a gateway's message about a version; throws a StatusRuntimeException if a time in it is not valid. */
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
        detail.hasBooster() ? BoosterDetail.read(detail.getBooster()) : null,
        detail.getLookupsList().stream().map(ModelLookup::read).toList());
  }
}
