package io.scorebridge.client;

import java.time.Instant;

/**
 * One version of a model, in short, as {@link ScoringClient#models} lists it. Immutable; may be shared by threads. Made
 * by the client: a newer one may have further components, so read it by its accessors.
 *
 * @param model the model's name.
 * @param version the version's number, from 1.
 * @param state what state the version is in: LOADING, READY, REFUSED, DRAINING, NOT_RESIDENT, NOT_DEPLOYED or WAITING;
 *     a state that only a newer client knows is named by its number, such as UNKNOWN_8.
 * @param stateReason why the version is refused or waits; empty for one that does neither.
 * @param backend "xgboost" or "rserve"; empty if the bundle can't be read.
 * @param digest "sha256:" and 64 hex digits, which name every byte of the version; empty if it was not deployed.
 * @param serving true of the version that answers calls which name none.
 * @param neverScored true if the version has scored nothing yet, neither when it was deployed nor since the gateway has
 *     it.
 * @param retryAt when a version that waits is loaded again; null for one that does not wait.
 */
public record ModelVersion(
    String model,
    int version,
    String state,
    String stateReason,
    String backend,
    String digest,
    boolean serving,
    boolean neverScored,
    Instant retryAt) {
  /** What a gateway says of a version; a StatusRuntimeException if it names a time that there is not. */
  static ModelVersion read(io.scorebridge.v1.ModelVersion version) {
    return new ModelVersion(
        version.getModel(),
        version.getVersion(),
        EnumNames.of(version.getState(), "VERSION_STATE_", "UNKNOWN_", version.getStateValue()),
        version.getStateReason(),
        version.getBackend(),
        version.getDigest(),
        version.getServing(),
        version.getNeverScored(),
        version.hasRetryAt() ? ProtoTimes.instant(version.getRetryAt()) : null);
  }
}
