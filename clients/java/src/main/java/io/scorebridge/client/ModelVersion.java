package io.scorebridge.client;

import java.time.Instant;

/**
 * One version of a model, in short, as {@link ScoringClient#models} lists it. Immutable; may be shared by threads. Only
 * the client makes it, and a later release may add components: read it by its accessors.
 *
 * @param model the model's name.
 * @param version the version's number, from 1.
 * @param state what state the version is in: LOADING, READY, REFUSED, DRAINING, NOT_RESIDENT, NOT_DEPLOYED or WAITING;
 *     a state that only a newer client knows is named by its number, such as UNKNOWN_8.
 * @param stateReason a sentence that says why the version is refused or waits; empty in any other state.
 * @param backend "xgboost" or "rserve"; empty if the bundle can't be read.
 * @param digest "sha256:" and 64 hex digits over every byte of the bundle; empty if the version was not deployed.
 * @param serving true if calls that name no version go to this one.
 * @param neverScored true if the version has scored nothing so far, neither when it was deployed nor in this gateway.
 * @param retryAt when a waiting version is tried again; null for a version in any other state.
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
  /** Reads a gateway's message about a version; throws a StatusRuntimeException if a time in it is not valid. */
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
